import SluiceBasics
import SluiceFabric
import SluiceTestKit
import SluiceWire

/// A producer with many callers, a dispatcher that does everything a dispatcher may do wrong, and a store that fails,
/// loses answers and restarts; all drawn from one seed.
struct ProducerSimulation {
    static let commandLatency = Duration.milliseconds(40)

    enum Ending: Hashable, Sendable {
        case reply
        case errorReply
        case streamed
        case failed(String)
    }

    private struct Book: Sendable {
        var started = 0
        var endings: [Ending: Int] = [:]
        var tooLate: [String] = []
        var strangers: [String] = []
        var deadFound = 0
        var ended: Int { self.endings.values.reduce(0, +) }
    }

    let seed: UInt64
    let world: ProducerWorld
    private let book = Lock(Book())
    private let random: Lock<SeededRandom>
    private let wiped = Lock(false)
    private let isOver = Lock(false)

    init(seed: UInt64) {
        self.seed = seed
        self.random = Lock(SeededRandom(seed: seed))
        self.world = ProducerWorld(seed: seed) {
            $0.maximumQueuedRequests = 8
            $0.maximumWaiting = 60
            $0.streamBufferBytes = 400
            $0.storePatience = .seconds(3)
            $0.rememberedRequests = 64
        }
    }

    private func chance(_ oneIn: Int) -> Bool { self.draw(0...(oneIn - 1)) == 0 }

    private func draw(_ range: ClosedRange<Int>) -> Int {
        self.random.withLock { Int.random(in: range, using: &$0) }
    }

    // MARK: The run

    /// - Returns: what is wrong; empty if nothing is.
    func run() async -> [String] {
        self.planFaults()
        self.world.run()
        self.spawnDispatcher()
        for step in 0..<160 {
            self.act(step)
            self.world.world.advance(by: .milliseconds(self.draw(0...900)))
        }
        self.world.valkey.plan(nil)
        self.world.world.advance(by: .seconds(40))
        var problems = self.check()
        let producer = self.world.producer
        let closing = self.world.world.spawn { await producer.close() }
        self.world.world.advance(by: .seconds(5))
        self.isOver.withLock { $0 = true }
        self.world.world.advance(by: .seconds(5))
        await closing.value
        if producer.alarms.count != 0 { problems.append("\(producer.alarms.count) alarms are left") }
        if self.world.valkey.string(ProducerWorld.aliveKey) != nil { problems.append("the alive key is left") }
        return problems
    }

    private func planFaults() {
        let errors: [ValkeyError] = [
            .unreachable("x"), .connectionLost(sent: false), .connectionLost(sent: true), .timedOut,
            .overloaded(limit: 1),
            .server(ValkeyServerError(kind: .loading, message: "x")),
            .server(ValkeyServerError(kind: .oom, message: "x")),
            .server(ValkeyServerError(kind: .readOnly, message: "x")), .replyTooLarge(limit: 1),
            .protocolViolation("x"),
        ]
        let rate = self.draw(3...40)
        self.world.valkey.plan { [self] _ in
            guard self.chance(rate) else { return nil }
            let error = errors[self.draw(0...(errors.count - 1))]
            return self.chance(2) ? .fail(error) : .loseAnswer(.connectionLost(sent: true))
        }
        self.world.valkey.latency { [self] _ in .milliseconds(self.draw(0...40)) }
    }

    private func act(_ step: Int) {
        switch self.draw(0...19) {
        case 0...9: self.startWhole(step)
        case 10...12: self.startBatch(step)
        case 13...16: self.startStream(step)
        case 17 where self.chance(4): self.world.valkey.restart(keepingData: true)
        case 18 where self.chance(8):
            self.wiped.withLock { $0 = true }
            self.world.valkey.restart(keepingData: false)
        default: break
        }
    }

    // MARK: Callers

    private func begin() -> (Instant, Duration) {
        self.book.withLock { $0.started += 1 }
        return (self.world.world.clock.now(), .milliseconds(self.draw(0...20_000)))
    }

    private func end(_ id: String, _ ending: Ending, _ start: Instant, _ timeout: Duration) {
        // The answer to a command may be awaited at the deadline.
        let slack = Self.commandLatency * 4
        let isLate = self.world.world.clock.now() - start > timeout + slack
        self.book.withLock { book in
            book.endings[ending, default: 0] += 1
            if isLate { book.tooLate.append(id) }
        }
    }

    private func cancelMaybe(_ task: Task<Void, Never>) {
        guard self.chance(5) else { return }
        self.world.world.clock.wake(at: self.world.world.clock.now() + .milliseconds(self.draw(0...5_000))) {
            task.cancel()
        }
    }

    private static func ending(_ result: Result<ReplyEnvelope, ProducerError>) -> Ending {
        switch result {
        case .success(let reply): reply.isOK ? .reply : .errorReply
        case .failure(let error): .failed(error.kind)
        }
    }

    private func startWhole(_ step: Int) {
        let (start, timeout) = self.begin()
        let id = "w\(step)"
        let run = self.world.execute(ProducerWorld.request(id), timeout: timeout)
        self.cancelMaybe(run.task)
        self.world.world.spawn { [self] in
            await run.task.value
            guard let outcome = run.outcome else { return }
            self.checkOwner(id, outcome)
            self.end(id, Self.ending(outcome), start, timeout)
        }
    }

