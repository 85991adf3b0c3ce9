import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTelemetry
import SluiceTestKit
import SluiceWire
import Testing

struct DispatcherTests {
    private let world = DispatcherWorld()

    init() { self.world.live() }

    // MARK: The way through

    @Test func `a request is run and answered, and nothing is left of it`() throws {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        #expect(node.runner.started == ["a"])
        #expect(self.world.held(node) == ["a"])
        #expect(self.world.entry("a")?.dispatcherID == "d1")
        node.runner.finish("a")
        self.world.settle()
        let reply = try #require(self.world.replies().first)
        #expect(reply.requestID == "a" && reply.producerID == "p" && reply.poolID == "default")
        #expect(reply.outcome == .completion(Array(#"{"id":"a"}"#.utf8)[...]))
        #expect(reply.dispatcherID == "d1" && reply.backendAddress == "http://backend")
        #expect(reply.extras?.outcome == "done/ok" && reply.extras?.attempts == 1)
        #expect(self.world.valkey.timeToLive(DispatchKeys.replies(producer: "p")) == .seconds(300))
        #expect(self.world.held(node) == [] && self.world.entry("a") == nil && self.world.queued == [])
        #expect(node.counts.taken == 1 && node.counts.processed == 1 && node.counts.failures == 0)
        #expect(node.reasons == [.ok] && node.dispatcher.heldCount == 0)
        #expect(node.engine.checkBooks() == nil)
    }

    @Test func `a pop is counted by its size, and lasts until the last that it brought has ended`() throws {
        let node = self.world.node(slots: 4)
        self.world.push(["a", "b", "c"])
        node.run()
        self.world.settle()
        let sizes = try #require(node.dispatcher.batches(pool: "default")?.sizes)
        #expect(sizes.sum == 3)
        node.runner.finish("a")
        node.runner.finish("c")
        self.world.advance(by: .seconds(2))
        // The pop that brought `b`, whoever came with it, has not ended.
        #expect(node.dispatcher.batches(pool: "default")?.times.count == sizes.count - 1)
        node.runner.finish("b")
        self.world.settle()
        let times = try #require(node.dispatcher.batches(pool: "default")?.times)
        #expect(times.count == sizes.count && times.sum >= 2)
        #expect(try #require(node.dispatcher.heartbeatAge) < .seconds(15))
        #expect(node.dispatcher.batches(pool: "elsewhere") == nil)
    }

    @Test func `a producer that does not know Sluice is told nothing of Sluice`() throws {
        let node = self.world.node()
        node.run()
        self.world.push(self.world.envelope("a", knowsSluice: false))
        node.runner.finish("a")
        self.world.settle()
        #expect(try #require(self.world.replies().first).extras == nil)
    }

    @Test func `a failure is an error reply with what the backend said`() throws {
        let node = self.world.node(pool: { $0.retry.maximumAttempts = 1 })
        node.run()
        self.world.push(["a"])
        node.runner.finish("a", .failure(AttemptFailure(.serverError, status: 500, message: "broken")))
        self.world.settle()
        let reply = try #require(self.world.replies().first)
        #expect(reply.failure?.type == "InternalServerError" && reply.failure?.message == "broken")
        #expect(reply.failure?.source == "llm_dispatcher")
        #expect(reply.extras?.errorBody != nil)
        #expect(node.counts.failures == 1 && node.counts.processed == 1)
        #expect(node.reasons.first?.outcome != .done)
    }

    @Test func `nobody waits for a slow neighbour`() {
        let node = self.world.node(slots: 2)
        node.run()
        self.world.push(["slow", "a", "b", "c"])
        self.world.advance(by: .milliseconds(150))
        for id in ["a", "b", "c"] {
            #expect(node.runner.started.last == id)
            node.runner.finish(id)
            self.world.advance(by: .milliseconds(150))
        }
        #expect(self.world.replies().map(\.requestID) == ["a", "b", "c"])
        #expect(node.runner.calls("slow").first?.end.current == nil)
    }

    // MARK: Room

    @Test func `no more is taken than there are slots`() {
        let node = self.world.node(slots: 3)
        self.world.push((0..<10).map { "r\($0)" })
        node.run()
        self.world.advance(by: .seconds(3))
        #expect(node.runner.started.count == 3)
        #expect(self.world.queued.count == 7)
        node.runner.finish("r1")
        self.world.settle()
        #expect(node.runner.started == ["r0", "r1", "r2", "r3"])
    }

