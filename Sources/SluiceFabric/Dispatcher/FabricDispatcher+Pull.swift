import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// From the list to the engine.
extension FabricDispatcher {
    /// Takes requests of one pool for as long as there is room, through every error.
    func pull(_ pool: ServedPool) async {
        var pop = Pop(link: self.link, pool: pool, configuration: self.configuration)
        var backoff = self.makeBackoff()
        while let room = await self.awaitRoom(pool) {
            do throws(ValkeyError) {
                if pool.needsReconciling.withLock({ $0 }) { try await self.reconcile(pool) }
                let elements = try await pop.next(most: room, clock: self.clock)
                backoff.reset()
                if elements.isEmpty && pop.isStoreFull {
                    await pool.pause.wait(until: self.clock.now() + .milliseconds(100), canBePoked: false)
                }
                await self.accept(elements, pool)
            } catch {
                self.note(error, pool)
                if error.mayHaveExecuted { pool.needsReconciling.withLock { $0 = true } }
                await pool.pause.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
            }
        }
        await pop.close()
    }

    /// How many requests may be taken now, at least 1; `nil` at the end.
    private func awaitRoom(_ pool: ServedPool) async -> Int? {
        while true {
            let (phase, held, bytes) = self.state.withLock { ($0.phase, $0.held.count, $0.heldBytes) }
            guard phase == .running else { return nil }
            if held < self.configuration.maximumHeld * self.pools.count && bytes < self.configuration.maximumHeldBytes {
                let room = self.engine.room(pool: pool.name)
                if room > 0 { return min(room, self.configuration.takeCount) }
            }
            // What frees a slot pokes; what opens a pool or a circuit does not.
            await pool.pause.wait(until: self.clock.now() + .milliseconds(100), canBePoked: true)
        }
    }

    /// What becomes of elements that were popped.
    func accept(_ elements: [[UInt8]], _ pool: ServedPool) async {
        guard !elements.isEmpty else { return }
        pool.count { $0.batches += 1 }
        let poppedAt = self.epoch
        let limits = EnvelopeLimits(elementBytes: self.configuration.maximumElementBytes)
        var requests: [(HeldRequest, PoppedRequest)] = []
        for element in elements {
            pool.count { $0.taken += 1 }
            do throws(UnreadableEnvelope) {
                let envelope = try RequestEnvelope.read(element, limits: limits)
                let popped = PoppedRequest(element: element, mark: ElementMark(element), envelope: envelope)
                requests.append((self.hold(popped, pool, poppedAt: poppedAt), popped))
            } catch {
                self.refuse(ElementMark(element), error, pool)
            }
        }
        guard !requests.isEmpty else { return }
        // A pop that had begun before may end when nothing may start any more.
        let mayStart = self.phase == .running && !self.isBlocked(pool)
        guard mayStart, let living = await self.admit(requests.map(\.0), pool) else {
            // From the end, so that the order stays.
            for (held, _) in requests.reversed() { await self.putBack(held) }
            return
        }
        for (index, (held, popped)) in requests.enumerated() {
            if index < living.count, living[index] {
                self.start(held, popped)
            } else {
                self.dropOffline(held, popped)
            }
        }
    }

    private func isBlocked(_ pool: ServedPool) -> Bool {
        switch self.engine.blockage(pool: pool.name) {
        case .poolPaused, .circuitOpen, .rateLimited: true
        default: false
        }
    }

    func begin(_ operation: @escaping @Sendable () async -> Void) { _ = self.spawn(operation) }

    /// Which producers live. Asks until the store answers, because an error says nothing about anybody.
    /// - Returns: `nil` when the dispatcher is to stop first.
    private func admit(_ requests: [HeldRequest], _ pool: ServedPool) async -> [Bool]? {
        let keys = [pool.index] + requests.map { DispatchKeys.producerAlive($0.producerID) }
        let arguments = requests.flatMap { [.text($0.requestID), .bytes($0.entry)] as [ValkeyArgument] }
        var backoff = self.makeBackoff()
        while true {
            do throws(ValkeyError) {
                let value = try await self.link.evaluate(FabricScript.admit, keys: keys, arguments: arguments)
                guard let answers = value.array, answers.count == requests.count else {
                    throw .protocolViolation("admit")
                }
                return answers.map { $0.int == 1 }
            } catch {
                self.note(error, pool)
            }
            guard self.phase == .running else { return nil }
            await pool.pause.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
        }
    }

