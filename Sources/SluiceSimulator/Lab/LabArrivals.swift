import SluiceBasics
import SluiceCore

/// Who comes next, while anything about it may change.
///
/// DESIGN. Each tenant has a stream of times and one of contents with seeds of their own, so that a change of one
/// tenant, or of what requests are like, leaves the times of the others alone. A change of rate or pattern draws the
/// times to come anew from then on, which for arrivals without memory is what the old ones would have been, stretched.
struct LabArrivals: Sendable {
    private struct Tenant: Sendable {
        var stream: ArrivalStream
        var contents: SeededRandom
        var share: Double
        var generation: UInt64 = 0
    }

    /// Everybody who ever sent something, in order of appearance: numbers stay.
    private(set) var names: [String] = []
    private var tenants: [Tenant] = []
    private var next = IndexedHeap()
    private var scenario: LabScenario
    private var shape: WorkloadShape
    private let trace: Workload?
    /// Of the trace: what comes next, and when it began as far as it goes by now.
    private var place = 0
    private var base = Instant.zero
    private var baseOffset = Duration.zero
    private var traceNumbers: [Int] = []

    /// Names in all: who goes is remembered until a reset.
    static let mostNames = 1_024

    init(_ scenario: LabScenario, trace: Workload?) {
        self.scenario = scenario
        self.shape = scenario.shape
        self.trace = trace
        for tenant in scenario.tenants { _ = self.number(tenant.name) }
        self.traceNumbers = trace?.tenants.map { self.number($0) } ?? []
        self.renew(at: .zero) { _ in true }
    }

    /// Nobody has this name yet: a number is given.
    mutating func number(_ name: String) -> Int {
        if let known = self.names.firstIndex(of: name) { return known }
        var seeds = SeededRandom(seed: self.scenario.seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(self.names.count))
        let stream = ArrivalStream(.poisson, rate: 1, seed: seeds.next())
        self.names.append(name)
        self.tenants.append(Tenant(stream: stream, contents: SeededRandom(seed: seeds.next()), share: 0))
        return self.names.count - 1
    }

    mutating func change(to scenario: LabScenario, at now: Instant) {
        let old = self.scenario
        if scenario.pace != old.pace, self.trace != nil {
            self.baseOffset = self.offset(at: now)
            self.base = now
        }
        self.scenario = scenario
        self.shape = scenario.shape
        for tenant in scenario.tenants { _ = self.number(tenant.name) }
        guard scenario.pattern != old.pattern || scenario.rate != old.rate || scenario.tenants != old.tenants else {
            return
        }
        let (before, after) = (Self.rates(old), Self.rates(scenario))
        let isNew = scenario.pattern != old.pattern
        let names = self.names
        self.renew(at: now) { isNew || before[names[$0]] != after[names[$0]] }
    }

    /// Arrivals per second of each tenant.
    private static func rates(_ scenario: LabScenario) -> [String: Double] {
        let total = scenario.tenants.reduce(0) { $0 + $1.share }
        var rates: [String: Double] = [:]
        for tenant in scenario.tenants where total > 0 && tenant.share > 0 {
            rates[tenant.name] = scenario.rate * tenant.share / total
        }
        return scenario.pattern == .none ? [:] : rates
    }

    private mutating func renew(at now: Instant, _ isChanged: (Int) -> Bool) {
        let rates = self.trace == nil ? Self.rates(self.scenario) : [:]
        for number in self.tenants.indices where isChanged(number) {
            self.next.remove(UInt32(number))
            guard let rate = rates[self.names[number]], rate > 0 else { continue }
            self.tenants[number].generation += 1
            let mixed =
                self.scenario.seed &* 0xD134_2543_DE82_EF95 &+ UInt64(number) &* 0x9E37_79B9_7F4A_7C15
                &+ self.tenants[number].generation &* 0x94D0_49BB_1331_11EB
            var seeds = SeededRandom(seed: mixed)
            self.tenants[number].stream = ArrivalStream(
                self.scenario.pattern.process,
                rate: rate,
                seed: seeds.next(),
                from: (now - .zero).inSeconds
            )
            self.next.set(UInt32(number), at: .zero + self.tenants[number].stream.next())
        }
    }

    // MARK: Coming

    /// When somebody comes; `distantFuture`: never.
    var due: Instant {
        if let trace = self.trace {
            guard self.place < trace.arrivals.count else { return .distantFuture }
            let offset = trace.arrivals[self.place].at - self.baseOffset
            return self.base + LabScenario.span(offset.inSeconds / self.scenario.pace)
        }
        return self.next.first?.at ?? .distantFuture
    }

    /// How far the trace has come.
    private func offset(at now: Instant) -> Duration {
        self.baseOffset + LabScenario.span((now - self.base).inSeconds * self.scenario.pace)
    }

    mutating func take(at now: Instant) -> Arrival? {
        if let trace = self.trace {
            guard self.place < trace.arrivals.count else { return nil }
            var arrival = trace.arrivals[self.place]
            arrival.tenant = self.traceNumbers[arrival.tenant]
            self.place += 1
            if self.place == trace.arrivals.count, self.scenario.repeatsTrace { self.rewind(trace, at: now) }
            return arrival
        }
        guard let first = self.next.first else { return nil }
        let number = Int(first.item)
        let at = Instant.zero + self.tenants[number].stream.next()
        self.next.set(first.item, at: max(at, now))
        return self.draw(number)
    }

    /// From the beginning, after as long as requests lie apart on average.
    private mutating func rewind(_ trace: Workload, at now: Instant) {
        guard let last = trace.arrivals.last else { return }
        let pause = max(0.001, last.at.inSeconds / Double(trace.arrivals.count))
        self.place = 0
        self.baseOffset = .zero
        self.base = now + LabScenario.span(pause / self.scenario.pace)
    }

    /// One more of a tenant.
    mutating func draw(_ tenant: Int) -> Arrival {
        self.shape.draw(tenant: tenant, at: .zero, &self.tenants[tenant].contents)
    }
}
