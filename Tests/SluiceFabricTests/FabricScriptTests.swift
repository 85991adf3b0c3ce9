import SluiceBasics
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// What the scripts promise, through the answers that Swift reads. `Tests/EndToEnd/test_fabric_scripts.py` asks the
/// same of the Lua on a real server.
struct FabricScriptTests {
    private let world = VirtualWorld()
    private let valkey: FakeValkey
    private let receipts = Lock(0)

    init() { self.valkey = FakeValkey(clock: self.world.clock) }

    private func evaluate(_ script: ValkeyScript, _ keys: [String], _ arguments: [ValkeyArgument]) async -> RESPValue {
        do throws(ValkeyError) {
            return try await self.valkey.link().evaluate(script, keys: keys, arguments: arguments)
        } catch {
            Issue.record("\(error)")
            return .null
        }
    }

    private func element(_ id: String, bytes: Int = 0) -> [UInt8] {
        let envelope = RequestEnvelope(
            requestID: id,
            producerID: "p",
            poolID: "d",
            submittedAt: 1,
            call: CompletionCall(
                model: "m",
                messageCount: 1,
                parameters: [
                    RawMember(name: "model", value: Array(#""m""#.utf8)[...]),
                    RawMember(
                        name: "messages",
                        value: Array("[\"\(String(repeating: "x", count: bytes))\"]".utf8)[...]
                    ),
                ]
            )
        )
        return envelope.write()
    }

    @Test func `scripts have names and digests of their own`() {
        #expect(Set(FabricScript.all.map(\.name)).count == FabricScript.all.count)
        #expect(Set(FabricScript.all.map(\.sha1)).count == FabricScript.all.count)
    }

    @Test func `a list takes all of a batch or nothing`() async {
        func enqueue(_ count: Int, most: Int) async -> EnqueueAnswer? {
            let elements = (0..<count).map { ValkeyArgument.text("e\($0)") }
            let bounds: [ValkeyArgument] = [.integer(most), 0]
            return EnqueueAnswer(await self.evaluate(FabricScript.enqueueBounded, ["q"], bounds + elements))
        }
        #expect(await enqueue(2, most: 3) == .queued(depth: 2))
        #expect(await enqueue(2, most: 3) == .full(depth: 2, bytes: 0))
        #expect(await enqueue(1, most: 3) == .queued(depth: 3))
    }

    @Test func `a reply is only published to a producer that lives`() async {
        let reply: [ValkeyArgument] = [300_000, "a", "b"]
        #expect(await self.evaluate(FabricScript.publishReply, ["alive", "replies"], reply) == .integer(0))
        #expect(self.valkey.keys == [])
        self.valkey.execute("SET", ["alive", "p"])
        #expect(await self.evaluate(FabricScript.publishReply, ["alive", "replies"], reply) == .integer(1))
        #expect(self.valkey.list("replies").count == 2)
        #expect(self.valkey.timeToLive("replies") == .seconds(300))
    }

    @Test(arguments: [0, 5_000])
    func `settling delivers and cleans up what is the dispatcher's own`(bytes: Int) async {
        let elements = ["a", "b", "c"].map { self.element($0, bytes: bytes) }
        for element in elements { self.valkey.execute("RPUSH", ["private", .bytes(element)]) }
        let start = InflightRecord.start(dispatcher: "d1")
        self.valkey.execute("HSET", ["index", "b", .bytes(start + Array("\"x\":1}".utf8))])
        self.valkey.execute("HSET", ["index", "c", .bytes(InflightRecord.start(dispatcher: "d2"))])
        self.valkey.execute("SET", ["alive", "p"])

        func settle(_ index: Int, _ id: String, reply: String) async -> SettleAnswer? {
            let arguments: [ValkeyArgument] = [.text(reply), 300_000, .text(id), .bytes(start)]
            return SettleAnswer(
                await self.evaluate(
                    FabricScript.settle,
                    ["alive", "replies", "private", "index"],
                    arguments + ElementMark(elements[index]).arguments
                )
            )
        }
        #expect(
            await settle(1, "b", reply: "r") == SettleAnswer(delivery: .delivered, wasHeld: true, wasIndexed: true)
        )
        #expect(self.valkey.list("private") == [elements[0], elements[2]])
        #expect(
            await settle(1, "b", reply: "r") == SettleAnswer(delivery: .delivered, wasHeld: false, wasIndexed: false)
        )
        #expect(
            await settle(2, "c", reply: "") == SettleAnswer(delivery: .notAsked, wasHeld: true, wasIndexed: false)
        )
        #expect(self.valkey.hash("index").keys.sorted() == ["c"])
        self.valkey.execute("DEL", ["alive"])
        #expect(
            await settle(0, "a", reply: "r") == SettleAnswer(delivery: .producerGone, wasHeld: true, wasIndexed: false)
        )
        #expect(self.valkey.list("replies").count == 2)
        #expect(self.valkey.list("private") == [])
    }

    @Test func `heads tell what waits without payloads, within bounds`() async throws {
        for number in 0..<20 { self.valkey.execute("RPUSH", ["q", .bytes(self.element("r\(number)", bytes: 10_000))]) }
        func heads(_ bounds: [ValkeyArgument]) async throws -> HeadBytesAnswer {
            try #require(HeadBytesAnswer(await self.evaluate(FabricScript.headBytes, ["q"], bounds)))
        }
        let five = try await heads([5, 256, 100_000, 1_000_000])
        #expect(five.depth == 20)
        #expect(five.rows.map(\.identity.requestID) == (0..<5).map { "r\($0)" })
        #expect(five.rows.allSatisfy { $0.submittedAt == 1 })
        #expect(try await heads([20, 256, 1_000, 1_000_000]).rows.count == 3)
        #expect(try await heads([20, 256, 100_000, 35_000]).rows.count == 4)
        #expect(HeadBytesAnswer(await self.evaluate(FabricScript.headBytes, ["none"], [5, 256, 1, 1]))?.depth == 0)
    }

    private func sweep(
        _ policy: OrphanPolicy,
        most: Int,
        ids: [String] = [],
        receipt: String? = nil,
        isLast: Bool = true
    ) async -> SweepAnswer? {
        let number = self.receipts.withLock { receipts in
            receipts += 1
            return receipts
        }
        let arguments: [ValkeyArgument] = [
            .text(policy.rawValue), .integer(most), "d1", .bytes(InflightRecord.start(dispatcher: "d1")),
            .text(receipt ?? "receipt \(number)"), .integer(isLast ? 1 : 0),
        ]
        return SweepAnswer(
            await self.evaluate(
                FabricScript.sweepOrphans,
                ["heartbeat", "private", "q", "index", "dispatchers", "found"],
                arguments + ids.map { .text($0) }
            )
        )
    }

    private func leaveOrphans() {
        for id in ["a", "b", "c"] {
            self.valkey.execute("RPUSH", ["private", .bytes(self.element(id))])
            self.valkey.execute("HSET", ["index", .text(id), .bytes(InflightRecord.start(dispatcher: "d1"))])
        }
        self.valkey.execute("HSET", ["index", "unlisted", .bytes(InflightRecord.start(dispatcher: "d1"))])
        self.valkey.execute("HSET", ["index", "other", .bytes(InflightRecord.start(dispatcher: "d2"))])
        self.valkey.execute("HSET", ["dispatchers", "d1", "1"])
        self.valkey.execute("RPUSH", ["q", .bytes(self.element("later"))])
    }

    @Test func `a dispatcher that beats is not swept`() async {
        self.leaveOrphans()
        self.valkey.execute("SET", ["heartbeat", "x", "EX", 15])
        #expect(await self.sweep(.drop, most: 10) == .alive)
        #expect(self.valkey.list("private").count == 3)
    }

    @Test func `what a dead dispatcher held is dropped and reported, bit by bit`() async {
        self.leaveOrphans()
        #expect(await self.sweep(.drop, most: 2) == .swept(elements: ["a", "b"], entries: [], left: 1))
        #expect(self.valkey.hash("dispatchers").count == 1)
        let rest = await self.sweep(.drop, most: 2, ids: ["unlisted", "other", "a"])
        #expect(rest == .swept(elements: ["c"], entries: ["unlisted"], left: 0))
        #expect(self.valkey.hash("index").keys.sorted() == ["other"])
        #expect(self.valkey.hash("dispatchers").isEmpty)
        #expect(self.valkey.list("q").count == 1)
    }

    @Test func `or goes back to the head of the queue in its old order`() async {
        self.leaveOrphans()
        #expect(await self.sweep(.requeue, most: 10) == .swept(elements: ["c", "b", "a"], entries: [], left: 0))
        let ids = self.valkey.list("q").compactMap { try? RequestEnvelope.read($0).requestID }
        #expect(ids == ["a", "b", "c", "later"])
    }

    @Test func `a sweep whose answer was lost is answered again, and done once`() async {
        self.leaveOrphans()
        let first = await self.sweep(.drop, most: 2, receipt: "r")
        #expect(first == .swept(elements: ["a", "b"], entries: [], left: 1))
        self.valkey.execute("SET", ["heartbeat", "x", "EX", 15])
        #expect(await self.sweep(.drop, most: 2, receipt: "r") == first)
        #expect(self.valkey.list("private").count == 1)
        #expect(self.valkey.timeToLive("found") == FabricScript.receiptsLive)
    }

    @Test func `a dispatcher stays known while entries of it are to come`() async {
        self.leaveOrphans()
        #expect(await self.sweep(.drop, most: 9, isLast: false)?.left == 0)
        #expect(self.valkey.hash("dispatchers").keys.sorted() == ["d1"])
        #expect(
            await self.sweep(.drop, most: 9, ids: ["unlisted"]) == .swept(elements: [], entries: ["unlisted"], left: 0)
        )
        #expect(self.valkey.hash("dispatchers").isEmpty)
    }

    @Test func `only entries of one's own are brought up to date`() async {
        let mine = InflightRecord.start(dispatcher: "d1")
        self.valkey.execute("HSET", ["index", "a", .bytes(mine), "b", "{\"dispatcher\":\"d2\","])
        let arguments: [ValkeyArgument] = [
            .bytes(mine), "a", .bytes(mine + [1]), "b", .bytes(mine + [2]), "c", .bytes(mine + [3]),
        ]
        #expect(await self.evaluate(FabricScript.restage, ["index"], arguments) == .integer(1))
        #expect(self.valkey.hash("index")["a"] == mine + [1])
        #expect(self.valkey.hash("index").keys.sorted() == ["a", "b"])
    }
}

extension SweepAnswer {
    fileprivate var left: Int? {
        if case .swept(_, _, let left) = self { left } else { nil }
    }
}
