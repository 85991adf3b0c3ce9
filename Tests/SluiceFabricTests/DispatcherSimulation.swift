import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire

/// Dispatchers that come, go and die, producers that do the same, and a store that fails, loses answers and goes away;
/// all drawn from one seed.
final class DispatcherSimulation: Sendable {
    /// How a request was found to have ended.
    enum End: String, Hashable, Sendable {
        case answered, refusedAnswer, done, failed, cancelled, expired, rejected, dropped, lost, queued, vanished
    }

    struct Member: Sendable {
        var node: DispatcherWorld.Node
        /// Records up to here count: what a process does after its death nobody sees.
        var recordsAtDeath: Int?
        var refusalsAtDeath = 0
        var drained: Signal?
        var isCut = false
        var isLiving: Bool { self.recordsAtDeath == nil && self.drained == nil }
    }

    struct State: Sendable {
        var members: [Member] = []
        var nextMember = 0
        var producers: [String: Bool] = [:]
        var refreshed = Instant.zero
        /// Request to producer.
        var requests: [String: String] = [:]
        var malformed: Set<String> = []
        var replies: [String: [ReplyEnvelope]] = [:]
        var frames: [String: [StreamFrame]] = [:]
        var afterReply: [String] = []
        /// Which submissions of a request came so far as a call.
        var runs: [String: Set<String>] = [:]
        var downUntil = Instant.zero
        var isFull = false
        var hadZombies = false
        var kills = 0
        /// Producers that were gone at any time.
        var mortals: Set<String> = []
        var random: SeededRandom
    }

    let seed: UInt64
    let world = DispatcherWorld()
    let state: Lock<State>
    let popMode: PopMode
    let orphans: OrphanPolicy
    private let partitions: Bool
    private let faultRate: Int

    init(seed: UInt64) {
        self.seed = seed
        var random = SeededRandom(seed: seed &* 7 &+ 1)
        self.popMode = Int.random(in: 0...3, using: &random) == 0 ? .blpop : .blmove
        self.orphans = Bool.random(using: &random) ? .drop : .requeue
        self.partitions = Int.random(in: 0...3, using: &random) == 0
        self.faultRate = Int.random(in: 3...60, using: &random)
        self.state = Lock(State(random: random))
    }

    func draw(_ range: ClosedRange<Int>) -> Int { self.state.withLock { Int.random(in: range, using: &$0.random) } }
    func chance(_ oneIn: Int) -> Bool { self.draw(1...oneIn) == 1 }
    func pick<Element>(_ elements: [Element]) -> Element? {
        elements.isEmpty ? nil : elements[self.draw(0...(elements.count - 1))]
    }

    // MARK: The run

    /// - Returns: what is wrong; empty if nothing is.
    func run(steps: Int = 400) -> [String] {
        self.planFaults()
        for number in 0..<4 { self.state.withLock { $0.producers["p\(number)"] = true } }
        self.keepProducersAlive(force: true)
        for _ in 0..<self.draw(2...3) { self.start() }
        for step in 0..<steps {
            self.act(step)
            self.keepProducersAlive()
            self.world.advance(by: .milliseconds(self.draw(0...250)))
            self.collect()
        }
        self.end()
        return self.check()
    }

    private func planFaults() {
        let errors: [ValkeyError] = [
            .unreachable("x"), .connectionLost(sent: false), .timedOut, .overloaded(limit: 1),
            .server(ValkeyServerError(kind: .loading, message: "x")),
            .server(ValkeyServerError(kind: .readOnly, message: "x")), .protocolViolation("x"),
        ]
        self.world.valkey.plan { [self] name in
            let (downUntil, isFull) = self.state.withLock { ($0.downUntil, $0.isFull) }
            if self.world.clock.now() < downUntil { return .fail(.unreachable("down")) }
            if isFull && name == "BLMOVE" { return .fail(.server(ValkeyServerError(kind: .oom, message: "x"))) }
            guard self.chance(self.faultRate) else { return nil }
            return self.chance(2) ? .loseAnswer(.connectionLost(sent: true)) : .fail(self.pick(errors) ?? .timedOut)
        }
        self.world.valkey.latency { [self] _ in .milliseconds(self.chance(3) ? self.draw(0...30) : 0) }
    }

