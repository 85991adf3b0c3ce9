import SluiceBasics
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

struct ProducerTests {
    private typealias World = ProducerWorld

    @Test func `a request goes onto its pool's list and its reply comes back`() throws {
        let world = World()
        world.run()
        let run = world.execute(World.request("r1"))
        let envelope = try #require(world.queued.first)
        #expect(envelope.requestID == "r1")
        #expect(envelope.producerID == World.id)
        #expect(envelope.poolID == "default")
        #expect(envelope.timeoutSeconds == 60)
        #expect(envelope.dispatchProfileKey == "m")
        let deadline = try #require(envelope.extras?.deadlineMilliseconds)
        #expect(deadline == Int64((envelope.submittedAt + 60) * 1_000))
        #expect(run.outcomes == nil)
        world.reply(World.completion("r1"))
        #expect(try run.outcome?.get() == World.completion("r1"))
        #expect(world.producer.waiting == 0)
        #expect(world.abandoned.withLock { $0 } == [])
        // The next refresh; the deadline has been taken back.
        #expect(world.producer.alarms.count == 1)
    }

    // MARK: Being alive

    @Test func `nothing is pushed before the alive key is confirmed`() {
        let world = World()
        world.valkey.plan { $0 == "SET" ? .fail(.unreachable("gone")) : nil }
        world.run()
        let run = world.execute(World.request("r1"))
        world.world.advance(by: .seconds(5))
        #expect(world.valkey.count(of: "SET") > 4)
        #expect(world.valkey.count(of: "enqueueBounded") == 0)
        #expect(!world.producer.isAlive)
        world.valkey.plan(nil)
        world.world.advance(by: .seconds(1))
        #expect(world.valkey.string(World.aliveKey) == Array(World.id.utf8))
        #expect(world.queued.map(\.requestID) == ["r1"])
        #expect(run.outcomes == nil)
    }

    @Test func `the alive key is refreshed every third of its time, for ever`() {
        let world = World()
        world.run()
        #expect(world.valkey.timeToLive(World.aliveKey) == .seconds(30))
        world.world.advance(by: .seconds(3_600))
        #expect(world.valkey.count(of: "SET") == 361)
        #expect((world.valkey.timeToLive(World.aliveKey) ?? .zero) >= .seconds(20))
    }

    @Test func `a store that is full does not make a producer look dead`() {
        let world = World()
        world.run()
        let full = ValkeyError.server(ValkeyServerError(kind: .oom, message: "OOM"))
        world.valkey.plan { $0 == "SET" ? .fail(full) : nil }
        world.world.advance(by: .seconds(300))
        #expect(world.valkey.string(World.aliveKey) == Array(World.id.utf8))
        #expect(world.producer.isAlive)
        // A key that has gone cannot be prolonged.
        world.valkey.execute("DEL", [.text(World.aliveKey)])
        world.world.advance(by: .seconds(30))
        #expect(!world.producer.isAlive)
    }

    @Test func `the refreshing goes on after errors of every kind`() {
        let world = World()
        world.run()
        let errors: [ValkeyError] = [
            .timedOut, .connectionLost(sent: true), .server(ValkeyServerError(kind: .loading, message: "LOADING")),
            .server(ValkeyServerError(kind: .authentication, message: "NOAUTH")), .closed,
        ]
        let turn = Lock(0)
        world.valkey.plan { name in
            guard name == "SET" else { return nil }
            return turn.withLock { turn in
                turn += 1
                return .fail(errors[turn % errors.count])
            }
        }
        world.world.advance(by: .seconds(300))
        #expect(world.valkey.string(World.aliveKey) == nil)
        #expect(world.producer.counts.refreshFailures > 200)
        world.valkey.plan(nil)
        world.world.advance(by: .seconds(2))
        #expect(world.valkey.string(World.aliveKey) != nil)
    }

    @Test func `after the store lost its data the key is set before anything else is pushed`() {
        let world = World()
        world.run()
        world.valkey.restart(keepingData: false)
        world.world.settle()
        #expect(world.valkey.string(World.aliveKey) != nil)
        _ = world.execute(World.request("r1"))
        #expect(world.queued.count == 1)
    }

