import Sluice
import SluiceBasics
import SluiceTestKit
import Testing

/// A queue in memory, and the clock that moves it.
struct QueueHarness {
    let clock = StepClock()
    let storage: InMemoryStorage<String>
    let queue: Queue<String>

    init(
        _ policy: QueuePolicy = .default,
        scorers: [any QueueScorer<String>] = [],
        observer: (@Sendable (QueueEvent) -> Void)? = nil
    ) throws {
        self.storage = InMemoryStorage(clock: self.clock)
        self.queue = try Queue(
            storage: self.storage,
            policy: policy,
            scorers: scorers,
            clock: self.clock,
            observer: observer
        )
    }

    func limiter(requests: Int? = nil, tokens: Int? = nil) throws -> RateLimiter {
        try RateLimiter(RateLimit(requestsPerMinute: requests, tokensPerMinute: tokens), clock: self.clock)
    }

    @discardableResult
    func add(
        _ id: String,
        _ priority: Priority = .normal,
        tokens: Int = 10,
        expected: Duration? = nil
    ) async throws -> String {
        try await self.queue.enqueue(
            QueueRequest(
                id: id,
                payload: id,
                priority: priority,
                estimatedTokens: tokens,
                expectedProcessing: expected
            )
        )
    }

    func dequeue(under limiter: (any WorkLimiter)? = nil) async throws -> ProcessableMessage<String> {
        try #require(await self.queue.dequeue(under: limiter).message)
    }

    /// Ids in the order in which they are handed out, completed at once.
    func order(_ count: Int = 100, under limiter: (any WorkLimiter)? = nil) async throws -> [String] {
        var ids: [String] = []
        while ids.count < count, let message = await self.queue.dequeue(under: limiter).message {
            ids.append(message.id)
            try await message.complete()
        }
        return ids
    }
}

/// Waits until something that other tasks do has happened.
func eventually(
    _ what: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async rethrows {
    for round in 0..<2_000 {
        if try await condition() { return }
        if round < 100 { await Task.yield() } else { try? await Task.sleep(for: .milliseconds(5)) }
    }
    Issue.record(what ?? "It did not happen.", sourceLocation: sourceLocation)
}

/// A queue on a store that is far away: it does not choose itself and cannot tell when it changes.
struct RemoteHarness {
    let clock = StepClock()
    let inner: InMemoryStorage<String>
    let storage: FaultyStorage

    init(_ fault: FaultyStorage.Fault = .none) {
        self.inner = InMemoryStorage(clock: self.clock)
        self.storage = FaultyStorage(self.inner, fault)
    }

    func worker(_ policy: QueuePolicy = .prefetching) throws -> Queue<String> {
        try Queue(storage: self.storage, policy: policy, clock: self.clock)
    }

    func add(_ ids: [String], _ priority: Priority = .normal, to queue: Queue<String>) async {
        let requests = ids.map { QueueRequest(id: $0, payload: $0, priority: priority, estimatedTokens: 10) }
        _ = await queue.enqueue(contentsOf: requests)
    }

    /// Lets time pass in steps. Something has to be held, so that somebody waits to renew its lease after each.
    func pass(_ span: Duration, step: Duration = .milliseconds(500)) async {
        var left = span
        while left > .zero {
            await eventually("Nobody renews leases.") { self.clock.sleepers > 0 }
            self.clock.advance(by: min(step, left))
            left -= step
        }
        await eventually("Nobody renews leases.") { self.clock.sleepers > 0 }
    }
}
