import SluiceBasics
import SluiceTestKit
import Testing

@testable import Sluice

/// What happens between a question to the store and what is made of its answer.
struct RaceTests {
    private struct Boom: Error {}

    private struct Remote {
        let clock = StepClock()
        let storage: GatedStorage
        let queue: Queue<String>

        init(_ policy: QueuePolicy = .default, scorers: [any QueueScorer<String>] = []) throws {
            self.storage = GatedStorage(InMemoryStorage(clock: self.clock))
            self.queue = try Queue(storage: self.storage, policy: policy, scorers: scorers, clock: self.clock)
        }

        func add(_ ids: String...) async throws {
            for id in ids {
                try await self.queue.enqueue(QueueRequest(id: id, payload: id, estimatedTokens: 10))
            }
        }

        func dequeue() async throws -> ProcessableMessage<String> {
            try #require(await self.queue.dequeue().message)
        }

        func isEmpty() async throws -> Bool {
            try await self.storage.statistics() == StorageStatistics()
        }
    }

    @Test func `a message that was fetched ahead goes to one of two dequeues`() async throws {
        let queue = Lock<Queue<String>?>(nil)
        let taken = Lock<PrefetchBuffer<String>.Item?>(nil)
        let scorer = ClosureScorer<String>(name: "slow", weight: 0) { attributes, _, _ in
            guard attributes.id == "b", let other = queue.withLock({ $0 }) else { return 0 }
            // While this dequeue compares, another one takes it.
            let item = other.state.withLock { state in
                state.buffer.items.first.flatMap { state.buffer.remove(token: $0.message.receipt.token) }
            }
            if let item { taken.withLock { $0 = item } }
            return 0
        }
        let test = try Remote(.prefetching, scorers: [scorer])
        try await test.add("a", "b", "c", "d")
        try await test.dequeue().complete()
        #expect(try await test.queue.metrics().buffered == 1)
        // Something new: the store is asked again.
        try await test.add("e")
        queue.withLock { $0 = test.queue }
        let first = try await test.dequeue()
        let item = try #require(taken.withLock { $0 })
        #expect(item.message.receipt.id == "b" && first.id == "c")
        queue.withLock { $0 = nil }
        // The other one gives it up.
        test.queue.state.withLock { $0.buffer.items.append(item) }
        let other = try await test.dequeue()
        #expect(other.id == "b")
        try await first.complete()
        try await other.complete()
        try await test.queue.drain()
    }

    @Test func `a message that is settled rings although nobody waits yet`() async throws {
        let test = try QueueHarness(QueuePolicy(maximumInFlight: 1))
        try await test.add("a")
        try await test.add("b")
        do {
            let message = try await test.dequeue()
            // Who has looked now waits next.
            let rings = test.queue.bell.rings
            #expect(await test.queue.dequeue().refusal?.reason == .atCapacity)
            try await message.complete()
            #expect(test.queue.bell.rings != rings)
        }
        let rings = test.queue.bell.rings
        do { _ = try await test.dequeue() }
        #expect(test.queue.bell.rings != rings)
    }

    @Test func `who finds no room because others look is woken when they find nothing`() async throws {
        let test = try Remote(QueuePolicy(maximumInFlight: 1))
        test.storage.close(.candidates, .after)
        let looking = Task { try await test.queue.next()?.id }
        await eventually { test.storage.waiting(.candidates, .after) == 1 }
        let refusal = try #require(await test.queue.dequeue().refusal)
        #expect(refusal == NoWork(reason: .atCapacity, retry: .after(.seconds(1))))
        let waiting = Task { try await test.queue.next()?.id }
        await eventually { test.queue.bell.waiters == 1 }
        looking.cancel()
        test.storage.open(.candidates, .after)
        await #expect(throws: CancellationError.self) { try await looking.value }
        // The store does not tell.
        _ = try await test.storage.inner.enqueue([NewMessage(id: "a", payload: "a")])
        let isDone = Lock(false)
        let end = Task {
            let id = try await waiting.value
            isDone.withLock { $0 = true }
            return id
        }
        await eventually {
            if test.clock.sleepers > 0 { test.clock.advance(by: .seconds(1)) }
            return isDone.withLock { $0 }
        }
        waiting.cancel()
        #expect(try await end.value == "a")
    }

