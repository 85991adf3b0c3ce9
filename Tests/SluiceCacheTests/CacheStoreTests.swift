import SluiceBasics
import SluiceCache
import SluiceTestKit
import SluiceWire
import Testing

/// What every store has to do.
@Suite struct CacheStoreConformanceTests {
    enum Kind: CaseIterable, Sendable {
        case memory
        case valkey
    }

    private func make(_ kind: Kind, _ world: CacheWorld) -> any CacheStore {
        switch kind {
        case .memory: world.memory()
        case .valkey: world.valkeyStore()
        }
    }

    @Test(arguments: Kind.allCases) func `what was kept is found, whole`(kind: Kind) async {
        let world = CacheWorld()
        let store = self.make(kind, world)
        let entry = world.entry("answer \u{0} \r\n é")
        #expect(await world.run { await store.find(CacheWorld.key(1)) } == nil)
        await world.run { await store.keep(entry, for: CacheWorld.key(1), timeToLive: .seconds(60)) }
        #expect(await world.run { await store.find(CacheWorld.key(1)) } == entry)
        #expect(await world.run { await store.find(CacheWorld.key(2)) } == nil)
        #expect(store.figures.stored == 1)
    }

    @Test(arguments: Kind.allCases) func `a newer answer takes the place of the older`(kind: Kind) async {
        let world = CacheWorld()
        let store = self.make(kind, world)
        for text in ["old", "new"] {
            let entry = world.entry(text)
            await world.run { await store.keep(entry, for: CacheWorld.key(1), timeToLive: .seconds(60)) }
        }
        #expect(await world.run { await store.find(CacheWorld.key(1)) }?.body == Array("new".utf8))
    }

    @Test(arguments: Kind.allCases) func `after its time it is gone`(kind: Kind) async {
        let world = CacheWorld()
        let store = self.make(kind, world)
        let entry = world.entry("x")
        await world.run { await store.keep(entry, for: CacheWorld.key(1), timeToLive: .seconds(60)) }
        world.world.advance(by: .seconds(59))
        #expect(await world.run { await store.find(CacheWorld.key(1)) } == entry)
        world.world.advance(by: .seconds(2))
        #expect(await world.run { await store.find(CacheWorld.key(1)) } == nil)
    }

    @Test(arguments: Kind.allCases) func `what is too large is not kept`(kind: Kind) async {
        let world = CacheWorld()
        let store = self.make(kind, world)
        let entry = world.entry(String(repeating: "x", count: 1 << 16))
        await world.run { await store.keep(entry, for: CacheWorld.key(1), timeToLive: .seconds(60)) }
        #expect(await world.run { await store.find(CacheWorld.key(1)) } == nil)
        #expect(store.figures.tooLarge == 1)
        #expect(store.figures.stored == 0)
    }

    @Test func `an entry's age is never below nothing`() {
        let entry = CacheEntry(body: [], storedAt: 5_000)
        #expect(entry.age(at: 7_999) == 2)
        #expect(entry.age(at: 4_000) == 0)
        #expect(CacheEntry(body: [], storedAt: .min).age(at: .max) == 0)
    }
}

@Suite struct MemoryCacheStoreTests {
    @Test func `what was not asked for the longest makes room`() async {
        let world = CacheWorld()
        let store = world.memory(bytes: 5_000)
        let entry = world.entry(String(repeating: "x", count: 1_000))
        for number in 1...3 { await store.keep(entry, for: CacheWorld.key(number), timeToLive: .seconds(60)) }
        #expect(store.findAtOnce(CacheWorld.key(1)) != nil)
        await store.keep(entry, for: CacheWorld.key(4), timeToLive: .seconds(60))
        #expect(store.findAtOnce(CacheWorld.key(2)) == nil)
        #expect(store.findAtOnce(CacheWorld.key(1)) != nil)
        #expect(store.figures.evicted == 1)
        #expect(store.fault() == nil)
    }

    @Test func `what has outlived its time makes room first, and is no eviction`() async {
        let world = CacheWorld()
        let store = world.memory(bytes: 5_000)
        let entry = world.entry(String(repeating: "x", count: 1_000))
        await store.keep(entry, for: CacheWorld.key(1), timeToLive: .seconds(1))
        world.clock.advance(by: .seconds(2))
        for number in 2...4 { await store.keep(entry, for: CacheWorld.key(number), timeToLive: .seconds(60)) }
        #expect(store.figures.evicted == 0)
        #expect(store.figures.entries == 3)
    }