    @Test func `a pool that is held back takes nothing, not even by a pop that waits`() {
        let node = self.world.node()
        node.run()
        _ = node.engine.setMode(.paused, pool: "default")
        self.world.push(["a", "b"])
        self.world.advance(by: .seconds(5))
        #expect(node.runner.started == [] && self.world.queued == ["a", "b"])
        #expect(node.dispatcher.heldCount == 0)
        _ = node.engine.setMode(.running, pool: "default")
        self.world.advance(by: .milliseconds(200))
        #expect(node.runner.started == ["a", "b"])
    }

    @Test func `a backend that asks for patience is given it`() {
        let node = self.world.node(slots: 2)
        node.run()
        self.world.push(["a"])
        let refusal = AttemptFailure(.rateLimited, status: 429, retryAfter: .seconds(10), message: "slow down")
        node.runner.finish("a", .failure(refusal))
        self.world.push(["b"])
        self.world.advance(by: .seconds(8))
        #expect(node.runner.started == ["a"] && self.world.queued == ["b"])
        self.world.advance(by: .seconds(5))
        #expect(node.runner.started.sorted() == ["a", "a", "b"])
    }

    @Test func `an open circuit takes nothing, a half-open one a single probe, and both come back to life`() {
        let breaker = BreakerConfiguration(consecutiveFailures: 2, openFor: .seconds(10), probesToClose: 2)
        let node = self.world.node(slots: 4, breaker: breaker, pool: { $0.retry.maximumAttempts = 1 })
        node.run()
        self.world.push(["a", "b"])
        for id in ["a", "b"] {
            node.runner.finish(id, .failure(AttemptFailure(.serverError, status: 500, message: "x")))
            self.world.settle()
        }
        self.world.push(["c", "d", "e", "f"])
        self.world.advance(by: .seconds(9))
        #expect(node.runner.started == ["a", "b"] && self.world.queued == ["c", "d", "e", "f"])
        self.world.advance(by: .seconds(3))
        #expect(node.runner.started == ["a", "b", "c"])
        node.runner.finish("c")
        self.world.advance(by: .milliseconds(200))
        #expect(node.runner.started == ["a", "b", "c", "d"])
        node.runner.finish("d")
        self.world.advance(by: .milliseconds(200))
        #expect(node.runner.started == ["a", "b", "c", "d", "e", "f"])
    }

    @Test func `what the engine has no place for goes back in order, and the list is not worn out by trying`() {
        let node = self.world.node(slots: 8, pool: { $0.maximumRequests = 2 })
        self.world.push(["a", "b", "c", "d", "e"])
        node.run()
        self.world.advance(by: .seconds(2))
        #expect(node.runner.started == ["a", "b"])
        #expect(self.world.queued == ["c", "d", "e"])
        #expect(self.world.held(node) == ["a", "b"] && self.world.valkey.hash(DispatcherWorld.index).count == 2)
        #expect(self.world.valkey.count(of: "putBack") < 100)
        node.runner.finish("a")
        self.world.advance(by: .milliseconds(500))
        #expect(node.runner.started == ["a", "b", "c"])
        #expect(node.engine.checkBooks() == nil)
    }

