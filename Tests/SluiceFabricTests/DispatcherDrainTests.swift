import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

struct DispatcherDrainTests {
    private let world = DispatcherWorld()

    init() { self.world.live() }

    @Test(arguments: [PopMode.blmove, .blpop])
    func `what was not sent goes back in order, what runs may finish`(mode: PopMode) {
        let node = self.world.node(slots: 6) { $0.popMode = mode }
        self.world.push(["a", "b", "c", "d", "e", "f"])
        self.world.valkey.latency { $0 == "admit" ? .milliseconds(100) : .zero }
        node.run()
        self.world.advance(by: .milliseconds(120))
        // The rest is under way when slots are taken from under it, and has to wait in the engine.
        _ = node.engine.update(pool: "default") { $0.slots = 1 }
        self.world.advance(by: .seconds(3))
        self.world.push(["g"])
        let running = node.runner.started
        #expect(running.first == "a" && node.dispatcher.heldCount > running.count)
        let done = node.drain(limit: .seconds(30))
        self.world.advance(by: .seconds(2))
        #expect(
            !done.isSet && self.world.queued == ["a", "b", "c", "d", "e", "f", "g"].filter { !running.contains($0) }
        )
        for id in running { node.runner.finish(id) }
        self.world.advance(by: .seconds(1))
        #expect(done.isSet && node.runner.started == running)
        #expect(self.world.replies().map(\.requestID) == running)
        #expect(self.world.held(node) == [] && self.world.valkey.hash(DispatcherWorld.index).isEmpty)
        #expect(self.world.valkey.hash(DispatcherWorld.dispatchers).isEmpty)
        #expect(node.engine.checkBooks() == nil && node.engine.liveCount == 0)
    }

    @Test func `what was sent once and waits to be repeated does not go back`() {
        let node = self.world.node(pool: { $0.retry.baseDelay = .seconds(600) })
        node.run()
        self.world.push(["a"])
        node.runner.finish("a", .failure(AttemptFailure(.serverError, status: 500, message: "x")))
        self.world.settle()
        let done = node.drain(limit: .seconds(1))
        self.world.advance(by: .seconds(4))
        #expect(done.isSet && self.world.queued == [] && self.world.replies().count == 1)
        #expect(node.runner.started == ["a"] && node.engine.checkBooks() == nil)
    }

    @Test func `draining finds what is claimed and not started`() {
        let node = self.world.node(slots: 4)
        let gate = Signal()
        node.runner.hold(gate)
        node.run()
        self.world.push(["a", "b", "c", "d"])
        self.world.advance(by: .milliseconds(200))
        #expect(node.dispatcher.heldCount == 4 && node.runner.started == [])
        let done = node.drain(limit: .seconds(30))
        gate.set()
        self.world.advance(by: .seconds(2))
        #expect(done.isSet && node.runner.started == [])
        #expect(self.world.queued == ["a", "b", "c", "d"])
        #expect(node.counts.putBack == 4 && node.reasons == [])
        #expect(node.engine.checkBooks() == nil && self.world.valkey.hash(DispatcherWorld.index).isEmpty)
    }

    @Test func `what is asked after while draining begins goes back`() {
        let node = self.world.node()
        node.run()
        self.world.valkey.latency { $0 == "admit" ? .milliseconds(100) : .zero }
        self.world.push(["a", "b"])
        self.world.advance(by: .milliseconds(60))
        let done = node.drain(limit: .seconds(10))
        self.world.advance(by: .seconds(2))
        #expect(done.isSet && node.runner.started == [] && self.world.queued == ["a", "b"])
    }

    @Test func `after the limit what runs is stopped and answered`() {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        let done = node.drain(limit: .seconds(5))
        self.world.advance(by: .milliseconds(4_900))
        #expect(!done.isSet && self.world.replies().isEmpty)
        self.world.advance(by: .milliseconds(1_500))
        #expect(done.isSet && self.world.replies().first?.failure != nil)
        #expect(node.reasons == [.shutdown])
        #expect(self.world.held(node) == [])
    }

    @Test(arguments: [PopMode.blmove, .blpop])
    func `a store that is away does not hold up the end, and others find what is left`(mode: PopMode) {
        let node = self.world.node { $0.popMode = mode }
        node.run()
        self.world.push(["a", "b"])
        self.world.advance(by: .milliseconds(100))
        node.client.cut()
        node.runner.finish("a")
        let done = node.drain(limit: .seconds(3))
        self.world.advance(by: .seconds(12))
        #expect(done.isSet && node.dispatcher.heldCount == 0)
        self.world.advance(by: .seconds(10))
        #expect(self.world.valkey.string(node.heartbeat) == nil)
        #expect(Array(self.world.valkey.hash(DispatcherWorld.dispatchers).keys) == ["d1"])
        let other = self.world.node("d2")
        other.run()
        self.world.advance(by: .seconds(20))
        #expect(other.counts.lost == 2 && self.world.replies().allSatisfy { $0.failure?.type == "DispatcherLost" })
        #expect(Array(self.world.valkey.hash(DispatcherWorld.dispatchers).keys) == ["d2"])
        #expect(self.world.valkey.hash(DispatcherWorld.index).isEmpty)
    }

    @Test func `what a lost answer brought goes back at the end, too`() {
        let node = self.world.node()
        node.run()
        let isLost = Lock(false)
        self.world.valkey.plan { name in
            if name == "heldElements" && !isLost.withLock({ $0 }) { return .fail(.unreachable("x")) }
            return name == "BLMOVE" ? .loseAnswer(.timedOut) : nil
        }
        // The pop that is under way has no fault.
        self.world.advance(by: .milliseconds(1_500))
        self.world.push(["a"])
        self.world.advance(by: .seconds(2))
        #expect(self.world.held(node) == ["a"] && node.dispatcher.heldCount == 0)
        isLost.withLock { $0 = true }
        let done = node.drain(limit: .seconds(3))
        self.world.advance(by: .seconds(5))
        #expect(done.isSet && self.world.queued == ["a"] && self.world.held(node) == [])
    }

    @Test func `what may have been pushed back is not pushed again, and leaves no entry`() {
        let node = self.world.node(slots: 1, { $0.popMode = .blpop }, pool: { $0.maximumRequests = 1 })
        node.run()
        self.world.push(["a"])
        self.world.advance(by: .milliseconds(200))
        self.world.valkey.plan { $0 == "putBack" ? .fail(.timedOut) : nil }
        _ = node.engine.update(pool: "default") { $0.slots = 2 }
        self.world.push(["b"])
        self.world.advance(by: .seconds(2))
        #expect(self.world.valkey.count(of: "putBack") == 1)
        #expect(self.world.entry("b") == nil && node.dispatcher.heldCount == 1)
        #expect(self.world.entry("a") != nil)
    }

    @Test func `what cannot be answered at the end is left to whoever finds it, who books it`() {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        node.client.cut()
        node.runner.finish("a")
        let done = node.drain(limit: .seconds(1))
        self.world.advance(by: .seconds(10))
        #expect(done.isSet && node.reasons == [] && node.engine.checkBooks() == nil)
        #expect(node.engine.pool("default")?.ended.isEmpty == true)
        #expect(self.world.held(node) == ["a"])
    }

    @Test func `draining twice waits for the same end, and before the beginning there is none`() {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        let first = node.drain(limit: .seconds(60))
        let second = node.drain(limit: .seconds(1))
        self.world.advance(by: .seconds(5))
        #expect(!first.isSet && !second.isSet)
        node.runner.finish("a")
        self.world.advance(by: .seconds(3))
        #expect(first.isSet && second.isSet)

        let idle = self.world.node("d2")
        #expect(idle.drain(limit: .seconds(1)).isSet)
        idle.run()
        self.world.push(["b"])
        self.world.advance(by: .seconds(2))
        #expect(idle.runner.started == [] && self.world.queued == ["b"])
    }
}
