import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// What becomes of the work of dispatchers that die.
struct DispatcherSweepTests {
    private let world = DispatcherWorld()

    init() { self.world.live() }

    /// Dies with these requests: running, answering nobody.
    private func die(with ids: [String], _ configure: (inout FabricDispatcherConfiguration) -> Void = { _ in }) {
        let node = self.world.node("dead", slots: 100, configure)
        node.run()
        self.world.push(ids)
        self.world.advance(by: .seconds(2))
        #expect(node.runner.started == ids)
        node.client.cut()
    }

    private func survivor(
        _ orphans: OrphanPolicy,
        _ configure: (inout FabricDispatcherConfiguration) -> Void = { _ in }
    ) -> DispatcherWorld.Node {
        let node = self.world.node("d2", slots: 100, seed: 2) {
            $0.orphans = orphans
            configure(&$0)
        }
        node.run()
        return node
    }

    private static let ids = (0..<40).map { "r\($0)" }

    @Test func `the work of the dead is booked as lost, once, and Sluice's producers are told`() {
        self.die(with: Self.ids)
        self.world.live("q")
        let node = self.survivor(.drop)
        self.world.advance(by: .seconds(13))
        #expect(node.counts.lost == 0)
        self.world.advance(by: .seconds(10))
        #expect(node.counts.lost == 40 && node.counts.requeued == 0)
        #expect(node.reasons == Array(repeating: .dispatcherCrash, count: 40))
        #expect(Set(node.observer.ended.compactMap { $0.submission.remote?.requestID }) == Set(Self.ids))
        #expect(self.world.replies().map(\.requestID).sorted() == Self.ids.sorted())
        #expect(self.world.replies().allSatisfy { $0.extras?.outcome == "lost/dispatcher_crash" })
        #expect(self.world.queued == [] && node.runner.started == [])
        #expect(self.world.valkey.hash(DispatcherWorld.index).isEmpty)
        #expect(Array(self.world.valkey.hash(DispatcherWorld.dispatchers).keys) == ["d2"])
        #expect(node.engine.checkBooks() == nil)
    }

    @Test func `what is lost belongs to its caller's trace`() {
        var envelope = self.world.envelope("a")
        envelope.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let dead = self.world.node("dead", slots: 100)
        dead.run()
        self.world.push(envelope)
        self.world.advance(by: .seconds(2))
        dead.client.cut()
        let node = self.survivor(.drop)
        self.world.advance(by: .seconds(23))
        #expect(node.counts.lost == 1)
        #expect(node.observer.ended.map(\.submission.traceparent) == [envelope.traceparent])
    }

