import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// The limit of a pool is one for all dispatchers that serve it.
struct DispatcherBudgetTests {
    private let world = DispatcherWorld()
    private static let key = DispatchKeys.budget(pool: "default")

    init() { self.world.live() }

    private func node(_ id: String, _ limit: RateLimit?, slots: Int = 50) -> DispatcherWorld.Node {
        let node = self.world.node(id, slots: slots, seed: UInt64(id.utf8.last ?? 0)) { _ in
        } pool: { pool in
            pool.scheduling.limit = limit
        }
        node.runner.script { _ in .ok }
        node.run()
        return node
    }

    private func push(_ count: Int) {
        for number in 0..<count { self.world.push(self.world.envelope("r\(number)", timeout: 3_000)) }
    }

    private func started(_ nodes: [DispatcherWorld.Node]) -> Int { nodes.reduce(0) { $0 + $1.runner.started.count } }

    /// Ten at once, one per second.
    private static let limit = RateLimit(requestsPerMinute: 60, burstRequests: 10)

    @Test(arguments: 1...3)
    func `what dispatchers start in sum is what one may`(count: Int) {
        let nodes = (0..<count).map { self.node("d\($0)", Self.limit) }
        self.push(200)
        var last = 0
        for second in 1...40 {
            self.world.advance(by: .seconds(1))
            last = self.started(nodes)
            #expect(last <= 10 + second)
        }
        #expect(last >= 48)
        let calls = self.world.valkey.count(of: "leaseBudget")
        #expect(calls <= 40 * 4 * count + 10, "\(calls) calls")
    }

    @Test func `a pool without a limit costs a call now and then, and keeps nothing in Valkey`() {
        let node = self.node("d1", nil)
        self.push(20)
        self.world.advance(by: .seconds(30))
        #expect(node.runner.started.count == 20)
        #expect((1...2).contains(self.world.valkey.count(of: "leaseBudget")))
        #expect(self.world.valkey.hash(Self.key).isEmpty)
    }

    @Test func `a dispatcher without a limit keeps that of another`() {
        let limited = self.node("d0", Self.limit)
        self.push(5)
        self.world.advance(by: .seconds(2))
        #expect(limited.runner.started.count == 5)
        let nodes = [limited, self.node("d1", nil)]
        for number in 0..<200 { self.world.push(self.world.envelope("later\(number)", timeout: 3_000)) }
        for second in 1...30 {
            self.world.advance(by: .seconds(1))
            #expect(self.started(nodes) <= 10 + 2 + second)
        }
        #expect(self.started(nodes) >= 36)
    }

    @Test func `a limit that is taken away counts until the budget has been asked`() {
        let node = self.node("d1", Self.limit)
        self.push(200)
        self.world.advance(by: .seconds(5))
        self.world.valkey.plan { $0 == "leaseBudget" ? .fail(.unreachable("x")) : nil }
        let before = node.runner.started.count
        _ = node.engine.update(pool: "default") { $0.scheduling.limit = nil }
        self.world.advance(by: .seconds(20))
        #expect(node.runner.started.count <= before + 1)
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(5))
        #expect(node.runner.started.count == 200)
    }

    @Test func `while the budget cannot be asked for, nothing starts, and everybody can see why`() {
        self.world.valkey.plan { $0 == "leaseBudget" ? .fail(.unreachable("x")) : nil }
        let node = self.node("d1", Self.limit)
        self.push(20)
        self.world.advance(by: .seconds(20))
        #expect(node.runner.started.isEmpty)
        #expect(node.engine.pool("default")?.waitingReason == .rateLimited)
        #expect(node.dispatcher.lastError?.contains("unreachable") == true)
        let waiting = node.engine.live(LiveFilter(), limit: 1, after: nil).first?.record.submission.id
        let explained = waiting.flatMap { node.engine.explain($0)?.explanation }
        let gate = explained?.gates.first { $0.gate == .requestsPerMinute }
        #expect(gate?.isOpen == false && gate?.value == 0)
        #expect(gate?.detail?.contains("has not answered for") == true)
        // What cannot start stays on the list, where others may have it.
        #expect(self.world.queued.count == 19)
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(2))
        #expect((10...12).contains(node.runner.started.count))
    }

    @Test func `an answer that was lost is asked for again and nothing is leased twice`() {
        let count = Lock(0)
        self.world.valkey.plan { name in
            guard name == "leaseBudget" else { return nil }
            let number = count.withLock { count in
                count += 1
                return count
            }
            return number.isMultiple(of: 3) ? nil : .loseAnswer(.connectionLost(sent: true))
        }
        let nodes = (0..<2).map { self.node("d\($0)", Self.limit) }
        self.push(200)
        for second in 1...40 {
            self.world.advance(by: .seconds(1))
            #expect(self.started(nodes) <= 10 + second)
        }
        #expect(self.started(nodes) >= 45)
    }

    @Test func `a dispatcher that leaves gives back what it holds`() {
        let node = self.node("d1", RateLimit(tokensPerMinute: 600))
        self.push(3)
        self.world.advance(by: .seconds(1))
        #expect(node.runner.started.count == 3)
        let done = node.drain(limit: .seconds(5))
        self.world.advance(by: .seconds(10))
        #expect(done.isSet)
        let record = self.world.valkey.hash(Self.key)["h:d1"].map { String(decoding: $0, as: UTF8.self) } ?? ""
        let numbers = record.split(separator: " ").compactMap { Int($0) }
        #expect(numbers.count > 15 && numbers[3] == 0 && numbers[4] == 0, "\(record)")
        // It has no say any more.
        #expect(numbers.count > 15 && numbers[11] == -1 && numbers[12] == -1, "\(record)")
    }

    @Test func `of two limits the smaller counts, and the newest once all have it`() {
        let nodes = [self.node("d0", Self.limit), self.node("d1", RateLimit(requestsPerMinute: 600))]
        self.push(900)
        self.world.advance(by: .seconds(20))
        #expect((25...31).contains(self.started(nodes)))
        _ = nodes[0].engine.update(pool: "default") { $0.scheduling.limit = RateLimit(requestsPerMinute: 600) }
        self.world.advance(by: .seconds(1))
        let before = self.started(nodes)
        self.world.advance(by: .seconds(20))
        #expect((190...211).contains(self.started(nodes) - before))
    }

    @Test func `a dispatcher that dies takes no more with it than it held`() {
        let nodes = (0..<3).map { self.node("d\($0)", Self.limit) }
        self.push(200)
        self.world.advance(by: .seconds(10))
        nodes[0].client.cut()
        for _ in 0..<60 { self.world.advance(by: .seconds(1)) }
        #expect(self.started(nodes) <= 10 + 70)
        #expect(self.started(nodes) >= 70)
    }
}