    private func act(_ step: Int) {
        switch self.draw(0...39) {
        case 0...22: for part in 0..<self.draw(1...3) { self.push("r\(step).\(part)") }
        case 23: self.kill()
        case 24: self.drain()
        case 25: if self.living.count < 3 { self.start() }
        case 26:
            let end = self.world.clock.now() + .milliseconds(self.draw(0...(self.chance(6) ? 20_000 : 1_500)))
            self.turn { $0.downUntil = end }
        case 27: self.turn { $0.isFull.toggle() }
        case 31 where self.chance(3): self.world.valkey.restart(keepingData: true)
        case 32: self.changeProducer()
        case 33: self.partition()
        case 34: self.mend()
        case 35:
            guard let node = self.pick(self.living)?.node else { return }
            _ = node.engine.setMode(self.chance(2) ? .paused : .running, pool: "default")
        case 36:
            guard let node = self.pick(self.living)?.node else { return }
            let slots = self.draw(1...4)
            _ = node.engine.update(pool: "default") { $0.slots = slots }
        default: break
        }
    }

    private func turn(_ change: (inout State) -> Void) { self.state.withLock { change(&$0) } }

    private var living: [Member] { self.state.withLock { $0.members.filter(\.isLiving) } }

    // MARK: Dispatchers

    private func start() {
        let number = self.state.withLock { state in
            state.nextMember += 1
            return state.nextMember
        }
        let breaker = BreakerConfiguration(consecutiveFailures: 6, openFor: .seconds(3), probesToClose: 1)
        let bound = self.draw(2...12)
        let replyTTL = Duration.seconds(self.draw(4...20))
        let sweepCount = self.draw(1...3)
        let node = self.world.node(
            "d\(number)",
            slots: self.draw(1...4),
            seed: self.seed &* 100 &+ UInt64(number),
            breaker: breaker
        ) {
            $0.popMode = self.popMode
            $0.orphans = self.orphans
            $0.replyTTL = replyTTL
            $0.sweepCount = sweepCount
            $0.frameBytes = 200
        } pool: {
            $0.maximumRequests = bound
            $0.retry.maximumAttempts = 2
            $0.retry.baseDelay = .milliseconds(200)
        }
        node.runner.script { [self] call in await self.answer(call, node.id) }
        self.state.withLock { $0.members.append(Member(node: node)) }
        node.run()
    }