    private func dropOffline(_ held: HeldRequest, _ popped: PoppedRequest) {
        held.pool.count { $0.offlineRequests += 1 }
        let submission = self.submission(held, popped, FabricDemand(operation: "", tokenEstimate: 0))
        self.engine.book(
            submission,
            .offlineProducerBeforeDispatch,
            message: "Its producer was gone before it was dispatched."
        )
        self.say(
            .warning,
            "request dropped",
            [
                ("request", held.requestID), ("producer", held.producerID), ("pool", held.pool.name),
                ("reason", OutcomeReason.offlineProducerBeforeDispatch.rawValue),
            ]
        )
        self.begin { _ = await self.settle(held, reply: nil) }
    }

    /// Hands a request to the engine and starts its task.
    private func start(_ held: HeldRequest, _ popped: PoppedRequest) {
        let demand: FabricDemand
        switch self.runner.examine(popped.envelope, pool: held.pool.name) {
        case .success(let found): demand = found
        case .failure(let failure):
            held.pool.count { $0.malformed += 1 }
            let submission = self.submission(held, popped, FabricDemand(operation: "", tokenEstimate: 0))
            self.engine.reject(submission, Rejection(.malformed, message: failure.message))
            let reply = self.errorReply(held, failure, ReplyExtras(status: 400, outcome: "rejected/malformed"))
            return self.begin { await self.answer(held, reply, nil) }
        }
        let submission = self.submission(held, popped, demand)
        guard submission.deadline > self.clock.now() else {
            return self.expire(held, submission)
        }
        let cancellation = LateCancellation()
        do throws(Rejection) {
            let ticket = try self.engine.submit(submission, cancellation: cancellation)
            held.engineID.withLock { $0 = submission.id }
            let envelope = popped.envelope
            let frames = envelope.extras?.streaming == nil ? nil : FrameWriter(self, held)
            let job = FabricJob(ticket: ticket, submission: submission, envelope: envelope, frames: frames)
            cancellation.set(self.spawn { await self.carry(job, held, frames) })
        } catch {
            self.turnedAway(held, error)
        }
    }

    private func expire(_ held: HeldRequest, _ submission: Submission) {
        let message = "Its deadline passed while it waited in the queue; it was never sent."
        held.pool.count { $0.expired += 1 }
        self.engine.book(submission, .deadline, message: message)
        let failure = ReplyFailure(type: "APITimeoutError", message: message)
        let reply = self.errorReply(held, failure, ReplyExtras(status: 504, attempts: 0, outcome: "expired/deadline"))
        self.begin { await self.answer(held, reply, nil) }
    }

    private func turnedAway(_ held: HeldRequest, _ rejection: Rejection) {
        if rejection.reason == .paused || rejection.reason == .full {
            return self.begin { await self.putBack(held) }
        }
        let failure = ReplyFailure(type: ErrorType.of(rejection.reason), message: rejection.message)
        let extras = ReplyExtras(
            status: rejection.reason == .tenantFull ? 429 : 503,
            retryAfterMilliseconds: rejection.retryAfter.map { Int($0.inMilliseconds) },
            attempts: 0,
            outcome: "rejected/\(rejection.reason.rawValue)"
        )
        let reply = self.errorReply(held, failure, extras)
        self.begin { await self.answer(held, reply, nil) }
    }

