import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// A store that fails, forgets or is full never decides anything.
struct DispatcherOutageTests {
    private let world = DispatcherWorld()

    init() { self.world.live() }

    private func fail(_ name: String, _ error: ValkeyError = .unreachable("x")) {
        self.world.valkey.plan { $0 == name ? .fail(error) : nil }
    }

    /// Only the first of its kind.
    private func lose(_ name: String, times: Int = 1) {
        let left = Lock(times)
        self.world.valkey.plan { command in
            guard command == name else { return nil }
            let isLost = left.withLock { left in
                left -= 1
                return left >= 0
            }
            return isLost ? .loseAnswer(.connectionLost(sent: true)) : nil
        }
    }

    private static let oom = ValkeyError.server(ValkeyServerError(kind: .oom, message: "OOM"))

    @Test func `whose producer cannot be asked after is held until it can`() {
        let node = self.world.node()
        node.run()
        self.fail("admit")
        self.world.push(["a"])
        self.world.advance(by: .seconds(20))
        #expect(node.runner.started == [] && node.dispatcher.heldCount == 1)
        #expect(node.counts.offlineRequests == 0)
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(1))
        #expect(node.runner.started == ["a"])
    }

    @Test(arguments: [
        ValkeyError.unreachable("x"), .connectionLost(sent: false), .timedOut, .overloaded(limit: 1), Self.oom,
        .server(ValkeyServerError(kind: .readOnly, message: "x")), .replyTooLarge(limit: 1), .protocolViolation("x"),
        .server(ValkeyServerError(kind: .loading, message: "x")), .closed,
    ])
    func `a reply waits for the store, whatever is wrong with it`(error: ValkeyError) {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        self.fail("settle", error)
        node.runner.finish("a")
        self.world.advance(by: .seconds(200))
        #expect(self.world.replies().isEmpty && node.dispatcher.heldCount == 1 && node.reasons == [])
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(1))
        #expect(self.world.replies().count == 1 && node.reasons == [.ok] && node.counts.late == 0)
        #expect(self.world.held(node) == [] && node.dispatcher.heldCount == 0)
    }

    @Test func `after the time that replies live it is given up, and never run again`() {
        let node = self.world.node { $0.replyTTL = .seconds(30) }
        node.run()
        self.world.push(["a"])
        self.fail("settle")
        node.runner.finish("a")
        self.world.advance(by: .seconds(31))
        #expect(node.dispatcher.heldCount == 1)
        // A pop whose answer is lost makes us look into the private list, where the element still lies.
        self.world.valkey.plan { name in
            switch name {
            case "settle": .fail(.unreachable("x"))
            case "BLMOVE": .loseAnswer(.timedOut)
            default: nil
            }
        }
        self.world.advance(by: .seconds(5))
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(5))
        #expect(node.runner.started == ["a"])
        #expect(node.counts.repliesGivenUp == 1 && node.reasons == [.offlineProducerBeforeReply])
        #expect(self.world.held(node) == [] && self.world.queued == [] && self.world.replies().isEmpty)
        #expect(self.world.valkey.hash(DispatcherWorld.index).isEmpty && node.engine.checkBooks() == nil)
    }

    @Test func `a reply list that is no list is given up at once`() {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        self.fail("settle", .server(ValkeyServerError(kind: .wrongType, message: "WRONGTYPE")))
        node.runner.finish("a")
        self.world.advance(by: .milliseconds(1))
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(1))
        #expect(node.counts.repliesGivenUp == 1 && node.dispatcher.heldCount == 0)
        #expect(self.world.held(node) == [] && self.world.replies().isEmpty)
    }

    @Test func `a reply whose push was not confirmed is pushed again, and is not late`() {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        self.lose("settle")
        node.runner.finish("a")
        self.world.advance(by: .seconds(1))
        #expect(self.world.replies().count == 2)
        #expect(node.reasons == [.ok] && node.counts.late == 0 && node.counts.processed == 1)
    }

    @Test(arguments: ["BLMOVE", "take"])
    func `what a lost answer brought is put back once, in order`(command: String) {
        let node = self.world.node(slots: 3)
        node.run()
        if command == "take" {
            self.world.push(["x0"])
            self.world.push((0..<3).map { "x\($0 + 1)" })
        }
        let before = node.runner.started
        self.lose(command)
        if command == "take" {
            for id in before { node.runner.finish(id) }
        } else {
            self.world.push(["a", "b", "c"])
        }
        self.world.advance(by: .seconds(3))
        #expect(node.counts.recovered >= 1)
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(3))
        let rest = node.runner.started.dropFirst(before.count)
        #expect(Array(rest) == (command == "take" ? ["x3"] : ["a", "b", "c"]))
        #expect(node.dispatcher.heldCount == rest.count)
        #expect(self.world.held(node) == Array(rest))
    }

    @Test func `an element that is being refused is not taken for a lost one`() {
        let node = self.world.node()
        node.run()
        self.fail("settle")
        self.world.push(Array(#"{"request_id":"m","producer_id":"p","contract_version":"v2"}"#.utf8))
        self.world.advance(by: .milliseconds(10))
        self.world.valkey.plan { name in
            switch name {
            case "settle": .fail(.unreachable("x"))
            case "BLMOVE": .loseAnswer(.timedOut)
            default: nil
            }
        }
        self.world.advance(by: .seconds(3))
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(3))
        #expect(node.counts.malformed == 1 && node.counts.recovered == 0)
        #expect(self.world.replies().count == 1 && self.world.valkey.list(node.privateList).isEmpty)
    }

    @Test func `an element that can never be popped is answered and taken away`() {
        let node = self.world.node { $0.maximumElementBytes = 4_000 }
        node.run()
        self.world.valkey.plan { $0 == "BLMOVE" ? .loseAnswer(.replyTooLarge(limit: 4_000)) : nil }
        self.world.push(self.world.envelope("huge", bytes: 5_000))
        self.world.advance(by: .seconds(2))
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(2))
        #expect(self.world.replies().map(\.requestID) == ["huge"])
        #expect(
            node.counts.malformed == 1 && self.world.valkey.list(node.privateList).isEmpty && self.world.queued == []
        )
    }

    @Test func `a full store can be drained`() {
        let node = self.world.node(slots: 2)
        node.run()
        self.world.advance(by: .milliseconds(1_100))
        self.fail("BLMOVE", Self.oom)
        node.runner.script { _ in .ok }
        self.world.push(["a", "b", "c", "d", "e"])
        self.world.advance(by: .seconds(3))
        #expect(self.world.replies().map(\.requestID) == ["a", "b", "c", "d", "e"])
    }

    @Test func `the first kind of pop works, and gives back what was not sent`() {
        let node = self.world.node(slots: 1) { $0.popMode = .blpop }
        node.run()
        self.world.push(["a", "b"])
        node.runner.finish("a")
        self.world.advance(by: .milliseconds(200))
        #expect(self.world.replies().map(\.requestID) == ["a"])
        #expect(node.counts.late == 0 && node.reasons == [.ok])
        #expect(node.runner.started == ["a", "b"])
        #expect(self.world.valkey.list(node.privateList).isEmpty && self.world.entry("b") != nil)
        self.fail("admit")
        node.runner.finish("b")
        self.world.push(["c"])
        self.world.advance(by: .seconds(1))
        #expect(self.world.queued == [] && node.dispatcher.heldCount == 1)
        let done = node.drain(limit: .seconds(10))
        self.world.advance(by: .seconds(3))
        #expect(done.isSet && self.world.queued == ["c"])
        #expect(self.world.valkey.hash(DispatcherWorld.index).isEmpty)
    }
}
