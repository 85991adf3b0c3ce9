import SluiceBasics
import SluiceCore
import Testing

@Suite struct CircuitBreakerTests {
    private let configuration = BreakerConfiguration(
        consecutiveFailures: 3,
        failureRatio: 0.5,
        minimumCalls: 10,
        window: .seconds(30),
        openFor: .seconds(10),
        probesToClose: 2
    )
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func call(_ breaker: inout CircuitBreaker, _ verdict: BackendVerdict, at now: Instant) -> Bool {
        guard let permit = breaker.permit(at: now) else { return false }
        breaker.settle(permit, verdict, at: now)
        return true
    }

    private struct Refused: Error {}

    private func permit(_ breaker: inout CircuitBreaker, at now: Instant) throws -> BreakerPermit {
        guard let permit = breaker.permit(at: now) else { throw Refused() }
        return permit
    }

    private func opened() -> CircuitBreaker {
        var breaker = CircuitBreaker(self.configuration)
        for _ in 0..<3 { _ = self.call(&breaker, .failing, at: self.start) }
        return breaker
    }

    @Test func `consecutive failures open it, and a success in between starts the count again`() {
        var breaker = CircuitBreaker(self.configuration)
        for verdict in [BackendVerdict.failing, .failing, .healthy, .failing, .failing, .neutral] {
            #expect(self.call(&breaker, verdict, at: self.start))
            #expect(breaker.state == .closed)
        }
        #expect(self.call(&breaker, .failing, at: self.start))
        #expect(breaker.state == .open)
        #expect(breaker.timesOpened == 1)
        #expect(!self.call(&breaker, .healthy, at: self.start))
    }

    @Test func `the failure ratio of the window opens it`() {
        var breaker = CircuitBreaker(self.configuration)
        for index in 0..<9 { _ = self.call(&breaker, index % 2 == 0 ? .healthy : .failing, at: self.start) }
        #expect(breaker.state == .closed)
        _ = self.call(&breaker, .failing, at: self.start)
        #expect(breaker.state == .open)
    }

    @Test func `what is older than the window does not count`() {
        var breaker = CircuitBreaker(self.configuration)
        for index in 0..<9 { _ = self.call(&breaker, index % 2 == 0 ? .healthy : .failing, at: self.start) }
        let later = self.start + .seconds(31)
        _ = self.call(&breaker, .failing, at: later)
        #expect(breaker.state == .closed)
    }

    @Test func `neutral results never open it`() {
        var breaker = CircuitBreaker(self.configuration)
        for _ in 0..<100 { #expect(self.call(&breaker, .neutral, at: self.start)) }
        #expect(breaker.state == .closed)
    }

    @Test func `it lets one probe through at a time and closes after enough of them`() throws {
        var breaker = self.opened()
        #expect(!breaker.admits(at: self.start + .seconds(9)))
        let due = self.start + .seconds(10)
        #expect(breaker.openUntil == due)
        let first = try self.permit(&breaker, at: due)
        #expect(first.isProbe && breaker.state == .halfOpen)
        #expect(throws: Refused.self) { try self.permit(&breaker, at: due) }
        breaker.settle(first, .healthy, at: due)
        #expect(breaker.state == .halfOpen)
        let second = try self.permit(&breaker, at: due)
        breaker.settle(second, .neutral, at: due)
        let third = try self.permit(&breaker, at: due)
        breaker.settle(third, .healthy, at: due)
        #expect(breaker.state == .closed && breaker.consecutiveFailures == 0)
        let ordinary = try self.permit(&breaker, at: due)
        #expect(!ordinary.isProbe)
    }

    @Test func `a failing probe opens it for another while`() throws {
        var breaker = self.opened()
        let due = self.start + .seconds(10)
        let probe = try self.permit(&breaker, at: due)
        breaker.settle(probe, .failing, at: due)
        #expect(breaker.state == .open && breaker.timesOpened == 2)
        #expect(breaker.openUntil == due + .seconds(10))
    }

    @Test func `verdicts from before a transition are ignored`() throws {
        var breaker = CircuitBreaker(self.configuration)
        let slow = try self.permit(&breaker, at: self.start)
        let slower = try self.permit(&breaker, at: self.start)
        for _ in 0..<3 { _ = self.call(&breaker, .failing, at: self.start) }
        let due = self.start + .seconds(10)
        let probe = try self.permit(&breaker, at: due)
        breaker.settle(slow, .failing, at: due)
        #expect(breaker.state == .halfOpen)
        #expect(throws: Refused.self) { try self.permit(&breaker, at: due) }
        breaker.settle(probe, .healthy, at: due)
        breaker.settle(slower, .healthy, at: due)
        #expect(breaker.state == .halfOpen)
    }

    @Test func `the rolling ratio agrees with a list of times`() {
        var random = SeededRandom(seed: 9)
        var ratio = RollingRatio(window: .seconds(12))
        var events: [(at: Instant, isMark: Bool)] = []
        var now = self.start
        for _ in 0..<3_000 {
            now = now + .milliseconds(Int.random(in: 0...900, using: &random))
            let isMark = random.unit() < 0.3
            if isMark { ratio.mark(at: now) } else { ratio.count(at: now) }
            events.append((now, isMark))
            // Buckets of one second: the window begins with a whole second.
            let oldest = now.nanoseconds / 1_000_000_000 - 11
            events.removeAll { $0.at.nanoseconds / 1_000_000_000 < oldest }
            #expect(ratio.marked == events.count(where: \.isMark))
            #expect(ratio.total == events.count { !$0.isMark })
        }
    }
}
