import SluiceBasics
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// What nobody waits for any more.
struct CancellationsTests {
    private static let key = DispatchKeys.cancelled(pool: "default")

    private let world = DispatcherWorld()

    init() { self.world.live() }

    private func giveUp(_ ids: [String], producer: String = "p") {
        let cancellations = Cancellations(link: self.world.valkey.link(), producerID: producer)
        self.world.world.spawn { for id in ids { await cancellations.announce(id, pool: "default") } }
        self.world.settle()
    }

    @Test func `a request that is held is stopped, whoever else uses its name is not`() {
        let node = self.world.node()
        node.run()
        self.world.push(["a", "b"])
        self.giveUp(["b"])
        self.giveUp(["a"], producer: "somebody else")
        self.world.advance(by: .seconds(1))
        #expect(node.counts.cancelled == 1)
        // What belongs to nobody here is left to others.
        #expect(self.world.valkey.list(Self.key).map { String(decoding: $0, as: UTF8.self) } == ["somebody else\na"])
    }

    @Test func `what nobody holds is bounded in number and goes by itself`() {
        self.giveUp((0..<1_100).map { "r\($0)" })
        #expect(self.world.valkey.list(Self.key).count == 1_024)
        #expect(self.world.valkey.timeToLive(Self.key) == .seconds(60))
        self.world.advance(by: .seconds(61))
        #expect(self.world.valkey.list(Self.key).isEmpty)
    }
}