    private func submission(_ held: HeldRequest, _ popped: PoppedRequest, _ demand: FabricDemand) -> Submission {
        let envelope = popped.envelope
        let now = self.clock.now()
        let wall = self.epoch
        let skew = envelope.submittedAt - wall
        if skew > self.configuration.clockTolerance.inSeconds {
            held.pool.count { $0.skewedClocks += 1 }
            self.say(
                .warning,
                "a producer's clock is ahead",
                [("producer", held.producerID), ("seconds", String(Int(skew)))]
            )
        }
        let age = max(0, -skew)
        let timeout = envelope.timeoutSeconds ?? self.configuration.defaultTimeout.inSeconds
        var remaining = timeout - age
        if let deadline = envelope.extras?.deadlineMilliseconds { remaining = Double(deadline) / 1000 - wall }
        // A clock that is ahead must not give more time than was asked for.
        remaining = min(remaining, timeout)
        let known = RequestID(envelope.requestID).flatMap { self.engine.isLive($0) ? nil : $0 }
        return Submission(
            id: known ?? self.newID(),
            pool: held.pool.name,
            tenant: envelope.extras?.tenant ?? "default",
            priority: envelope.extras?.priority.flatMap { Priority(name: $0) } ?? .normal,
            producer: held.producerID,
            model: envelope.call.model,
            operation: demand.operation,
            isStream: envelope.extras?.streaming != nil,
            payloadBytes: held.bytes,
            messageCount: envelope.call.messageCount,
            tokenEstimate: demand.tokenEstimate,
            deadline: now + .seconds(min(max(remaining, -1), 315_360_000)),
            traceparent: envelope.traceparent,
            remote: RemoteOrigin(
                requestID: held.requestID,
                submittedAt: now - .seconds(min(age, 315_360_000))
            )
        )
    }
}

/// The pops of one puller: blocking while the list is empty, many at a time while it is not.
private struct Pop {
    let link: any ValkeyLink
    let pool: ServedPool
    let configuration: FabricDispatcherConfiguration
    private var popper: (any ValkeyPopper)?
    /// There was something the last time, at once.
    private var isBusy = false
    /// Valkey is out of memory, where BLMOVE is refused.
    private(set) var isStoreFull = false

    init(link: any ValkeyLink, pool: ServedPool, configuration: FabricDispatcherConfiguration) {
        self.link = link
        self.pool = pool
        self.configuration = configuration
    }

    /// An answer as quick as this did not wait for a push.
    private static let atOnce = Duration.milliseconds(2)

    mutating func next(most: Int, clock: any TimeSource) async throws(ValkeyError) -> [[UInt8]] {
        if self.isBusy || self.isStoreFull {
            let elements = try await self.takeMany(most)
            self.isBusy = elements.count == most
            self.isStoreFull = self.isStoreFull && !elements.isEmpty
            return elements
        }
        let asked = clock.now()
        do throws(ValkeyError) {
            let element = try await self.block()
            self.isBusy = element != nil && clock.now() - asked < Self.atOnce
            return element.map { [$0] } ?? []
        } catch {
            guard case .server(let refusal) = error, refusal.kind == .oom else { throw error }
            self.isStoreFull = true
            return []
        }
    }

    private mutating func block() async throws(ValkeyError) -> [UInt8]? {
        if self.popper == nil { self.popper = try self.link.openPopper() }
        guard let popper = self.popper else { throw .closed }
        let seconds = max(1, self.configuration.popSeconds)
        switch self.configuration.popMode {
        case .blmove:
            let arguments: [ValkeyArgument] = [
                .text(self.pool.requests), .text(self.pool.inflight), "LEFT", "RIGHT", .integer(seconds),
            ]
            return try await popper.pop(ValkeyCommand("BLMOVE", arguments), seconds: seconds).bytes
        case .blpop:
            let command = ValkeyCommand("BLPOP", [.text(self.pool.requests), .integer(seconds)])
            let value = try await popper.pop(command, seconds: seconds)
            return value.array?.last?.bytes
        }
    }

    private func takeMany(_ most: Int) async throws(ValkeyError) -> [[UInt8]] {
        switch self.configuration.popMode {
        case .blmove:
            let value = try await self.link.evaluate(
                FabricScript.take,
                keys: [self.pool.requests, self.pool.inflight],
                arguments: [.integer(most), .integer(self.configuration.takeBytes)]
            )
            return value.array?.compactMap(\.bytes) ?? []
        case .blpop:
            // One at a time: what is lost with a connection is lost for good.
            let value = try await self.link.send(ValkeyCommand("LPOP", [.text(self.pool.requests)]))
            return value.bytes.map { [$0] } ?? []
        }
    }

    mutating func close() async {
        await self.popper?.close()
        self.popper = nil
    }
}
