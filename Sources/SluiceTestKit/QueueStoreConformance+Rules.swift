import SluiceBasics
import SluiceCore

private let success = AttemptResult.success(status: 200, usage: nil)
private let failure = AttemptResult.failure(AttemptFailure(.serverError, status: 500, message: "broken"))

extension StoreFinish {
    /// The reason of an end; `nil` if it did not end.
    fileprivate var reason: OutcomeReason? {
        guard case .ended(let record) = self else { return nil }
        return record.reason
    }

    fileprivate var isFenced: Bool {
        guard case .fenced = self else { return false }
        return true
    }

    fileprivate var isRequeued: Bool {
        guard case .requeued = self else { return false }
        return true
    }
}

// One function for each rule.
extension StoreUnderTest {
    func servesByPriorityThenAge() async throws {
        for (number, priority) in [(1, Priority.low), (2, .normal), (3, .urgent), (4, .normal)] {
            _ = try await self.store.enqueue(self.submission(UInt64(number), priority: priority), payload: [])
        }
        let peeked = try await self.store.peek(limit: 3).map(\.submission.id.low)
        try self.require(peeked == [3, 2, 4], "peek shows \(peeked)")
        let order = try await self.store.claim(nil, limit: 10, lease: .seconds(30)).map(\.id.low)
        try self.require(order == [3, 2, 4, 1], "claimed in the order \(order)")
    }

    func refusesDuplicates() async throws {
        try await self.enqueue(1)
        let again = try await self.store.enqueue(self.submission(1), payload: [])
        try self.require(again == .duplicate(.queued), "a second enqueue answered \(again)")
        _ = try await self.started()
        let third = try await self.store.enqueue(self.submission(1), payload: [])
        try self.require(third == .duplicate(.started), "a third enqueue answered \(third)")
    }

    func keepsItsBounds() async throws {
        for number in 1...3 { try await self.enqueue(UInt64(number)) }
        let bytes = try await self.store.enqueue(self.submission(4, tenant: "other"), payload: [])
        try self.require(bytes == .full(.bytes), "beyond the bytes: \(bytes)")
        var small = self.submission(5)
        small.payloadBytes = 1
        let tenant = try await self.store.enqueue(small, payload: [])
        try self.require(tenant == .full(.tenant), "beyond the tenant's share: \(tenant)")
        small.tenant = "other"
        let fourth = try await self.store.enqueue(small, payload: [])
        try self.require(fourth == .accepted, "the fourth: \(fourth)")
        var fifth = self.submission(6, tenant: "third")
        fifth.payloadBytes = 1
        let count = try await self.store.enqueue(fifth, payload: [])
        try self.require(count == .full(.requests), "beyond the count: \(count)")
        let lease = try await self.started()
        _ = try await self.store.finish(lease, success, .done(nil))
        let after = try await self.store.enqueue(fifth, payload: [])
        try self.require(after == .accepted, "after one has ended: \(after)")
    }

    func claimsByName() async throws {
        for number in 1...3 { try await self.enqueue(UInt64(number)) }
        let ids = [RequestID(high: 1, low: 3), RequestID(high: 1, low: 9), RequestID(high: 1, low: 1)]
        let leases = try await self.store.claim(ids, limit: 5, lease: .seconds(30))
        try self.require(leases.map(\.id.low) == [3, 1], "claimed \(leases.map(\.id.low))")
        let again = try await self.store.claim(ids, limit: 5, lease: .seconds(30))
        try self.require(again.isEmpty, "claimed twice")
    }

    func carriesPayloads() async throws {
        try await self.enqueue(7)
        let lease = try await self.claim()
        try self.require(lease.payload == [7], "payload \(lease.payload)")
        try self.require(lease.submission.model == "gpt-test", "submission \(lease.submission)")
    }

    func startIsIdempotentAndFenced() async throws {
        try await self.enqueue(1)
        let lease = try await self.started()
        guard case .proceed(let attempt) = try await self.store.start(lease, backend: "b") else {
            throw ConformanceFailure("a repeated start was refused")
        }
        try self.require(attempt == 1, "a repeated start counted as attempt \(attempt)")
        let forged = StoreLease(
            id: lease.id,
            token: LeaseToken(value: lease.token.value + 1),
            submission: lease.submission,
            payload: []
        )
        guard case .fenced = try await self.store.start(forged, backend: "b") else {
            throw ConformanceFailure("a foreign token was let through")
        }
    }

    func finishEndsOnce() async throws {
        try await self.enqueue(1)
        let lease = try await self.started()
        let usage = TokenUsage(prompt: 1, completion: 2)
        guard case .ended(let record) = try await self.store.finish(lease, success, .done(usage)) else {
            throw ConformanceFailure("finish did not end the request")
        }
        try self.require(record.reason == .ok && record.usage == usage, "ended as \(record)")
        try self.require(record.attempts.first?.status == 200, "attempts \(record.attempts)")
        let second = try await self.store.finish(lease, success, .done(nil))
        try self.require(second.reason == nil, "ended a second time")
        let found = try await self.store.find(lease.id)
        try self.require(found == nil, "still there")
    }

