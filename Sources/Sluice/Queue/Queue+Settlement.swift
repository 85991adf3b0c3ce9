import SluiceBasics

// Settling messages.
extension Queue {
    func held(_ place: UInt32, _ token: UInt64) -> HeldMessage? { self.state.withLock { $0.held(place, token) } }

    /// From now on nobody else settles the message.
    private func begin(_ place: UInt32, _ token: UInt64) throws(MessageError) -> HeldMessage {
        let held = self.state.withLock { state -> HeldMessage? in
            guard let held = state.held(place, token), !held.isSettling else { return nil }
            state.held[Int(place)]?.isSettling = true
            return held
        }
        guard let held else { throw .alreadySettled }
        return held
    }

    private func resume(_ place: UInt32, _ token: UInt64) {
        self.state.withLock { state in
            if state.held(place, token) != nil { state.held[Int(place)]?.isSettling = false }
        }
    }

    /// Settles with the store; the message is ours again if the store does not answer.
    private func settle(
        _ message: ProcessableMessage<Payload>,
        _ place: UInt32,
        _ body: (HeldMessage) async throws(StorageError) -> Bool
    ) async throws(MessageError) -> HeldMessage {
        let token = message.receipt.token
        let held = try self.begin(place, token)
        let isOurs: Bool
        do {
            isOurs = try await body(held)
        } catch {
            self.resume(place, token)
            throw .storage(error)
        }
        let last = self.state.withLock { state in
            if !isOurs { state.book.totals.leasesLost += 1 }
            return state.letGo(place, token)
        }
        if !isOurs {
            // It was sent, by whatever became of it: the estimate stands.
            self.settleLimits(held, tokens: held.tokens)
            self.finish(.leaseLost(id: message.id))
            throw .stale
        }
        // It may have been cancelled while the store was being told something else.
        return last ?? held
    }

    /// What was put back in line for another attempt is not tried again if somebody cancelled it meanwhile.
    private func withdraw(_ held: HeldMessage, wasTold: Bool) async {
        guard held.isCancelled, !wasTold else { return }
        // If the store does not answer, it is as if the request had been cancelled a moment too late.
        _ = try? await self.storage.cancel(held.receipt.id)
    }

    private func settleLimits(_ held: HeldMessage, tokens: Int) {
        guard let limiter = held.limiter, let reservation = held.reservation else { return }
        limiter.settle(reservation, actualTokens: max(0, tokens))
    }

    /// There is room for another message.
    private func finish(_ event: @autoclosure () -> QueueEvent) {
        self.leave()
        self.tell(event())
        // Also if nobody waits: somebody may have looked, and be about to.
        self.bell.ring()
    }

    func complete(
        _ message: ProcessableMessage<Payload>,
        _ place: UInt32,
        actualTokens: Int?
    ) async throws(MessageError) {
        let actual = actualTokens.map { min(max(0, $0), 1 << 40) }
        let held = try await self.settle(message, place) { (_) async throws(StorageError) -> Bool in
            try await self.storage.complete(message.receipt, actualTokens: actual)
        }
        let tokens = actual ?? held.tokens
        self.settleLimits(held, tokens: tokens)
        let now = self.clock.now()
        let service = max(.zero, now - held.startedAt)
        self.state.withLock { $0.book.complete(tokens: tokens, service: service, at: now) }
        self.finish(.completed(id: message.id, service: service, tokens: tokens))
    }