    @Test func `closing takes the alive key away, fails what waits and returns within one pop`() async {
        let world = World()
        world.run()
        let run = world.execute(World.request("r1"))
        let producer = world.producer
        let closing = world.world.spawn { await producer.close() }
        world.world.settle()
        #expect(run.error == .closed)
        #expect(world.valkey.string(World.aliveKey) == nil)
        #expect(world.execute(World.request("r2")).error == .closed)
        world.world.advance(by: .seconds(1))
        await closing.value
        #expect(world.valkey.blockedPops == 0)
        #expect(world.producer.waiting == 0)
    }

    // MARK: Admission

    @Test func `one request that is too large fails its batch with nothing queued`() {
        let world = World { $0.maximumPayloadBytes = 2_000 }
        world.run()
        let large = World.request("r2", content: String(repeating: "x", count: 2_000))
        let run = world.execute(batch: [World.request("r1"), large, World.request("r3")])
        guard case .oversize("r2", let bytes, 2_000) = run.error else {
            Issue.record("\(String(describing: run.outcomes))")
            return
        }
        #expect(run.error?.message == "Queued request r2 is \(bytes) bytes; max inline payload is 2000 bytes.")
        #expect(world.valkey.count(of: "enqueueBounded") == 0)
        #expect(world.valkey.list(World.queue) == [])
        #expect(world.producer.waiting == 0)
    }

    @Test func `what a dispatcher would refuse is not queued`() {
        let world = World()
        world.run()
        var request = World.request("r1")
        request.metadata.extras = DispatchExtras(tenant: "a\nb")
        guard case .invalid(.notAllowed("metadata.sluice.tenant", _)) = world.execute(request).error else {
            Issue.record("was queued")
            return
        }
        guard case .invalid(.notAllowed("request_id", _)) = world.execute(World.request("")).error else {
            Issue.record("was queued")
            return
        }
        #expect(world.valkey.list(World.queue) == [])
        #expect(world.producer.waiting == 0)
    }

    @Test func `a full queue refuses all of a batch`() {
        let world = World { $0.maximumQueuedRequests = 3 }
        world.run()
        world.valkey.execute("RPUSH", [.text(World.queue), "foreign", "foreign"])
        let run = world.execute(batch: [World.request("r1"), World.request("r2")])
        #expect(run.outcomes?.count == 2)
        #expect(run.error == .queueFull(pool: "default", depth: 2, bytes: 2 * 7))
        #expect(world.valkey.list(World.queue).count == 2)
        let one = world.execute(World.request("r3"))
        #expect(one.outcomes == nil)
    }

    @Test func `a queue that is full by bytes refuses`() {
        let world = World { $0.maximumQueuedBytes = 1_000 }
        world.run()
        #expect(world.execute(World.request("r1")).outcomes == nil)
        guard case .queueFull("default", 1, _) = world.execute(World.request("r2")).error else {
            Issue.record("was queued")
            return
        }
    }

    @Test func `no more may wait here than is configured`() {
        let world = World { $0.maximumWaiting = 2 }
        world.run()
        _ = world.execute(World.request("r1"))
        #expect(world.execute(batch: [World.request("r2"), World.request("r3")]).error == .overloaded(limit: 2))
        #expect(world.queued.count == 1)
        #expect(world.execute(World.request("r1")).error == .duplicate(requestID: "r1"))
        world.reply(World.completion("r1"))
        #expect(world.execute(batch: [World.request("r2"), World.request("r3")]).outcomes == nil)
    }