    @Test func `what is held is bounded although it needs no slot`() {
        let node = self.world.node(slots: 4) { $0.maximumHeld = 5 }
        node.run()
        self.world.valkey.plan { $0 == "settle" ? .fail(.unreachable("x")) : nil }
        node.runner.script { _ in .ok }
        self.world.push((0..<20).map { "r\($0)" })
        self.world.advance(by: .seconds(10))
        #expect((5...8).contains(node.dispatcher.heldCount))
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(10))
        #expect(self.world.replies().count == 20 && node.dispatcher.heldCount == 0)
    }

    // MARK: Time

    @Test func `what is past its time is never sent and gets an error reply`() throws {
        let node = self.world.node()
        let now = self.world.epoch
        self.world.push(self.world.envelope("late", timeout: 10, submitted: now - 11))
        self.world.push(self.world.envelope("dead", timeout: 100, deadline: now - 1))
        self.world.push(self.world.envelope("well", timeout: 10, submitted: now - 9))
        node.run()
        #expect(node.runner.started == ["well"])
        #expect(self.world.replies().map(\.requestID) == ["late", "dead"])
        let failure = try #require(self.world.replies().first?.failure)
        #expect(failure.type == "APITimeoutError")
        #expect(node.counts.expired == 2 && node.reasons == [.deadline, .deadline])
        #expect(self.world.held(node) == ["well"])
        #expect(node.engine.checkBooks() == nil)
    }

    @Test(
        arguments: [
            (timeout: 10.0, age: 4.0, deadline: nil, left: 6.0), (timeout: nil, age: 1.0, deadline: nil, left: 19.0),
            (timeout: 10.0, age: 4.0, deadline: 30.0, left: 30.0),
            (timeout: nil, age: 0.0, deadline: 100.0, left: 100.0),
            (timeout: 10.0, age: -30.0, deadline: nil, left: 10.0),
            (timeout: 10.0, age: -30.0, deadline: 50.0, left: 20.0),
        ] as [(timeout: Double?, age: Double, deadline: Double?, left: Double)]
    )
    func `the time that is left counts from the submission`(
        _ row: (timeout: Double?, age: Double, deadline: Double?, left: Double)
    ) throws {
        let node = self.world.node { $0.defaultTimeout = .seconds(20) }
        node.run()
        let now = self.world.epoch
        self.world.push(
            self.world.envelope(
                "a",
                timeout: row.timeout,
                submitted: now - row.age,
                deadline: row.deadline.map { now + $0 }
            )
        )
        let job = try #require(node.runner.calls("a").first?.job)
        #expect(abs((job.submission.deadline - self.world.clock.now()).inSeconds - row.left) < 0.01)
        #expect(node.counts.skewedClocks == (row.age < -5 ? 1 : 0))
    }

    @Test func `what runs past its deadline is stopped and answered`() throws {
        let node = self.world.node()
        node.run()
        self.world.push(self.world.envelope("a", timeout: 5))
        self.world.advance(by: .seconds(6))
        let reply = try #require(self.world.replies().first)
        #expect(reply.failure?.type == "APITimeoutError")
        #expect(node.reasons == [.deadline])
    }

    // MARK: Producers that go

    @Test func `nothing is sent for a producer that is gone`() {
        let node = self.world.node()
        self.world.die()
        self.world.push(["a"])
        node.run()
        self.world.settle()
        #expect(node.runner.started == [])
        #expect(node.counts.offlineRequests == 1 && node.reasons == [.offlineProducerBeforeDispatch])
        #expect(self.world.held(node) == [] && self.world.valkey.hash(DispatcherWorld.index).isEmpty)
        #expect(node.dispatcher.heldCount == 0 && node.engine.checkBooks() == nil)
    }

    @Test func `a reply is dropped whose producer has gone meanwhile`() {
        let node = self.world.node()
        node.run()
        self.world.push(["a"])
        self.world.die()
        node.runner.finish("a")
        self.world.settle()
        #expect(self.world.replies().isEmpty)
        #expect(node.counts.offlineReplies == 1 && node.counts.processed == 0)
        #expect(node.reasons == [.offlineProducerBeforeReply])
        #expect(self.world.held(node) == [] && node.engine.checkBooks() == nil)
    }

    @Test func `what failed before its producer went stays a failure`() {
        let node = self.world.node(pool: { $0.retry.maximumAttempts = 1 })
        node.run()
        self.world.push(["a"])
        self.world.die()
        node.runner.finish("a", .failure(AttemptFailure(.invalidRequest, status: 400, message: "x")))
        self.world.settle()
        #expect(node.reasons == [.backend] && node.counts.offlineReplies == 1)
    }

    // MARK: What cannot be read

    @Test func `what cannot be read is answered where somebody can be named, and taken away`() throws {
        let node = self.world.node { $0.maximumElementBytes = 2_000 }
        node.run()
        self.world.push(Array("not json".utf8))
        self.world.push(Array(#"{"request_id":"v","producer_id":"p","contract_version":"v9"}"#.utf8))
        self.world.push(Array(#"{"request_id":"m","producer_id":"p","contract_version":"v2"}"#.utf8))
        self.world.push(self.world.envelope("large", bytes: 3_000))
        self.world.push(["well"])
        let types = Dictionary(uniqueKeysWithValues: self.world.replies().map { ($0.requestID, $0.failure?.type) })
        #expect(types == ["v": "UnsupportedContractVersion", "m": "MalformedRequest", "large": "MalformedRequest"])
        #expect(node.counts.malformed == 4 && node.counts.unsupportedVersions == 1)
        #expect(self.world.valkey.list(node.privateList).count == 1 && node.runner.started == ["well"])
        #expect(node.observer.rejections.count == 4)
    }

    @Test func `what no backend would take is refused with a reason`() throws {
        let node = self.world.node()
        node.run()
        var envelope = self.world.envelope("a")
        envelope.metadata?.extras?.operation = "nonsense"
        self.world.push(envelope)
        let reply = try #require(self.world.replies().first)
        #expect(reply.failure?.message == "No such operation." && reply.extras?.outcome == "rejected/malformed")
        #expect(node.dispatcher.heldCount == 0 && self.world.held(node) == [])
    }

    @Test func `two producers may use the same id`() {
        let node = self.world.node()
        self.world.live("q")
        node.run()
        let id = "01890000-0000-7000-8000-000000000001"
        self.world.push(self.world.envelope(id, producer: "p"))
        self.world.push(self.world.envelope(id, producer: "q"))
        #expect(node.runner.calls(id).count == 2)
        for call in node.runner.calls(id) { call.end.fulfil(.ok) }
        self.world.settle()
        #expect(self.world.replies("p").count == 1 && self.world.replies("q").count == 1)
        #expect(self.world.valkey.hash(DispatcherWorld.index).isEmpty)
    }

    // MARK: Being seen

    @Test func `a heartbeat says what is held, and ends with the dispatcher`() throws {
        let node = self.world.node { $0.gatewayID = "g" }
        node.run()
        self.world.push(["a", "b"])
        node.runner.finish("a")
        self.world.advance(by: .seconds(6))
        let text = try #require(self.world.valkey.string(node.heartbeat))
        let beat = try DispatcherHeartbeat.read(text)
        #expect(beat.dispatcherID == "d1" && beat.gatewayID == "g" && !beat.isDraining)
        let pool = try #require(beat.pools.first)
        #expect(pool.slots == 4 && pool.inflight == 1 && pool.processed == 1)
        let left = try #require(self.world.valkey.timeToLive(node.heartbeat))
        #expect(left > .seconds(9) && left <= .seconds(15))
        #expect(node.dispatcher.isKnown)
        #expect(Array(self.world.valkey.hash(DispatcherWorld.dispatchers).keys) == ["d1"])
        let done = node.drain(limit: .seconds(60))
        self.world.advance(by: .milliseconds(50))
        let last = try #require(self.world.valkey.string(node.heartbeat))
        #expect(try DispatcherHeartbeat.read(last).isDraining)
        node.runner.finish("b")
        self.world.advance(by: .seconds(2))
        #expect(done.isSet)
        #expect(
            self.world.valkey.keys == [DispatchKeys.replies(producer: "p"), DispatchKeys.producerAlive("p")].sorted()
        )
    }

    @Test func `nothing is taken before others know of it`() {
        let node = self.world.node()
        self.world.push(["a"])
        self.world.valkey.plan { $0 == "beat" ? .fail(.unreachable("x")) : nil }
        node.run()
        self.world.advance(by: .seconds(3))
        #expect(self.world.queued == ["a"])
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(1))
        #expect(node.runner.started == ["a"])
    }

    @Test func `who lost its heartbeat with the store's data is soon known again`() {
        let node = self.world.node()
        node.run()
        self.world.advance(by: .milliseconds(100))
        self.world.valkey.restart(keepingData: false)
        self.world.advance(by: .milliseconds(1_500))
        #expect(self.world.valkey.string(node.heartbeat) != nil)
        #expect(Array(self.world.valkey.hash(DispatcherWorld.dispatchers).keys) == ["d1"])
    }

    @Test func `the index follows a request, through lost writes, too`() {
        let node = self.world.node(slots: 1)
        node.run()
        self.world.push(["a"])
        #expect(self.world.entry("a")?.stage == .dispatching)
        self.world.valkey.plan { $0 == "restage" ? .fail(.timedOut) : nil }
        self.world.advance(by: .seconds(1))
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(1))
        #expect(self.world.entry("a")?.stage == .executing)
        self.world.valkey.plan { $0 == "settle" ? .fail(.unreachable("x")) : nil }
        node.runner.finish("a")
        self.world.advance(by: .seconds(1))
        #expect(self.world.entry("a")?.stage == .replying)
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(1))
        #expect(self.world.entry("a") == nil)
    }
}