    func retriesAfterADelayAndKeepsThePlace() async throws {
        try await self.enqueue(1)
        let lease = try await self.started()
        try await self.enqueue(2)
        let answer = try await self.store.finish(lease, failure, .retry(after: .seconds(5)))
        try self.require(answer.isRequeued, "retry answered \(answer)")
        let before = try await self.store.peek(limit: 5).map(\.submission.id.low)
        try self.require(before == [2], "ready before the delay: \(before)")
        self.clock.advance(by: .seconds(5))
        let reaped = try await self.store.reap(limit: 10)
        try self.require(reaped.ready == 1, "\(reaped.ready) became ready")
        let after = try await self.store.peek(limit: 5).map(\.submission.id.low)
        try self.require(after == [1, 2], "ready after the delay: \(after)")
    }

    func attemptsAreLimited() async throws {
        try await self.enqueue(1)
        for _ in 1...2 {
            let lease = try await self.started()
            _ = try await self.store.finish(lease, failure, .retry(after: .zero))
        }
        let last = try await self.store.finish(try await self.started(), failure, .retry(after: .zero))
        try self.require(last.reason == .attempts, "after the last attempt: \(last)")
    }

    func throttleAndReleaseGiveTheAttemptBack() async throws {
        try await self.enqueue(1)
        for _ in 1...5 {
            let lease = try await self.started()
            let answer = try await self.store.finish(lease, failure, .throttle(after: .zero))
            try self.require(answer.isRequeued, "throttle answered \(answer)")
            let released = try await self.store.finish(try await self.claim(), nil, .release)
            try self.require(released.isRequeued, "release answered \(released)")
        }
        let late = try await self.store.finish(try await self.started(), failure, .retry(after: .seconds(61)))
        try self.require(late.reason == .deadline, "a retry beyond the deadline answered \(late)")
    }

    func cancelsWhatWaits() async throws {
        try await self.enqueue(1)
        guard case .ended(let record) = try await self.store.cancel(RequestID(high: 1, low: 1), cause: .clientGone)
        else { throw ConformanceFailure("a waiting request was not cancelled") }
        try self.require(record.reason == .clientGone, "ended as \(record.reason as Any)")
        guard case .unknown = try await self.store.cancel(record.submission.id, cause: .clientGone) else {
            throw ConformanceFailure("cancelled twice")
        }
        let stats = try await self.store.stats()
        try self.require(stats.live == 0 && stats.bytes == 0, "\(stats)")
    }

    func cancelReachesTheHolder() async throws {
        for number in 1...3 { try await self.enqueue(UInt64(number)) }
        let claimed = try await self.claim()
        _ = try await self.store.cancel(claimed.id, cause: .operatorRequest)
        guard case .ended(let record) = try await self.store.start(claimed, backend: "b") else {
            throw ConformanceFailure("a cancelled request was started")
        }
        try self.require(record.reason == .operatorRequest && record.attempts.isEmpty, "\(record)")
        let running = try await self.started()
        guard case .pending = try await self.store.cancel(running.id, cause: .clientGone) else {
            throw ConformanceFailure("running work ended by a cancel")
        }
        let answers = try await self.store.extend([running, claimed], by: .seconds(30))
        try self.require(answers == [.cancel, .fenced], "extend answered \(answers)")
        let retried = try await self.store.finish(running, failure, .retry(after: .zero))
        try self.require(retried.reason == .clientGone, "a cancelled request was retried: \(retried)")
        let winner = try await self.started()
        _ = try await self.store.cancel(winner.id, cause: .clientGone)
        let won = try await self.store.finish(winner, success, .done(nil))
        try self.require(won.reason == .ok, "an answer that came first: \(won)")
    }

    func expiresWhatWaits() async throws {
        try await self.enqueue(1, timeout: .seconds(5))
        try await self.enqueue(2, timeout: .seconds(5))
        let claimed = try await self.claim()
        self.clock.advance(by: .seconds(5))
        guard case .ended(let record) = try await self.store.start(claimed, backend: "b") else {
            throw ConformanceFailure("started after the deadline")
        }
        try self.require(record.reason == .deadline, "\(record)")
        let leases = try await self.store.claim(nil, limit: 5, lease: .seconds(30))
        try self.require(leases.isEmpty, "claimed after the deadline")
        _ = try await self.store.reap(limit: 10)
        let stats = try await self.store.stats()
        try self.require(stats.ended[.deadline] == 2 && stats.live == 0, "\(stats)")
    }

    func recoversLapsedLeases() async throws {
        try await self.enqueue(1)
        try await self.enqueue(2)
        let lost = try await self.claim()
        self.clock.advance(by: .seconds(31))
        let reaped = try await self.store.reap(limit: 10)
        try self.require(reaped.recovered == 1 && reaped.ended.isEmpty, "\(reaped)")
        let again = try await self.started()
        try self.require(again.id == lost.id && again.token > lost.token, "recovered out of line")
        guard case .fenced = try await self.store.start(lost, backend: "b") else {
            throw ConformanceFailure("the old token is still good")
        }
    }

