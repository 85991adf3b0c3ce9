import SluiceBasics
import SluiceCore
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// One dispatcher's share by itself, with a keeper that answers when the test says so.
struct BudgetShareTests {
    /// A keeper whose clock is that of the dispatchers.
    private struct Keeper {
        var ledger = BudgetLedger()

        mutating func answer(_ question: BudgetQuestion, to name: String = "a", at now: Instant) throws -> BudgetAnswer
        {
            let numbers = question.arguments.map { Int(String(decoding: $0.wireBytes, as: UTF8.self)) ?? 0 }
            let answer = self.ledger.ask(name, numbers, server: 1_000_000_000_000 + Int(now.nanoseconds / 1_000))
            let value = LeaseBudgetAnswer(.array(answer.map { .integer($0) }))
            guard case .leased(let leased) = try #require(value) else { throw Unanswered() }
            return leased
        }

        /// One question, if one is due.
        mutating func serve(_ share: inout BudgetShare, _ name: String = "a", at now: Instant) throws {
            guard let question = share.question(at: now) else { return }
            share.accept(try self.answer(question, to: name, at: now), at: now)
        }
    }

    private struct Unanswered: Error {}

    private let start = Instant.zero + .seconds(1)

    /// Reserves until nothing more goes.
    private func useUp(_ share: inout BudgetShare, _ tokens: Int, at now: Instant) -> Int {
        for count in 0..<1_000 {
            guard case .success = share.reserve(tokens, at: now) else { return count }
        }
        return 1_000
    }

    @Test(arguments: [false, true])
    func `while the keeper is silent nobody looks a thousand times per second`(isLeaving: Bool) throws {
        var keeper = Keeper()
        var share = BudgetShare(RateLimit(tokensPerMinute: 600_000), now: self.start)
        _ = share.check(100, at: self.start)
        try keeper.serve(&share, at: self.start)
        #expect(self.useUp(&share, 100, at: self.start) > 0)
        var now = self.start + .seconds(1)
        #expect(share.question(at: now) != nil)
        if isLeaving { share.leave() }
        let end = now + .seconds(10)
        var looks = 0
        while now < end {
            // As a pool does that waits for it.
            guard case .refused(let refusal) = share.check(100, at: now) else { break }
            now = now + max(try #require(refusal.availableIn), .nanoseconds(1))
            looks += 1
        }
        #expect((1...45).contains(looks))
    }

    /// The keeper counts from when it was asked, the holder from before that, by a clock that may be slow.
    @Test(arguments: [0, 2_000])
    func `a lease ends at its holder before it can have ended at the keeper`(answeredAfter: Int) throws {
        var keeper = Keeper()
        var share = BudgetShare(RateLimit(tokensPerMinute: 600_000), now: self.start)
        _ = share.check(100, at: self.start)
        let asked = share.question(at: self.start)
        let question = try #require(asked)
        #expect(question.leaseMilliseconds == 5_000)
        let answer = try keeper.answer(question, at: self.start)
        share.accept(answer, at: self.start + .milliseconds(answeredAfter))
        let usable = (answeredAfter...20_000).filter { milliseconds in
            share.availableTokens(at: self.start + .milliseconds(milliseconds)) ?? 0 > 0
        }
        let last = try #require(usable.last)
        #expect(last * 101 / 100 < question.leaseMilliseconds)
        // It would be a waste to end it much sooner.
        #expect(last > 4_800)
        #expect(self.useUp(&share, 1, at: self.start + .milliseconds(last + 1)) == 0)
    }

    @Test func `a laxer limit waits for the keeper, a stricter one does not`() throws {
        var keeper = Keeper()
        var share = BudgetShare(RateLimit(requestsPerMinute: 60, burstRequests: 10), now: self.start)
        _ = share.check(0, at: self.start)
        try keeper.serve(&share, at: self.start)
        share.configure(RateLimit(), at: self.start)
        #expect(share.availableRequests(at: self.start) != nil)
        #expect(self.useUp(&share, 0, at: self.start) <= 10)
        #expect(share.availableRequests(at: self.start + .seconds(30)) == 0)
        let now = self.start + .seconds(31)
        try keeper.serve(&share, at: now)
        #expect(share.availableRequests(at: now) == nil)
        #expect(self.useUp(&share, 0, at: now) == 1_000)
        share.configure(RateLimit(requestsPerMinute: 30), at: now)
        #expect(share.limits.requestRate == 30)
        #expect(self.useUp(&share, 0, at: now) == 0)
    }

    @Test func `an answer to what was asked under the old limit does not bring it back`() throws {
        var keeper = Keeper()
        var share = BudgetShare(RateLimit(requestsPerMinute: 600), now: self.start)
        _ = share.check(0, at: self.start)
        let asked = share.question(at: self.start)
        let question = try #require(asked)
        share.configure(RateLimit(requestsPerMinute: 60, tokensPerMinute: 1_000), at: self.start)
        share.accept(try keeper.answer(question, at: self.start), at: self.start)
        #expect(share.limits.requestRate == 60)
        #expect(share.limits.tokenRate == 1_000)
        // Of tokens nothing has been leased yet.
        #expect(self.useUp(&share, 10, at: self.start) == 0)
        for second in 1...2 { try keeper.serve(&share, at: self.start + .seconds(second)) }
        #expect(self.useUp(&share, 10, at: self.start + .seconds(2)) > 0)
    }

    @Test func `whoever has no limit asks at the start and now and then whether others have one`() throws {
        var keeper = Keeper()
        var free = BudgetShare(RateLimit(), now: self.start)
        #expect(free.nextLook(at: self.start) == self.start)
        try keeper.serve(&free, "free", at: self.start)
        #expect(keeper.ledger == BudgetLedger())
        #expect(free.nextLook(at: self.start) == self.start + .seconds(20))
        #expect(self.useUp(&free, 50, at: self.start) == 1_000)

        var limited = BudgetShare(RateLimit(tokensPerMinute: 6_000), now: self.start)
        _ = limited.check(50, at: self.start)
        try keeper.serve(&limited, at: self.start)
        let now = self.start + .seconds(20)
        try keeper.serve(&free, "free", at: now)
        #expect(free.limits.tokenRate == 6_000)
        #expect(self.useUp(&free, 50, at: now) == 0)
        // Nobody has asked for a minute: no limit is known any more.
        let later = now + .seconds(60)
        try keeper.serve(&free, "free", at: later)
        #expect(!free.limits.isLimited)
    }

    @Test func `what was reserved without a limit is not given back to one`() throws {
        var keeper = Keeper()
        var share = BudgetShare(RateLimit(), now: self.start)
        let reservation = try share.reserve(100_000, at: self.start).get()
        try keeper.serve(&share, at: self.start)
        share.settle(reservation, actual: 10, at: self.start)
        // Nothing to tell, however busy it is.
        #expect(share.nextLook(at: self.start) == self.start + .seconds(20))
        #expect(!share.isRestless)
        share.configure(RateLimit(tokensPerMinute: 6_000), at: self.start)
        #expect(share.question(at: self.start)?.refunds.isEmpty == true)
    }
}
