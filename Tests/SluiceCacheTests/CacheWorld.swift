import SluiceBasics
import SluiceCache
import SluiceTestKit

/// Tasks, time and a Valkey in the hand of a test.
struct CacheWorld {
    let world = VirtualWorld()
    var clock: ManualClock { self.world.clock }
    let valkey: FakeValkey

    init() { self.valkey = FakeValkey(clock: self.world.clock) }

    var tasks: CacheTasks {
        let world = self.world
        return CacheTasks(
            spawn: { work in Started(world.spawn { await work() }) },
            sleep: { span in
                let signal = Signal()
                world.clock.wake(at: world.clock.now() + span) { signal.set() }
                await signal.waitForCancellation()
                try Task.checkCancellation()
            }
        )
    }

    func memory(bytes: Int = 1 << 20, entry: Int = 1 << 16) -> MemoryCacheStore {
        MemoryCacheStore(maximumBytes: bytes, maximumEntry: entry, clock: self.clock)
    }

    func valkeyStore(entry: Int = 1 << 16) -> ValkeyCacheStore {
        ValkeyCacheStore(link: self.valkey.link(), maximumEntry: entry, clock: self.clock, tasks: self.tasks)
    }

    /// Lets a task run to its end, moving time if it waits for that.
    func run<Value: Sendable>(
        within span: Duration = .zero,
        _ work: @escaping @Sendable () async -> Value
    ) async -> Value {
        let task = self.world.spawn(work)
        self.world.settle()
        if span > .zero { self.world.advance(by: span) }
        return await task.value
    }

    static func key(_ number: Int) -> CacheKey {
        CacheKey(digest: (0..<32).map { UInt8(truncatingIfNeeded: number >> (8 * ($0 % 8))) })
    }

    func entry(_ text: String) -> CacheEntry {
        CacheEntry(
            body: Array(text.utf8),
            storedAt: self.clock.wallClockNanoseconds() / 1_000_000,
            promptTokens: 3,
            completionTokens: 4,
            headers: [.init("x-note", "a b")]
        )
    }

    private final class Started: Cancellable {
        private let task: Task<Void, Never>
        init(_ task: Task<Void, Never>) { self.task = task }
        func cancel() { self.task.cancel() }
    }
}
