import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

/// One simulation, its pace, and who watches it. Only reached on the lab's own thread but for its watchers, so that the
/// lock is never waited for where the runtime's requests are answered.
final class LabSession: Sendable {
    struct State: Sendable {
        var simulation: LabSimulation
        let trace: Workload?
        /// Simulated over real time; `nil`: as fast as it can.
        var speed: Double? = 1
        var isPaused = false
        /// What the speed really is.
        var runningAt = 0.0
        /// Resolution of the series; `nil`: by the speed.
        var level: Int?
        var watchers: [LabWatcher] = []
        var touchedAt: Instant
        var isDriven = false
        var isGone = false
        fileprivate var wallAt: Instant
        fileprivate var frameAt: Instant?
        fileprivate var seriesAt: Instant?
        fileprivate var spokeAt: Instant
        /// Whether what is shown is older than what is.
        fileprivate var isStale = true
        var sequence = 0
    }

    let id: String
    let state: Lock<State>

    init(id: String, _ scenario: LabScenario, trace: Workload?, now: Instant) {
        self.id = id
        self.state = Lock(
            State(
                simulation: LabSimulation(scenario, trace: trace),
                trace: trace,
                touchedAt: now,
                wallAt: now,
                spokeAt: now
            )
        )
    }

    /// What it may do about the simulation or its pace; shown at once.
    func change<Value: Sendable, Failure: Error>(
        at now: Instant,
        _ body: @Sendable (inout State) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try self.state.withLock { state throws(Failure) -> Value in
            state.touchedAt = now
            let value = try body(&state)
            state.isStale = true
            state.frameAt = nil
            state.seriesAt = nil
            state.publish(now)
            return value
        }
    }

    // MARK: Driving

    /// One slice: goes on by what the clock has gone on, but works no longer than a slice.
    ///
    /// - Returns: how long to pause; `nil`: nobody watches any more.
    func drive(_ clock: any TimeSource) -> Duration? {
        self.state.withLock { state -> Duration? in
            let began = clock.now()
            guard !state.watchers.isEmpty, !state.isGone else {
                state.isDriven = false
                return nil
            }
            state.touchedAt = began
            if !state.isPaused { state.goOn(clock, began) }
            let now = clock.now()
            state.publish(now)
            // Half of the lab's thread at most.
            return max(state.isPaused ? LabConfiguration.framePeriod : LabConfiguration.tick, now - began)
        }
    }

    /// Goes on by itself, whether or not anybody watches; in slices, until it is there or time is up.
    ///
    /// - Returns: whether it is there.
    func step(seconds: Double, _ clock: any TimeSource, _ until: Instant, from: Instant) -> Bool {
        self.state.withLock { state -> Bool in
            let target = from + Self.span(seconds)
            let began = clock.now()
            while clock.now() - began < LabConfiguration.slice {
                if state.simulation.advance(to: target, most: LabConfiguration.eventsPerLook)
                    < LabConfiguration.eventsPerLook
                {
                    return true
                }
            }
            return clock.now() >= until
        }
    }

    /// What is left of a step by events.
    struct Steps: Sendable {
        var events: Int
        /// Wakes that change nothing: a day of steps of a second.
        var silent = 86_400

        var isDone: Bool { self.events == 0 || self.silent == 0 }
    }

    /// Goes on by what happens, for a slice at most.
    func step(_ steps: Steps, _ clock: any TimeSource) -> Steps {
        self.state.withLock { state in
            var steps = steps
            let began = clock.now()
            var looks = 0
            while !steps.isDone, looks < LabConfiguration.mostStepLooks, clock.now() - began < LabConfiguration.slice {
                looks += 1
                var silent = min(steps.silent, LabConfiguration.eventsPerLook)
                steps.silent -= silent
                switch state.simulation.stepOnce(silent: &silent) {
                case .happened: steps.events -= 1
                case .silent: break
                case .never: steps.events = 0
                }
                steps.silent += silent
            }
            return steps
        }
    }

    static func span(_ seconds: Double) -> Duration {
        .nanoseconds(Int64(min(9e17, max(0, seconds) * 1e9).rounded()))
    }
}

extension LabSession.State {
    /// Longest real time that is made up for: who was away longer goes on from where it was.
    private static let mostElapsed = Duration.milliseconds(250)

    fileprivate mutating func goOn(_ clock: any TimeSource, _ began: Instant) {
        let elapsed = min(Self.mostElapsed, began - self.wallAt)
        self.wallAt = began
        guard self.simulation.now - .zero < LabConfiguration.longest else {
            self.isPaused = true
            return
        }
        let from = self.simulation.now
        var target = from
        if let speed = self.speed { target = from + LabSession.span(elapsed.inSeconds * speed) }
        var looks = 0
        repeat {
            looks += 1
            if self.speed == nil { target = self.simulation.now + LabConfiguration.stride }
            let happened = self.simulation.advance(to: target, most: LabConfiguration.eventsPerLook)
            if happened < LabConfiguration.eventsPerLook, self.speed != nil { break }
        } while looks < LabConfiguration.mostLooks && clock.now() - began < LabConfiguration.slice
        self.isStale = true
        guard elapsed > .zero else { return }
        let pace = (self.simulation.now - from).inSeconds / elapsed.inSeconds
        self.runningAt += (pace - self.runningAt) * 0.2
    }

    /// After a pause, time begins anew.
    mutating func resumeClock(_ now: Instant) { self.wallAt = now }

    /// Shows those who watch what is new, if it is time to.
    fileprivate mutating func publish(_ now: Instant) {
        guard !self.watchers.isEmpty else { return }
        if self.isStale, self.frameAt.map({ now - $0 >= LabConfiguration.framePeriod }) ?? true {
            self.sequence += 1
            let frame = LabFrameView.event(&self)
            var series: [UInt8]?
            if self.seriesAt.map({ now - $0 >= LabConfiguration.seriesPeriod }) ?? true {
                series = LabSeriesView.event(self.simulation.series, level: self.shownLevel, self.simulation.scenario)
                self.seriesAt = now
            }
            for watcher in self.watchers { watcher.show(frame: frame, series: series) }
            self.frameAt = now
            self.spokeAt = now
            self.isStale = false
        } else if now - self.spokeAt >= LabConfiguration.heartbeat {
            for watcher in self.watchers { watcher.show(note: Array(": \n\n".utf8)) }
            self.spokeAt = now
        }
    }

    /// So that the chart's width is half a minute of real time or more.
    var shownLevel: Int {
        if let level = self.level { return level }
        guard let speed = self.speed else { return 2 }
        return speed <= 10 ? 0 : speed <= 100 ? 1 : speed <= 2_000 ? 2 : 3
    }

    mutating func note(_ name: String, _ data: [UInt8]) {
        let event = SSEWriter.event(name: name, data: data)
        for watcher in self.watchers { watcher.show(note: event) }
    }

    /// From the beginning, with the scenario as it is or another.
    mutating func reset(_ scenario: LabScenario, trace: Workload?, _ now: Instant) {
        self = LabSession.State(
            simulation: LabSimulation(scenario, trace: trace),
            trace: trace,
            speed: self.speed,
            isPaused: self.isPaused,
            level: self.level,
            watchers: self.watchers,
            touchedAt: now,
            isDriven: self.isDriven,
            wallAt: now,
            spokeAt: now,
            sequence: self.sequence
        )
    }
}