    func fail(
        _ message: ProcessableMessage<Payload>,
        _ place: UInt32,
        _ error: String,
        _ advice: FailureAdvice,
        actualTokens: Int
    ) async throws(MessageError) {
        let (rules, unit) = self.state.withLock { ($0.policy.retry, $0.random.unit()) }
        let receives = message.attributes.receiveCount
        var delay = rules.delay(afterReceives: receives, unit: unit)
        if case .retryAfter(let least) = advice { delay = max(delay, min(least, .seconds(15 * 86_400))) }
        let dies = advice == .giveUp || receives >= rules.maximumReceives
        let reason: DeadLetterReason = advice == .giveUp ? .permanentFailure : .tooManyReceives
        var wasTold = false
        let held = try await self.settle(message, place) { (held) async throws(StorageError) -> Bool in
            wasTold = held.isCancelled
            if held.isCancelled { return try await self.storage.complete(message.receipt, actualTokens: 0) }
            if dies { return try await self.storage.bury(message.receipt, reason: reason, error: error) }
            return try await self.storage.release(message.receipt, after: delay, undoesReceive: false, error: error)
        }
        await self.withdraw(held, wasTold: wasTold)
        self.settleLimits(held, tokens: min(actualTokens, 1 << 40))
        self.state.withLock { state in
            state.book.totals.failed += 1
            if held.isCancelled {
                state.book.totals.cancelled += 1
            } else if dies {
                state.book.totals.deadLettered += 1
            } else {
                state.book.totals.retried += 1
            }
        }
        if held.isCancelled { return self.finish(.cancelled(id: message.id)) }
        if dies { return self.finish(.deadLettered(id: message.id, reason: reason.rawValue)) }
        self.finish(.retried(id: message.id, receiveCount: receives, delay: delay, error: error))
    }

    func release(_ message: ProcessableMessage<Payload>, _ place: UInt32) async throws(MessageError) {
        var wasTold = false
        let held = try await self.settle(message, place) { (held) async throws(StorageError) -> Bool in
            wasTold = held.isCancelled
            if held.isCancelled { return try await self.storage.complete(message.receipt, actualTokens: 0) }
            return try await self.storage.release(message.receipt, after: .zero, undoesReceive: true, error: nil)
        }
        await self.withdraw(held, wasTold: wasTold)
        if let limiter = held.limiter, let reservation = held.reservation { limiter.cancel(reservation) }
        self.state.withLock { state in
            if held.isCancelled { state.book.totals.cancelled += 1 } else { state.book.totals.released += 1 }
        }
        self.finish(held.isCancelled ? .cancelled(id: message.id) : .released(id: message.id))
    }

    func extend(_ message: ProcessableMessage<Payload>, _ place: UInt32, by span: Duration) async throws(MessageError) {
        let token = message.receipt.token
        guard let held = self.held(place, token), !held.isSettling else { throw .alreadySettled }
        let isOurs: Bool
        do {
            isOurs = try await self.storage.extend([message.receipt], lease: max(.zero, span)).first ?? false
        } catch {
            throw .storage(error)
        }
        let now = self.clock.now()
        let next = self.state.withLock { state -> Instant? in
            guard state.held(place, token) != nil else { return nil }
            guard isOurs, span > .zero else {
                state.held[Int(place)]?.isLost = true
                state.renewals.remove(place)
                return nil
            }
            guard case .automatic = state.policy.renewal else { return nil }
            // In time for the end of what was asked for, and not before: a renewal would shorten it.
            let next = now + max(span - state.policy.lease * 2 / 3, span / 3)
            state.renewals.set(place, at: next)
            return next
        }
        if let next { self.caretaker.attend(self, before: next) }
        // Who sleeps until the lease's end sleeps for too long if it ends sooner.
        self.bell.ring()
        if !isOurs { throw .stale }
    }

    /// A consumer has let go of a message: its lease is not renewed any more. What it has used is not known; the
    /// estimate stands. If it was cancelled it ends here.
    func abandon(_ place: UInt32, _ token: UInt64) {
        let held = self.state.withLock { state -> HeldMessage? in
            guard let held = state.letGo(place, token) else { return nil }
            state.book.totals.abandoned += 1
            return held
        }
        guard let held else { return }
        self.settleLimits(held, tokens: held.tokens)
        self.leave()
        self.bell.ring()
        guard held.isCancelled, !held.isLost else { return }
        Task {
            if case .some(true) = try? await self.storage.complete(held.receipt, actualTokens: held.tokens) {
                self.noteCancelled(held.receipt.id)
            }
        }
    }
}