    func extendKeepsALease() async throws {
        try await self.enqueue(1)
        let lease = try await self.started()
        for _ in 1...3 {
            self.clock.advance(by: .seconds(15))
            let answers = try await self.store.extend([lease], by: .seconds(30))
            try self.require(answers == [.extended], "extend answered \(answers)")
            let reaped = try await self.store.reap(limit: 10)
            try self.require(reaped.recovered == 0, "lost an extended lease")
        }
        let answer = try await self.store.finish(lease, success, .done(nil))
        try self.require(answer.reason == .ok, "finish answered \(answer)")
    }

    func poisonDies() async throws {
        try await self.enqueue(1, timeout: .seconds(600))
        var died: [RequestRecord] = []
        for _ in 1...3 {
            _ = try await self.started()
            self.clock.advance(by: .seconds(31))
            died += try await self.store.reap(limit: 10).ended
        }
        try self.require(died.map(\.reason) == [.poison], "after three lapsed leases: \(died.map(\.reason))")
    }

    func neverRepeatsWhatWasSent() async throws {
        try await self.enqueue(1)
        _ = try await self.claim()
        self.clock.advance(by: .seconds(31))
        let unsent = try await self.store.reap(limit: 10)
        try self.require(unsent.recovered == 1, "what was not sent is safe to repeat")
        let lease = try await self.started()
        try self.require(lease.id.low == 1, "claimed \(lease.id)")
        self.clock.advance(by: .seconds(28))
        let held = try await self.store.reap(limit: 10)
        try self.require(held.ended.isEmpty, "ended while it was held")
        self.clock.advance(by: .seconds(3))
        let sent = try await self.store.reap(limit: 10)
        try self.require(sent.ended.map(\.reason) == [.outcomeUnknown], "\(sent.ended.map(\.reason))")
    }

    func acceptsALateSuccess() async throws {
        try await self.enqueue(1)
        let lost = try await self.started()
        self.clock.advance(by: .seconds(31))
        _ = try await self.store.reap(limit: 10)
        let late = try await self.store.finish(lost, success, .done(nil))
        try self.require(late.reason == .late, "nobody else held it: \(late)")
        let stats = try await self.store.stats()
        try self.require(stats.live == 0 && stats.ended[.late] == 1, "\(stats)")
    }

    func refusesAStaleFailure() async throws {
        try await self.enqueue(1)
        let lost = try await self.started()
        self.clock.advance(by: .seconds(31))
        _ = try await self.store.reap(limit: 10)
        for verdict in [Verdict.end(.backend, message: "x"), .retry(after: .zero), .release, .throttle(after: .zero)] {
            let answer = try await self.store.finish(lost, failure, verdict)
            try self.require(answer.isFenced, "a stale \(verdict) answered \(answer)")
        }
        let holder = try await self.started()
        let owned = try await self.store.finish(lost, success, .done(nil))
        try self.require(owned.isFenced, "a success while somebody else holds it: \(owned)")
        let answer = try await self.store.finish(holder, success, .done(nil))
        try self.require(answer.reason == .ok, "the holder was disturbed: \(answer)")
    }

    func resolvesAnUnknownOutcome() async throws {
        try await self.enqueue(1)
        let lost = try await self.started()
        self.clock.advance(by: .seconds(31))
        let reaped = try await self.store.reap(limit: 10)
        try self.require(reaped.ended.map(\.reason) == [.outcomeUnknown], "\(reaped.ended.map(\.reason))")
        let late = try await self.store.finish(lost, success, .done(nil))
        try self.require(late.reason == .late, "the only call that was made came back: \(late)")
        let stats = try await self.store.stats()
        try self.require(stats.resolved == 1 && stats.dead == 0, "\(stats)")
    }

    func redrivesTheDead() async throws {
        try await self.attemptsAreLimited()
        let id = RequestID(high: 1, low: 1)
        self.clock.advance(by: .seconds(100))
        let redriven = try await self.store.redrive(id, timeout: .seconds(60))
        try self.require(redriven, "a dead request was not redriven")
        let twice = try await self.store.redrive(id, timeout: .seconds(60))
        try self.require(!twice, "redriven twice")
        let lease = try await self.started()
        try self.require(lease.payload == [1], "the payload was lost: \(lease.payload)")
        let answer = try await self.store.finish(lease, success, .done(nil))
        try self.require(answer.reason == .ok, "\(answer)")
    }

    func purgesTheDead() async throws {
        try await self.attemptsAreLimited()
        self.clock.advance(by: .seconds(100))
        let early = try await self.store.purge(olderThan: .seconds(101), limit: 10)
        let purged = try await self.store.purge(olderThan: .seconds(99), limit: 10)
        try self.require(early == 0 && purged == 1, "purged \(early), then \(purged)")
        let found = try await self.store.find(RequestID(high: 1, low: 1))
        try self.require(found == nil, "still there")
    }
}