    @Test(arguments: 0..<20) func `it does what a list would do, and its books balance`(seed: UInt64) async {
        var random = SeededRandom(seed: seed)
        let world = CacheWorld()
        let store = world.memory(bytes: 20_000, entry: 3_000)
        /// Least recently used first.
        var model: [(key: Int, entry: CacheEntry, expires: Instant)] = []
        var misses = 0
        for step in 0..<600 {
            world.clock.advance(by: .milliseconds(Int(random.next() % 200)))
            let number = Int(random.next() % 30)
            let now = world.clock.now()
            let known = model.firstIndex { $0.key == number }
            if random.next() % 3 == 0 {
                let entry = world.entry("\(step)" + String(repeating: "x", count: Int(random.next() % 3_500)))
                let life = Duration.milliseconds(Int(random.next() % 10_000))
                await store.keep(entry, for: CacheWorld.key(number), timeToLive: life)
                if let known { model.remove(at: known) }
                if entry.size <= 3_000 { model.append((number, entry, now + life)) }
            } else {
                let found = store.findAtOnce(CacheWorld.key(number))
                if let found {
                    #expect(known.map { model[$0].entry } == found)
                    #expect(known.map { now < model[$0].expires } == true)
                } else if let known, now < model[known].expires {
                    // It had to make room: so did, or would have, all that were asked for less recently.
                    misses += 1
                    for older in model[..<known] where now < older.expires {
                        #expect(store.findAtOnce(CacheWorld.key(older.key)) == nil)
                    }
                }
                if let known {
                    let element = model.remove(at: known)
                    if found != nil { model.append(element) }
                }
            }
            #expect(store.fault() == nil)
        }
        #expect(misses > 0)
        #expect(store.figures.evicted > 0)
    }
}

@Suite struct ValkeyCacheStoreTests {
    private func keep(_ world: CacheWorld, _ store: ValkeyCacheStore) async {
        let entry = world.entry("x")
        await world.run { await store.keep(entry, for: CacheWorld.key(1), timeToLive: .seconds(60)) }
        world.world.settle()
    }

    @Test func `an answer has its time to live in the server`() async throws {
        let world = CacheWorld()
        await self.keep(world, world.valkeyStore())
        let key = try #require(world.valkey.keys.first)
        #expect(key == ValkeyCacheStore.prefix + CacheWorld.key(1).text)
        #expect(world.valkey.timeToLive(key) == .seconds(60))
    }

    @Test func `a slow server holds nobody for longer than the time-out`() async {
        let world = CacheWorld()
        let store = world.valkeyStore()
        await self.keep(world, store)
        world.valkey.latency { _ in .seconds(60) }
        let began = world.clock.now()
        let found = await world.run(within: .milliseconds(100)) { await store.find(CacheWorld.key(1)) }
        #expect(found == nil)
        #expect(world.clock.now() - began == .milliseconds(100))
        #expect(store.figures.failed == 1)
    }

    @Test func `a server that fails is left alone for a while, then tried again`() async {
        let world = CacheWorld()
        let store = world.valkeyStore()
        await self.keep(world, store)
        world.valkey.plan { _ in .fail(.unreachable("gone")) }
        for _ in 0..<10 { #expect(await world.run { await store.find(CacheWorld.key(1)) } == nil) }
        #expect(world.valkey.count(of: "GET") == 3)
        world.valkey.plan(nil)
        #expect(await world.run { await store.find(CacheWorld.key(1)) } == nil)
        world.world.advance(by: .seconds(1))
        #expect(await world.run { await store.find(CacheWorld.key(1)) } != nil)
    }

    @Test(arguments: [[], [1], [2, 3, 4], Array(repeating: UInt8(255), count: 200), [UInt8](repeating: 1, count: 26)])
    func `what somebody else wrote under the key is a miss`(bytes: [UInt8]) async {
        let world = CacheWorld()
        let store = world.valkeyStore()
        let key = ValkeyCacheStore.prefix + CacheWorld.key(1).text
        world.valkey.execute("SET", [.text(key), .bytes(bytes)])
        let found = await world.run { await store.find(CacheWorld.key(1)) }
        #expect(found == nil || found?.body.isEmpty == true)
    }

    @Test func `header lines cannot be written through the store`() {
        var entry = CacheEntry(body: [1], storedAt: 1)
        entry.headers = [.init("x-note", "a\r\nset-cookie: b")]
        #expect(CacheEntry(encoded: entry.encoded) == nil)
    }

    @Test(arguments: 0..<200) func `no bytes make it trap`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var bytes = CacheEntry(body: [1, 2], storedAt: 7, headers: [.init("a", "b"), .init("c", "d")]).encoded
        for _ in 0..<3 where !bytes.isEmpty {
            bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(random.next() % 256)
        }
        bytes.removeLast(Int(random.next() % UInt64(bytes.count)))
        _ = CacheEntry(encoded: bytes)
    }
}