    private func startBatch(_ step: Int) {
        let (start, timeout) = self.begin()
        let ids = (0..<self.draw(1...6)).map { "b\(step).\($0)" }
        let run = self.world.execute(batch: ids.map { ProducerWorld.request($0) }, timeout: timeout)
        self.cancelMaybe(run.task)
        self.world.world.spawn { [self] in
            await run.task.value
            let outcomes = run.outcomes ?? []
            for (id, outcome) in zip(ids, outcomes) { self.checkOwner(id, outcome) }
            let isWhole = outcomes.count == ids.count || outcomes.count == 1
            self.end(ids[0], isWhole ? Ending.failed("batch") : .failed("INCOMPLETE"), start, timeout)
        }
    }

    private func startStream(_ step: Int) {
        let (start, timeout) = self.begin()
        let id = "s\(step)"
        let producer = self.world.producer
        let reader = self.world.world.spawn { [self] in
            do throws(ProducerError) {
                let stream = try await producer.stream(ProducerWorld.request(id), timeout: timeout)
                var next = 0
                while true {
                    switch try await stream.next() {
                    case .events(let events):
                        for event in events {
                            let isNext = event.data == Array("\(id) \(next)".utf8)
                            if !isNext { self.book.withLock { $0.strangers.append("\(id) at \(next)") } }
                            next += 1
                        }
                    case .reply(let reply):
                        return self.end(id, reply.outcome == .streamed ? .streamed : .reply, start, timeout)
                    }
                }
            } catch {
                self.end(id, .failed(error.kind), start, timeout)
            }
        }
        self.cancelMaybe(reader)
    }

    private func checkOwner(_ id: String, _ outcome: Result<ReplyEnvelope, ProducerError>) {
        guard case .success(let reply) = outcome, reply.requestID != id else { return }
        self.book.withLock { $0.strangers.append("\(id) got \(reply.requestID)") }
    }

    // MARK: The dispatcher

    private func spawnDispatcher() {
        let slowest = self.chance(2) ? 250 : 2_000
        self.world.world.spawn { [self] in
            while !self.isOver.withLock({ $0 }) {
                await self.sleep(self.draw(1...slowest))
                self.serve()
            }
        }
    }

    private func sleep(_ milliseconds: Int) async {
        let clock = self.world.world.clock
        await withCheckedContinuation { continuation in
            clock.wake(at: clock.now() + .milliseconds(milliseconds)) { continuation.resume() }
        }
    }

    private func serve() {
        let valkey = self.world.valkey
        guard let element = valkey.execute("LPOP", [.text(ProducerWorld.queue)]).bytes,
            let envelope = try? RequestEnvelope.read(element)
        else { return }
        if valkey.string(ProducerWorld.aliveKey) == nil { self.book.withLock { $0.deadFound += 1 } }
        let frames = envelope.extras?.streaming != nil && self.chance(2) == false ? self.draw(0...12) : nil
        self.world.world.spawn { [self] in
            await self.sleep(self.draw(0...8_000))
            if self.chance(12) { return }
            if self.chance(10) { self.put(Array("{\"request_id\":\"\(envelope.requestID)\"".utf8)) }
            if let frames { return await self.stream(envelope.requestID, frames) }
            self.put(self.reply(envelope.requestID).write())
            if self.chance(10) { self.put(self.reply(envelope.requestID).write()) }
        }
    }

    private func reply(_ id: String) -> ReplyEnvelope {
        var reply = ProducerWorld.completion(id)
        if self.chance(4) { reply.outcome = .failure(ReplyFailure(type: "Timeout", message: "x")) }
        if self.chance(20) { reply.producerID = "stranger" }
        return reply
    }

    private func stream(_ id: String, _ count: Int) async {
        for number in 0...count {
            await self.sleep(self.draw(0...300))
            if self.chance(40) { continue }
            let frame = StreamFrame(
                requestID: id,
                producerID: ProducerWorld.id,
                poolID: "default",
                sequence: number,
                isFinal: number == count,
                events: [SSEEvent(data: Array("\(id) \(number)".utf8))]
            )
            for _ in 0...(self.chance(8) ? 1 : 0) { self.put(frame.write()) }
        }
        var end = ProducerWorld.completion(id)
        end.outcome = .streamed
        self.put(end.write())
    }

    /// Without letting anybody run: this is called by a task.
    private func put(_ element: [UInt8]) {
        self.world.valkey.execute("RPUSH", [.text(ProducerWorld.replyKey), .bytes(element)])
    }

    // MARK: Invariants

    private func check() -> [String] {
        let book = self.book.withLock { $0 }
        let producer = self.world.producer
        var problems: [String] = []
        if book.ended != book.started { problems.append("\(book.started) began, \(book.ended) ended") }
        if producer.waiting != 0 { problems.append("\(producer.waiting) still wait") }
        if producer.pushingBytes != 0 { problems.append("\(producer.pushingBytes) bytes are still being pushed") }
        // The next refresh; pops are the store's.
        if producer.alarms.count > 1 { problems.append("\(producer.alarms.count) alarms are set") }
        problems += book.tooLate.map { "\($0) ended after its deadline" }
        problems += book.strangers.map { "a wrong answer: \($0)" }
        if book.deadFound > 0 && !self.wiped.withLock({ $0 }) {
            problems.append("the dispatcher found us dead \(book.deadFound) times")
        }
        return problems
    }

    /// How requests ended, for a test of the simulation itself.
    var endings: [Ending: Int] { self.book.withLock { $0.endings } }
}

extension ProducerError {
    /// The case without what it carries.
    fileprivate var kind: String { String("\(self)".prefix { $0 != "(" }) }
}
