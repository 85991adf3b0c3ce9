import SluiceBasics
import SluiceCore
import SluiceTestKit
import Testing

@Suite struct InMemoryQueueTests {
    /// Random calls of every kind, by holders with good and stale tokens; counted again after every few of them.
    @Test(arguments: 0..<60 as Range<UInt64>)
    func `random sequences leave balanced books`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var queue = InMemoryQueue(
            rules: QueueRules(
                order: seed % 2 == 0 ? .priority : .fifo,
                maximumRequests: 40,
                maximumBytes: 20_000,
                maximumRequestsPerTenant: 20,
                replay: seed % 3 == 0 ? .neverAfterSend : .auto,
                maximumDead: 5
            )
        )
        var now = Instant(nanoseconds: 1_000_000_000)
        var leases: [QueueLease] = []
        var highest: UInt64 = 0
        var number: UInt64 = 0
        for step in 0..<600 {
            now = now + .milliseconds(Int.random(in: 0...500, using: &random))
            let lease = leases.randomElement(using: &random)
            switch Int.random(in: 0..<14, using: &random) {
            case 0...3:
                number += 1
                let submission = Submission.sample(
                    number,
                    tenant: "tenant-\(number % 3)",
                    priority: Priority.allCases[Int(number % 4)],
                    bytes: Int.random(in: 1...900, using: &random),
                    deadline: now + .milliseconds(Int.random(in: 0...60_000, using: &random))
                )
                _ = queue.enqueue(submission, now: now)
            case 4, 5:
                guard let claimed = queue.claim(now: now, expiry: now + .seconds(5)) else { break }
                #expect(claimed.token.value > highest)
                highest = claimed.token.value
                leases.append(claimed)
            case 6: if let lease { _ = queue.start(lease.handle, lease.token, backend: "b", now: now) }
            case 7: if let lease { _ = queue.extend(lease.handle, lease.token, until: now + .seconds(5)) }
            case 8, 9:
                guard let lease else { break }
                let verdicts: [Verdict] = [
                    .done(nil), .end(.backend, message: "x"), .retry(after: .seconds(1)), .throttle(after: .zero),
                    .release,
                ]
                let verdict = verdicts.randomElement(using: &random) ?? .release
                _ = queue.finish(
                    lease.handle,
                    lease.token,
                    result: .success(status: 200, usage: nil),
                    verdict: verdict,
                    now: now
                )
            case 10: if let lease { _ = queue.cancel(lease.handle, cause: .operatorRequest, now: now) }
            case 11:
                if let lease { _ = queue.redrive(lease.handle, deadline: now + .seconds(30)) }
                if random.unit() < 0.1 { _ = queue.purge(diedBefore: now - .seconds(20), limit: 3) }
            case 12:
                if random.unit() < 0.2 {
                    var rules = queue.rules
                    rules.order = rules.order == .fifo ? .priority : .fifo
                    queue.configure(rules)
                }
            default: _ = queue.reap(now: now, limit: Int.random(in: 1...20, using: &random))
            }
            #expect(queue.stats.balances)
            if step % 7 == 0 { try #require(queue.audit() == nil, "seed \(seed), step \(step)") }
        }
        Self.drain(&queue, from: now)
    }

    /// Without dispatchers everything drains by itself.
    private static func drain(_ queue: inout InMemoryQueue, from start: Instant) {
        var now = start
        for _ in 0..<40 {
            now = now + .seconds(60)
            _ = queue.reap(now: now)
        }
        #expect(queue.stats.live == 0 && queue.stats.bytes == 0)
        #expect(queue.audit() == nil)
        #expect(queue.nextDue == nil)
    }

    @Test func `the dead are kept up to a number`() throws {
        var queue = InMemoryQueue(rules: QueueRules(maximumAttempts: 1, maximumDead: 2))
        let now = Instant(nanoseconds: 5)
        for number in 1...4 as ClosedRange<UInt64> {
            _ = queue.enqueue(.sample(number, deadline: now + .seconds(9)), now: now)
            let lease = try #require(Self.claim(&queue, now))
            _ = queue.start(lease.handle, lease.token, backend: "b", now: now)
            let failure = AttemptResult.failure(AttemptFailure(.reset, message: "x"))
            _ = queue.finish(lease.handle, lease.token, result: failure, verdict: .retry(after: .zero), now: now)
        }
        #expect(queue.stats.dead == 2 && queue.stats.ended[.attempts] == 4)
        #expect(queue.handle(of: RequestID(high: 1, low: 2)) == nil)
        #expect(queue.handle(of: RequestID(high: 1, low: 3)) != nil)
        #expect(queue.audit() == nil)
    }

    private static func claim(_ queue: inout InMemoryQueue, _ now: Instant) -> QueueLease? {
        queue.claim(now: now, expiry: nil)
    }
}
