import SluiceBasics
import SluiceCore

/// Several policies on the same arrivals, piece by piece, so that whoever runs it can do something else in between.
package struct LabComparison: Sendable {
    /// Requests of one comparison, all policies together.
    package static let mostRequests = 200_000
    package static let mostPolicies = 4
    /// Points of each time series.
    package static let points = 120

    package struct Contender: Sendable {
        package var name: String
        package var scenario: LabScenario

        package init(name: String, scenario: LabScenario) {
            self.name = name
            self.scenario = scenario
        }
    }

    package struct Result: Sendable {
        package var name: String
        package var scenario: LabScenario
        package var report: SimulationReport
        package var series: RunSeries
        /// `nil`: every request is accounted for.
        package var complaint: String?
    }

    package let workload: Workload
    private var contenders: [Contender]
    private var current: PoolSimulation?
    package private(set) var results: [Result] = []

    /// - Parameters:
    ///   - scenario: what arrives, and at which backend.
    ///   - trace: instead of what the scenario draws.
    ///   - requests: at most so many.
    package init(_ scenario: LabScenario, trace: Workload?, contenders: [Contender], requests: Int) {
        var workload: Workload
        if var recorded = trace {
            recorded.arrivals = Array(recorded.arrivals.prefix(requests))
            for index in recorded.arrivals.indices where scenario.pace != 1 {
                let at = recorded.arrivals[index].at.inSeconds / scenario.pace
                recorded.arrivals[index].at = LabScenario.span(at)
            }
            workload = recorded
        } else {
            let rate = scenario.pattern == .none ? 0 : scenario.rate
            workload = scenario.shape.workload(
                rate: max(0.001, rate),
                requests: rate > 0 ? requests : 0,
                seed: scenario.seed
            )
        }
        self.workload = workload
        self.contenders = contenders
    }

    /// Goes on for so many events; `false` when all is done.
    package mutating func advance(most: Int) -> Bool {
        guard let contender = self.contenders.first else { return false }
        if self.current == nil {
            let policy = SimulatedPolicy(name: contender.name, scheduling: contender.scenario.scheduling)
            self.current = PoolSimulation(
                self.workload,
                PoolSimulation.Configuration(
                    policy: policy,
                    slots: contender.scenario.slots,
                    backend: contender.scenario.backend,
                    seed: contender.scenario.seed
                )
            )
        }
        for _ in 0..<most {
            guard self.current?.step() == true else {
                self.close(contender)
                break
            }
        }
        return !self.contenders.isEmpty
    }

    private mutating func close(_ contender: Contender) {
        self.contenders.removeFirst()
        guard var simulation = self.current else { return }
        self.current = nil
        let report = simulation.finish(name: contender.name)
        let series = RunSeries(simulation, workload: self.workload, slots: contender.scenario.slots)
        self.results.append(
            Result(
                name: contender.name,
                scenario: contender.scenario,
                report: report,
                series: series,
                complaint: simulation.audit()
            )
        )
    }
}

/// A whole run over time, in equal steps from its first arrival to its last end.
package struct RunSeries: Sendable, Equatable {
    package var step: Duration
    package var arrived: [Int]
    package var started: [Int]
    package var done: [Int]
    package var tokens: [Int]
    /// At the end of each step.
    package var pending: [Int]
    package var utilisation: [Double]
    /// Mean wait in seconds of those that started, by priority; `nil`: none did.
    package var waits: [[Double?]]

    init(_ simulation: PoolSimulation, workload: Workload, slots: Int) {
        let lives = simulation.lives
        let last = lives.reduce(Instant.zero) { max($0, $1.endedAt ?? .zero) }
        let points = LabComparison.points
        let step = Duration.nanoseconds(max(1_000_000, (last - .zero).wholeNanoseconds / Int64(points) + 1))
        let nanoseconds = step.wholeNanoseconds
        func place(_ at: Instant) -> Int { min(points - 1, Int(at.nanoseconds / nanoseconds)) }
        var arrived = [Int](repeating: 0, count: points)
        var (started, done, tokens, left) = (arrived, arrived, arrived, arrived)
        var busy = [Double](repeating: 0, count: points)
        var sums = [[Double]](repeating: busy, count: Priority.allCases.count)
        var counts = [[Int]](repeating: arrived, count: Priority.allCases.count)
        for (request, life) in lives.enumerated() where life.reason != nil {
            arrived[place(life.arrivedAt)] += 1
            if let at = life.startedAt {
                let priority = Int(workload.arrivals[request].priority.rawValue)
                started[place(at)] += 1
                left[place(at)] += 1
                sums[priority][place(at)] += (at - life.arrivedAt).inSeconds
                counts[priority][place(at)] += 1
                Self.spread(from: at, to: life.endedAt ?? at, nanoseconds, &busy)
            } else if let at = life.endedAt {
                left[place(at)] += 1
            }
            guard life.reason == .ok, let at = life.endedAt else { continue }
            done[place(at)] += 1
            tokens[place(at)] += workload.arrivals[request].tokens
        }
        var waiting = 0
        self.pending = zip(arrived, left).map { came, went in
            waiting += came - went
            return waiting
        }
        self.step = step
        self.arrived = arrived
        self.started = started
        self.done = done
        self.tokens = tokens
        self.utilisation = busy.map { min(1, $0 / (Double(max(1, slots)) * step.inSeconds)) }
        self.waits = zip(sums, counts).map { sums, counts in
            zip(sums, counts).map { sum, count in count > 0 ? sum / Double(count) : nil }
        }
    }

    /// Seconds of one call to the steps in which it ran.
    private static func spread(from: Instant, to: Instant, _ step: Int64, _ busy: inout [Double]) {
        var at = from.nanoseconds
        while at < to.nanoseconds {
            let place = min(busy.count - 1, Int(at / step))
            let end = place == busy.count - 1 ? to.nanoseconds : min(to.nanoseconds, Int64(place + 1) * step)
            busy[place] += Double(end - at) / 1e9
            at = end
        }
    }
}
