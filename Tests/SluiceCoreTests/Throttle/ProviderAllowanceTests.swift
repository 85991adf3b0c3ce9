import SluiceBasics
import SluiceCore
import Testing

@Suite struct ProviderAllowanceTests {
    private let start = Instant(nanoseconds: 5_000_000_000)
    private func after(_ milliseconds: Int64) -> Instant { self.start + .milliseconds(milliseconds) }

    private func wait(_ answer: ThrottleAnswer) -> Duration? {
        switch answer {
        case .allowed: .zero
        case .refused(let refusal): refusal.availableIn
        }
    }

    @Test func `nothing said, nothing limited`() {
        var allowance = ProviderAllowance()
        allowance.note(.tokens, limit: 100, remaining: nil, resetsIn: .seconds(1), at: self.start)
        allowance.note(retryAfter: .zero, at: self.start)
        allowance.note(retryAfter: .seconds(-5), at: self.start)
        #expect(allowance.availableTokens(at: self.start) == nil)
        #expect(allowance.availableRequests(at: self.start) == nil)
        #expect(allowance.check(.max, at: self.start).isAllowed)
    }

    @Test func `what is left comes back evenly until the reset`() {
        var allowance = ProviderAllowance()
        allowance.note(.tokens, limit: 1_000, remaining: 200, resetsIn: .seconds(8), at: self.start)
        #expect(allowance.availableTokens(at: self.start) == 200)
        #expect(allowance.availableTokens(at: self.after(4_000)) == 600)
        #expect(allowance.availableTokens(at: self.after(7_999)) == 999)
        // Then the fact is old.
        #expect(allowance.availableTokens(at: self.after(8_000)) == nil)
        #expect(self.wait(allowance.check(200, at: self.start)) == .zero)
        #expect(self.wait(allowance.check(600, at: self.start)) == .seconds(4))
        #expect(allowance.check(600, at: self.after(4_000)).isAllowed)
        #expect(!allowance.check(600, at: self.after(3_999)).isAllowed)
    }

    @Test func `what is sent counts until the next answer`() {
        var allowance = ProviderAllowance()
        allowance.note(.requests, limit: 10, remaining: 1, resetsIn: .seconds(60), at: self.start)
        #expect(allowance.check(5, at: self.start).isAllowed)
        allowance.charge(5)
        #expect(allowance.availableRequests(at: self.start) == 0)
        #expect(!allowance.check(5, at: self.start).isAllowed)
        allowance.note(.requests, limit: 10, remaining: 9, resetsIn: .seconds(6), at: self.start)
        #expect(allowance.availableRequests(at: self.start) == 9)
    }

    @Test func `what is sent does not hasten what comes back`() {
        var allowance = ProviderAllowance()
        allowance.note(.tokens, limit: 1_000, remaining: 200, resetsIn: .seconds(8), at: self.start)
        #expect(allowance.availableTokens(at: self.after(4_000)) == 600)
        allowance.charge(500)
        #expect(allowance.availableTokens(at: self.after(4_000)) == 100)
        #expect(allowance.availableTokens(at: self.after(5_000)) == 200)
    }

    @Test func `an answer teaches all that it says`() {
        var allowance = ProviderAllowance()
        let observation = ProviderObservation(
            requests: .init(limit: 10, remaining: 3, resetsIn: .seconds(60)),
            inputTokens: .init(limit: 1_000, remaining: 900, resetsIn: .seconds(60)),
            outputTokens: .init(limit: 200, remaining: 50, resetsIn: .seconds(60)),
            retryAfter: .seconds(2)
        )
        allowance.note(observation, at: self.start)
        #expect(allowance.isPaused(at: self.after(1_999)))
        #expect(allowance.availableRequests(at: self.after(2_000)) == 3)
        #expect(allowance.available(.inputTokens, at: self.start) == 900)
        #expect(allowance.available(.tokens, at: self.start) == nil)
        #expect(allowance.availableTokens(at: self.after(2_000)) == 55)
    }

    @Test func `a pause is believed for a minute at most`() {
        var allowance = ProviderAllowance()
        allowance.note(retryAfter: .seconds(86_400), at: self.start)
        #expect(allowance.availableTokens(at: self.start) == 0)
        #expect(allowance.availableRequests(at: self.after(59_999)) == 0)
        #expect(self.wait(allowance.check(1, at: self.start)) == .seconds(60))
        #expect(allowance.check(1, at: self.after(60_000)).isAllowed)
        allowance.note(retryAfter: .seconds(10), at: self.after(70_000))
        allowance.note(retryAfter: .seconds(1), at: self.after(70_000))
        #expect(allowance.isPaused(at: self.after(79_999)))
        #expect(!allowance.isPaused(at: self.after(80_000)))
    }

    @Test func `a request larger than the limit waits for the whole limit, not for ever`() {
        var allowance = ProviderAllowance()
        allowance.note(.outputTokens, limit: 100, remaining: 50, resetsIn: .seconds(10), at: self.start)
        #expect(self.wait(allowance.check(5_000, at: self.start)) == .seconds(10))
        #expect(allowance.check(5_000, input: 4_960, output: 40, at: self.start).isAllowed)
        #expect(allowance.check(5_000, at: self.after(10_000)).isAllowed)
    }

    @Test(arguments: [Int.min, -1, 0, 1, .max], [Int.min, -1, 0, 1, .max])
    func `hostile numbers`(limit: Int, remaining: Int) {
        for reset in [Duration.zero, .seconds(-1), .nanoseconds(1), .seconds(Int64.max)] {
            for time in [Int64.min, -1, 0, 1, .max] {
                var allowance = ProviderAllowance()
                let now = Instant(nanoseconds: time)
                allowance.note(.tokens, limit: limit, remaining: remaining, resetsIn: reset, at: now)
                allowance.note(retryAfter: reset, at: now)
                allowance.charge(.max, input: .min, output: .max)
                allowance.charge(remaining)
                for later in [Instant(nanoseconds: .min), .zero, .distantFuture] {
                    _ = allowance.availableTokens(at: later)
                    _ = allowance.check(limit, at: later)
                }
            }
        }
    }

    @Test(arguments: 0..<20)
    func `a wait is as long as it says`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            var allowance = ProviderAllowance()
            let limit = Int.random(in: 1...100_000, using: &random)
            allowance.note(
                .tokens,
                limit: Bool.random(using: &random) ? limit : nil,
                remaining: Int.random(in: 0...limit, using: &random),
                resetsIn: .milliseconds(Int64.random(in: 1...120_000, using: &random)),
                at: self.start
            )
            allowance.charge(Int.random(in: 0...limit, using: &random))
            let tokens = Int.random(in: 1...limit, using: &random)
            guard let wait = self.wait(allowance.check(tokens, at: self.start)), wait > .zero else { continue }
            #expect(!allowance.check(tokens, at: self.start + wait - .nanoseconds(1)).isAllowed)
            #expect(allowance.check(tokens, at: self.start + wait).isAllowed)
        }
    }
}