    @Test func `the pool is the request's own, else the metadata's unless blank, else the default`() {
        let world = World()
        world.run()
        var request = World.request("r1")
        request.metadata.members = [RawMember(name: "pool_id", value: Array(#""gpu""#.utf8)[...])]
        _ = world.execute(request)
        request.id = "r2"
        request.metadata.members = [RawMember(name: "pool_id", value: Array(#"" ""#.utf8)[...])]
        _ = world.execute(request)
        _ = world.execute(World.request("r3", pool: "other"))
        #expect(world.valkey.list("list:llm:requests:gpu").count == 1)
        #expect(world.queued.map(\.requestID) == ["r2"])
        #expect(world.valkey.list("list:llm:requests:other").count == 1)
    }

    // MARK: Replies

    @Test func `replies out of order find who waits for them`() throws {
        let world = World()
        world.run()
        let batch = world.execute(batch: (0..<5).map { World.request("b\($0)") })
        let one = world.execute(World.request("r"))
        for id in ["b3", "r", "b0", "b4", "b2", "b1"] { world.reply(World.completion(id)) }
        #expect(try one.outcome?.get().requestID == "r")
        #expect(try batch.outcomes?.map { try $0.get().requestID } == ["b0", "b1", "b2", "b3", "b4"])
    }

    @Test func `an error reply is a reply`() throws {
        let world = World()
        world.run()
        let run = world.execute(World.request("r1"))
        var reply = World.completion("r1")
        reply.outcome = .failure(ReplyFailure(type: "RateLimitError", message: "429"))
        world.reply(reply)
        #expect(try run.outcome?.get() == reply)
        #expect(world.producer.counts.errorReplies == 1)
    }

    @Test func `malformed, unknown and late replies are counted, and waiting goes on`() throws {
        let world = World()
        world.run()
        let late = world.execute(World.request("late"), timeout: .seconds(1))
        world.world.advance(by: .seconds(1))
        #expect(late.error == .timedOut)
        #expect(world.abandoned.withLock { $0 } == ["late"])
        let run = world.execute(World.request("r1"))
        world.push(Array("{".utf8))
        world.push(Array(#"{"request_id":"r1","contract_version":"v3"}"#.utf8))
        world.reply(World.completion("late"))
        world.reply(World.completion("never"))
        var foreign = World.completion("r1")
        foreign.producerID = "somebody else"
        world.reply(foreign)
        #expect(run.outcomes == nil)
        world.reply(World.completion("r1"))
        #expect(try run.outcome?.get() == World.completion("r1"))
        world.reply(World.completion("r1"))
        let counts = world.producer.counts
        #expect(counts.malformedReplies == 2)
        #expect(counts.lateReplies == 2)
        #expect(counts.unknownReplies == 2)
        #expect(counts.timedOut == 1)
    }

    @Test func `replies that came during an outage are found after it`() throws {
        let world = World()
        world.run()
        let run = world.execute(World.request("r1"))
        world.valkey.plan { $0 == "BLMOVE" ? .fail(.unreachable("down")) : nil }
        world.valkey.restart(keepingData: true)
        world.world.advance(by: .seconds(20))
        world.reply(World.completion("r1"))
        #expect(run.outcomes == nil)
        world.valkey.plan(nil)
        world.world.advance(by: .seconds(2))
        #expect(try run.outcome?.get().requestID == "r1")
    }

    @Test func `a reply whose way back is cut is read again`() throws {
        let world = World()
        world.run()
        let runs = ["r1", "r2", "r3"].map { world.execute(World.request($0)) }
        let lost = ValkeyError.connectionLost(sent: true)
        world.valkey.plan { $0 == "BLMOVE" || $0 == "nextReplies" ? .loseAnswer(lost) : nil }
        world.valkey.restart(keepingData: true)
        for id in ["r1", "r2", "r3"] { world.reply(World.completion(id)) }
        world.world.advance(by: .seconds(5))
        #expect(runs.allSatisfy { $0.outcomes == nil })
        world.valkey.plan(nil)
        world.world.advance(by: .seconds(2))
        for (run, id) in zip(runs, ["r1", "r2", "r3"]) { #expect(try run.outcome?.get().requestID == id) }
        // What has been read goes, and is not counted twice.
        #expect(world.valkey.list(DispatchKeys.replies(producer: world.producer.configuration.producerID)) == [])
        #expect(world.producer.counts.replies == 3 && world.producer.counts.lateReplies == 0)
    }

    @Test func `a full Valkey's replies are read`() throws {
        let world = World()
        world.run()
        let runs = ["r1", "r2"].map { world.execute(World.request($0)) }
        let full = ValkeyServerError(kind: .oom, message: "OOM command not allowed")
        world.valkey.plan { $0 == "BLMOVE" ? .fail(.server(full)) : nil }
        for (run, id) in zip(runs, ["r1", "r2"]) {
            world.reply(World.completion(id))
            world.world.advance(by: .seconds(2))
            #expect(try run.outcome?.get().requestID == id)
        }
    }

    @Test func `a list of replies keeps its time to live while it is read`() {
        let world = World()
        world.run()
        let key = DispatchKeys.replies(producer: world.producer.configuration.producerID)
        world.valkey.plan { $0 == "nextReplies" ? .fail(.unreachable("down")) : nil }
        world.valkey.execute("RPUSH", [.text(key), "not a reply"])
        world.valkey.execute("EXPIRE", [.text(key), 300])
        world.world.advance(by: .seconds(100))
        #expect(world.valkey.list(key).count == 1)
        #expect(world.valkey.timeToLive(key) == .seconds(200))
    }

    // MARK: Time and cancelling

    @Test func `one deadline includes waiting for the store`() {
        let world = World()
        world.valkey.plan { _ in .fail(.unreachable("down")) }
        world.run()
        let run = world.execute(World.request("r1"), timeout: .seconds(3))
        world.world.advance(by: .milliseconds(2_999))
        #expect(run.outcomes == nil)
        world.world.advance(by: .milliseconds(1))
        #expect(run.error == .timedOut)
        #expect(world.producer.waiting == 0)
    }

    @Test func `a deadline of the request's own counts if it is sooner`() throws {
        let world = World()
        world.run()
        var request = World.request("r1")
        let wall = world.world.clock.wallClockNanoseconds() / 1_000_000
        request.metadata.extras = DispatchExtras(tenant: "acme", deadlineMilliseconds: wall + 2_000)
        let run = world.execute(request)
        let envelope = try #require(world.queued.first)
        #expect(envelope.timeoutSeconds == 2)
        #expect(envelope.extras?.tenant == "acme")
        world.world.advance(by: .seconds(2))
        #expect(run.error == .timedOut)
    }

    @Test func `cancelling forgets the waiter and is counted`() {
        let world = World()
        world.run()
        let run = world.execute(World.request("r1"))
        run.task.cancel()
        world.world.settle()
        #expect(run.error == .cancelled)
        #expect(world.producer.waiting == 0)
        #expect(world.producer.counts.cancelled == 1)
        #expect(world.abandoned.withLock { $0 } == ["r1"])
        #expect(world.queued.count == 1)
    }

    @Test func `cancelling before the store can be reached pushes nothing later`() {
        let world = World()
        world.valkey.plan { _ in .fail(.unreachable("down")) }
        world.run()
        let run = world.execute(World.request("r1"))
        run.task.cancel()
        world.world.settle()
        #expect(run.error == .cancelled)
        world.valkey.plan(nil)
        world.world.advance(by: .seconds(10))
        #expect(world.queued.isEmpty)
    }

    // MARK: Errors of the store

    @Test func `a push that was certainly not executed is tried again, within the patience`() throws {
        let world = World()
        world.run()
        let loading = ValkeyServerError(kind: .loading, message: "LOADING")
        world.valkey.plan { $0 == "enqueueBounded" ? .fail(.server(loading)) : nil }
        let patient = world.execute(World.request("r1"))
        world.world.advance(by: .seconds(5))
        #expect(patient.outcomes == nil)
        world.valkey.plan(nil)
        world.world.advance(by: .seconds(2))
        #expect(world.queued.map(\.requestID) == ["r1"])
        world.valkey.plan { $0 == "enqueueBounded" ? .fail(.server(loading)) : nil }
        let other = world.execute(World.request("r2"))
        world.world.advance(by: .seconds(11))
        #expect(other.error == .store(.server(loading), mayBeQueued: false))
        #expect(world.abandoned.withLock { $0 } == [])
    }

    @Test func `a push whose answer is lost fails and says that it may run`() {
        let world = World()
        world.run()
        world.valkey.plan { $0 == "enqueueBounded" ? .loseAnswer(.connectionLost(sent: true)) : nil }
        let run = world.execute(World.request("r1"))
        #expect(run.error == .store(.connectionLost(sent: true), mayBeQueued: true))
        #expect(world.queued.count == 1)
        #expect(world.abandoned.withLock { $0 } == ["r1"])
        world.reply(World.completion("r1"))
        #expect(world.producer.counts.lateReplies == 1)
    }

    @Test func `a store out of memory is full, not broken`() {
        let world = World()
        world.run()
        let oom = ValkeyServerError(kind: .oom, message: "OOM")
        world.valkey.plan { $0 == "enqueueBounded" ? .fail(.server(oom)) : nil }
        #expect(world.execute(World.request("r1")).error == .storeFull)
    }
}
