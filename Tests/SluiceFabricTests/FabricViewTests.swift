import SluiceBasics
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

struct FabricViewTests {
    private let world = DispatcherWorld()
    private let view: FabricView

    init() {
        self.world.live()
        let world = self.world.world
        self.view = FabricView(
            link: self.world.valkey.link(),
            clock: self.world.clock,
            timer: self.world.clock,
            pools: ["default"],
            spawn: { world.spawn($0) }
        )
    }

    private func look(_ limit: Int = 10) -> Lock<[FabricSnapshot?]> {
        let seen = Lock<[FabricSnapshot?]>([])
        let view = self.view
        self.world.world.spawn {
            let snapshot = try? await view.look(limit: limit)
            seen.withLock { $0.append(snapshot) }
        }
        self.world.settle()
        return seen
    }

    @Test func `the whole fabric is seen, the dead included`() throws {
        let node = self.world.node(slots: 1) { $0.sweepEvery = .seconds(1_000) }
        node.run()
        let dead = self.world.node("d0", slots: 0)
        dead.run()
        dead.client.cut()
        self.world.push(["a", "b", "c"])
        self.world.advance(by: .seconds(16))
        self.world.live()
        let seen = self.look().withLock { $0.first.flatMap { $0 } }
        let snapshot = try #require(seen)
        let pool = try #require(snapshot.pools.first)
        #expect(pool.pending == 2 && pool.sample.map(\.identity.requestID) == ["b", "c"])
        #expect(pool.inflight == 1 && pool.held.first?.id == "a" && pool.held.first?.record.stage == .executing)
        #expect(snapshot.dispatchers.map(\.id) == ["d0", "d1"])
        #expect(snapshot.dispatchers.map { $0.heartbeat != nil } == [false, true])
        #expect(snapshot.dispatchers.allSatisfy { $0.pools == ["default"] && $0.lastBeat != nil })
    }

    @Test func `who asks while somebody looks gets the same, however long it takes`() {
        self.world.valkey.latency { _ in .milliseconds(300) }
        let looks = (0..<20).map { _ in self.look() }
        self.world.advance(by: .seconds(5))
        #expect(looks.allSatisfy { $0.withLock { $0.first.flatMap { $0 } != nil } })
        #expect(self.world.valkey.count(of: "headBytes") <= 2)
    }

    @Test func `a look that fails fails for all who waited for it, and the next tries again`() {
        self.world.valkey.latency { _ in .milliseconds(10) }
        let isFirst = Lock(true)
        self.world.valkey.plan { _ in
            isFirst.withLock { isFirst in
                defer { isFirst = false }
                return isFirst ? .fail(.timedOut) : nil
            }
        }
        let looks = (0..<3).map { _ in self.look() }
        self.world.advance(by: .milliseconds(100))
        #expect(looks.allSatisfy { $0.withLock { $0.count == 1 && $0[0] == nil } })
        let later = self.look()
        self.world.advance(by: .milliseconds(200))
        #expect(later.withLock { $0.count == 1 && $0[0] != nil })
    }

    @Test func `nobody waits longer for a silent Valkey than a view has patience`() {
        self.world.valkey.latency { _ in .seconds(10) }
        let looks = (0..<3).map { _ in self.look() }
        let held = Lock<Bool?>(nil)
        let view = self.view
        self.world.world.spawn {
            let records = try? await view.held(["a"], pool: "default")
            held.withLock { $0 = records != nil }
        }
        self.world.settle()
        self.world.advance(by: .milliseconds(1_900))
        #expect(looks.allSatisfy { $0.withLock { $0.isEmpty } })
        self.world.advance(by: .milliseconds(200))
        #expect(looks.allSatisfy { $0.withLock { $0.count == 1 && $0[0] == nil } })
        #expect(held.withLock { $0 } == false)
    }
}