    @Test func `a notice that Valkey does not take is given again`() {
        self.die(with: ["a"])
        let node = self.survivor(.drop)
        self.world.valkey.plan { $0 == "publishReply" ? .fail(.unreachable("down")) : nil }
        self.world.advance(by: .seconds(30))
        #expect(node.counts.lost == 1 && self.world.replies().isEmpty)
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(2))
        #expect(self.world.replies().map(\.requestID) == ["a"])
    }

    @Test func `others wait for their time-out as they always had to`() {
        self.die(with: [])
        let other = self.world.node("dead2", slots: 1)
        other.run()
        self.world.push(self.world.envelope("a", knowsSluice: false))
        self.world.advance(by: .seconds(2))
        other.client.cut()
        let node = self.survivor(.drop)
        self.world.advance(by: .seconds(25))
        #expect(node.counts.lost == 1 && self.world.replies().isEmpty)
    }

    @Test func `or it goes back and is run by somebody else, in order, and nobody hears of it`() {
        let ids = Array(Self.ids.prefix(12))
        self.die(with: ids)
        let node = self.survivor(.requeue)
        self.world.advance(by: .seconds(25))
        #expect(node.counts.requeued == 12 && node.counts.lost == 0)
        #expect(node.runner.started == ids && self.world.replies().isEmpty)
        for id in ids { node.runner.finish(id) }
        self.world.settle()
        #expect(self.world.replies().count == 12)
        #expect(self.world.valkey.hash(DispatcherWorld.index).isEmpty)
    }

    @Test(arguments: [OrphanPolicy.drop, .requeue])
    func `what was popped without a list is known from the index alone`(orphans: OrphanPolicy) {
        self.die(with: Self.ids) { $0.popMode = .blpop }
        let node = self.survivor(orphans)
        self.world.advance(by: .seconds(25))
        #expect(node.counts.lost == 40 && self.world.replies().count == 40)
        #expect(self.world.valkey.hash(DispatcherWorld.index).isEmpty)
        #expect(Array(self.world.valkey.hash(DispatcherWorld.dispatchers).keys) == ["d2"])
    }

    @Test(arguments: [OrphanPolicy.drop, .requeue])
    func `answers of the store that are lost lose nothing and book nothing twice`(orphans: OrphanPolicy) {
        self.die(with: Self.ids)
        let number = Lock(0)
        self.world.valkey.plan { name in
            guard name == "sweepOrphans" || name == "HSCAN" else { return nil }
            return number.withLock { number in
                number += 1
                switch number % 3 {
                case 0: return nil
                case 1: return .loseAnswer(.connectionLost(sent: true))
                default: return .fail(.unreachable("x"))
                }
            }
        }
        let node = self.survivor(orphans)
        self.world.advance(by: .seconds(60))
        #expect(node.counts.lost == (orphans == .drop ? 40 : 0))
        #expect(node.counts.requeued == (orphans == .drop ? 0 : 40))
        #expect(Set(node.runner.started).count == (orphans == .drop ? 0 : 40))
        #expect(Array(self.world.valkey.hash(DispatcherWorld.dispatchers).keys) == ["d2"])
    }

    @Test func `two that sweep share the work`() {
        self.die(with: Self.ids)
        let first = self.survivor(.drop)
        let second = self.world.node("d3", seed: 3)
        second.run()
        self.world.advance(by: .seconds(25))
        #expect(first.counts.lost + second.counts.lost == 40)
        #expect(self.world.replies().count == 40)
        #expect(self.world.valkey.hash(DispatcherWorld.dispatchers).keys.sorted() == ["d2", "d3"])
    }

    @Test func `after an outage in which all heartbeats have gone nobody is taken for dead`() {
        let nodes = (1...3).map { number in
            self.world.node("d\(number)", slots: 2, seed: UInt64(number)) { $0.sweepEvery = .milliseconds(200) }
        }
        for node in nodes { node.run() }
        self.world.push(["a", "b", "c", "d"])
        self.world.advance(by: .seconds(2))
        self.world.valkey.plan { _ in .fail(.unreachable("x")) }
        self.world.advance(by: .seconds(30))
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(20))
        #expect(nodes.map(\.counts.lost) == [0, 0, 0])
        #expect(self.world.valkey.hash(DispatcherWorld.index).count == 4)
    }

    @Test(arguments: [OrphanPolicy.drop, .requeue])
    func `who was taken for dead and comes back answers late, and nothing runs on`(orphans: OrphanPolicy) {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        let other = self.survivor(orphans)
        node.client.cut()
        self.world.advance(by: .seconds(25))
        node.runner.finish("a")
        node.client.mend()
        self.world.advance(by: .seconds(1))
        #expect(node.counts.late == 1 && node.reasons == [.late])
        #expect(self.world.replies().contains { $0.isOK })
        #expect(self.world.valkey.string(node.heartbeat) != nil)
        #expect(other.counts.lost == (orphans == .drop ? 1 : 0))
        #expect(other.runner.started == (orphans == .drop ? [] : ["a"]))
        // The entry of whoever has it now is not touched by the former owner.
        #expect(self.world.entry("a")?.dispatcherID == (orphans == .drop ? nil : "d2"))
        #expect(node.engine.checkBooks() == nil && other.engine.checkBooks() == nil)
    }
}