    @Test func `sums of long waits are more than 64 bits of nanoseconds`() {
        var histogram = RecentHistogram(retention: .seconds(60))
        for second in [1, 11, 21] {
            for _ in 0..<3 { histogram.record(.seconds(9_000_000_000), at: Instant.zero + .seconds(second)) }
        }
        let summary = histogram.summary(at: Instant.zero + .seconds(30))
        #expect(summary.count == 9 && summary.mean == .seconds(9_000_000_000))
    }

    // MARK: Cancelling

    @Test func `what fails while it is being cancelled is not tried again`() async throws {
        let test = try Remote()
        try await test.add("a")
        let message = try await test.dequeue()
        test.storage.close(.cancel, .after)
        let cancelling = Task { try await test.queue.cancel("a") }
        await eventually { test.storage.waiting(.cancel, .after) == 1 }
        try await message.fail(Boom())
        test.storage.open(.cancel, .after)
        #expect(try await cancelling.value == .cancelled)
        #expect(try await test.isEmpty())
    }

    @Test func `what is cancelled while it fails is not tried again`() async throws {
        let test = try Remote()
        try await test.add("a")
        let message = try await test.dequeue()
        test.storage.close(.release, .before)
        let failing = Task { try await message.fail(Boom()) }
        await eventually { test.storage.waiting(.release, .before) == 1 }
        #expect(try await test.queue.cancel("a") == .inFlight)
        test.storage.open(.release, .before)
        try await failing.value
        #expect(try await test.isEmpty())
        let totals = try await test.queue.metrics().totals
        #expect(totals.cancelled == 1 && totals.retried == 0)
    }

    @Test func `what was cancelled and is let go of is not tried again`() async throws {
        let test = try Remote()
        try await test.add("a")
        do {
            let message = try await test.dequeue()
            #expect(try await test.queue.cancel("a") == .inFlight)
            #expect(message.isCancelled)
        }
        try await eventually { try await test.isEmpty() }
        #expect(try await test.queue.metrics().totals.cancelled == 1)
    }

    @Test(arguments: [GatedStorage.Call.claim, .extend])
    func `what is cancelled on its way to a consumer is marked`(call: GatedStorage.Call) async throws {
        let test = try Remote(.prefetching)
        try await test.add("a", "b", "c", "d")
        if call == .extend { try await test.dequeue().complete() }
        let id = call == .extend ? "b" : "a"
        test.storage.close(call, .after)
        let dequeueing = Task { await test.queue.dequeue().message }
        await eventually { test.storage.waiting(call, .after) == 1 }
        #expect(try await test.queue.cancel(id) == .inFlight)
        test.storage.open(call, .after)
        let message = try #require(await dequeueing.value)
        #expect(message.id == id && message.isCancelled)
        try await message.release()
        #expect(
            try await !test.storage.inner.candidates(CandidateQuery(limit: 9)).candidates.contains {
                $0.attributes.id == id
            }
        )
    }

    // MARK: Steering

    @Test func `what comes after a purge is not lost`() async throws {
        let test = try Remote()
        try await test.add("old")
        let old = try await test.dequeue()
        test.storage.close(.purge, .after)
        let purging = Task { try await test.queue.purge() }
        await eventually { test.storage.waiting(.purge, .after) == 1 }
        try await test.add("new")
        let new = try await test.dequeue()
        test.storage.open(.purge, .after)
        #expect(try await purging.value == 1)
        #expect(old.isLost && !new.isLost)
        try await new.complete()
    }

    @Test func `a queue that goes on is not waited for to drain`() async throws {
        let test = try QueueHarness()
        try await test.add("a")
        let message = try await test.dequeue()
        let isDone = Lock(false)
        let draining = Task {
            try await test.queue.drain()
            isDone.withLock { $0 = true }
        }
        await eventually { test.queue.drained.waiters == 1 }
        test.queue.resume()
        await eventually { isDone.withLock { $0 } }
        draining.cancel()
        try await message.complete()
    }

    @Test func `leases are renewed although the store does not take back what was fetched ahead`() async throws {
        let test = try Remote(QueuePolicy.prefetching.with { $0.prefetch?.patience = .seconds(5) })
        try await test.add("a", "b", "c", "d")
        let message = try await test.dequeue()
        test.storage.close(.release, .before)
        for _ in 0..<40 {
            await eventually { test.clock.sleepers > 0 }
            test.clock.advance(by: .seconds(1))
        }
        await eventually { test.storage.waiting(.release, .before) == 1 }
        await eventually { test.storage.extensions(of: "a") >= 2 }
        test.storage.open(.release, .before)
        try await message.complete()
    }
}