    private func change(_ id: String, _ change: (inout Member) -> Void) {
        self.state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0.node.id == id }) else { return }
            change(&state.members[index])
        }
    }

    private func kill() {
        guard let node = self.pick(self.living)?.node else { return }
        node.client.cut()
        self.change(node.id) { member in
            member.recordsAtDeath = node.observer.ended.count
            member.refusalsAtDeath = node.observer.refused.count
        }
        self.state.withLock { $0.kills += 1 }
        // For the sake of its tasks only: it cannot say anything to anybody.
        _ = node.drain(limit: .zero)
        if self.living.isEmpty || self.chance(2) { self.start() }
    }

    private func drain() {
        guard let node = self.pick(self.living)?.node else { return }
        let limit = Duration.milliseconds(self.draw(0...8_000))
        self.change(node.id) { $0.drained = Signal() }
        let done = node.drain(limit: limit)
        self.change(node.id) { $0.drained = done }
        if self.living.isEmpty || self.chance(2) { self.start() }
    }

    private func partition() {
        guard self.partitions, let node = self.pick(self.living)?.node else { return }
        node.client.cut()
        self.change(node.id) { $0.isCut = true }
        self.state.withLock { $0.hadZombies = true }
    }

    private func mend() {
        for member in self.state.withLock({ $0.members }) where member.isCut && member.recordsAtDeath == nil {
            member.node.client.mend()
            self.change(member.node.id) { $0.isCut = false }
        }
    }

    // MARK: Calls

    private func answer(_ call: ScriptedRunner.Call, _ node: String) async -> ScriptedRunner.End {
        let id = call.job.envelope.requestID
        self.state.withLock { state in
            let isDead = state.members.first { $0.node.id == node }?.recordsAtDeath != nil
            if !isDead { state.runs[id, default: []].insert("\(node) \(call.job.submission.id)") }
        }
        if let frames = call.job.frames {
            for number in 0..<self.draw(0...12) {
                do {
                    try await frames.write(Array("data: \(id) \(number)\n\n".utf8))
                } catch {
                    return .failure(AttemptFailure(.cancelled, message: "x", committed: true))
                }
                await self.sleep(self.draw(0...100))
            }
        } else {
            await self.sleep(self.chance(8) ? self.draw(0...20_000) : self.draw(0...1_500))
        }
        if Task.isCancelled { return .failure(AttemptFailure(.cancelled, message: "x")) }
        switch self.draw(0...11) {
        case 0: return .failure(AttemptFailure(.serverError, status: 500, message: "x", committed: true))
        case 1 where call.job.frames == nil:
            return .failure(
                AttemptFailure(.rateLimited, status: 429, retryAfter: .milliseconds(self.draw(0...2_000)), message: "x")
            )
        default: return .ok
        }
    }

    private func sleep(_ milliseconds: Int) async {
        let clock = self.world.clock
        let promise = Promise<Void>()
        clock.wake(at: clock.now() + .milliseconds(milliseconds)) { promise.fulfil(()) }
        await withTaskCancellationHandler {
            await promise.value()
        } onCancel: {
            promise.fulfil(())
        }
    }

    // MARK: Producers

    private func keepProducersAlive(force: Bool = false) {
        let now = self.world.clock.now()
        let (isDue, names) = self.state.withLock { state in
            (force || now - state.refreshed > .seconds(4), state.producers.filter(\.value).keys.sorted())
        }
        guard isDue else { return }
        self.state.withLock { $0.refreshed = now }
        for name in names { self.world.live(name, for: .seconds(60)) }
    }

    private func changeProducer() {
        guard let name = self.pick(self.state.withLock { $0.producers.keys.sorted() }) else { return }
        let lives = self.state.withLock { state -> Bool in
            let lives = !(state.producers[name] ?? false)
            state.producers[name] = lives
            state.mortals.insert(name)
            return lives
        }
        if lives { self.world.live(name, for: .seconds(60)) } else { self.world.die(name) }
    }

    private func push(_ id: String) {
        guard let producer = self.pick(self.state.withLock { $0.producers.keys.sorted() }) else { return }
        self.state.withLock { $0.requests[id] = producer }
        if self.chance(25) {
            self.state.withLock { _ = $0.malformed.insert(id) }
            let text = #"{"request_id":"\#(id)","producer_id":"\#(producer)","contract_version":"v2"}"#
            return self.world.push(Array(text.utf8))
        }
        let envelope = self.world.envelope(
            id,
            producer: producer,
            timeout: Double(self.draw(200...30_000)) / 1_000,
            submitted: self.world.epoch + Double(self.draw(-3_000...3_000)) / 1_000,
            knowsSluice: self.chance(2),
            isStream: self.chance(5),
            bytes: self.chance(6) ? 9_000 : 10
        )
        self.world.push(envelope)
    }

    /// Takes all replies away, as producers do.
    private func collect() {
        for producer in self.state.withLock({ $0.producers.keys.sorted() }) {
            let elements = self.world.elements(producer)
            guard !elements.isEmpty else { continue }
            self.world.valkey.execute("DEL", [.text(DispatchKeys.replies(producer: producer))])
            for element in elements {
                self.state.withLock { state in
                    switch element {
                    case .reply(let reply): state.replies[reply.requestID, default: []].append(reply)
                    case .frame(let frame):
                        if state.replies[frame.requestID] != nil { state.afterReply.append(frame.requestID) }
                        state.frames[frame.requestID, default: []].append(frame)
                    }
                }
            }
        }
    }

    // MARK: The end

    private func end() {
        self.world.valkey.plan(nil)
        self.mend()
        if self.living.isEmpty { self.start() }
        for member in self.living {
            _ = member.node.engine.setMode(.running, pool: "default")
            _ = member.node.engine.update(pool: "default") { $0.slots = max(1, $0.slots) }
        }
        for _ in 0..<160 {
            self.keepProducersAlive()
            self.world.advance(by: .seconds(1))
            self.collect()
        }
    }
}
