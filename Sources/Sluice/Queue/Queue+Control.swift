import SluiceBasics

// Steering.
extension Queue {
    /// Hands nothing out until `resume`. What is worked on goes on; requests are taken in.
    public func pause() {
        let changed = self.state.withLock { state in
            guard state.mode == .running else { return false }
            state.mode = .paused
            return true
        }
        guard changed else { return }
        self.tell(.paused)
        self.bell.ringAll()
    }

    /// Hands work out again, after `pause` or `stop`.
    public func resume() {
        let changed = self.state.withLock { state in
            guard state.mode != .running else { return false }
            state.mode = .running
            state.buffer.isStale = true
            return true
        }
        guard changed else { return }
        // Whoever waits for the end of a stopped queue waits for nothing.
        self.drained.ringAll()
        self.tell(.resumed)
        self.bell.ringAll()
    }

    /// Hands nothing out any more: waiting consumers get `nil`, and what was fetched ahead is given back, as if it had
    /// never been handed out. What is worked on goes on, with its leases renewed. Idempotent.
    public func stop() async {
        let (changed, receipts) = self.state.withLock { state -> (Bool, [Receipt]) in
            let changed = state.mode != .stopped
            state.mode = .stopped
            let items = state.buffer.items
            state.buffer.items = []
            for item in items { state.letGo(item.place, item.message.receipt.token) }
            return (changed, items.map(\.message.receipt))
        }
        if changed { self.tell(.stopped) }
        self.bell.ringAll()
        for receipt in receipts { await self.giveBack(receipt) }
    }

    /// Stops, and waits until everything that is worked on is settled.
    ///
    /// - Throws: `CancellationError` when the task is cancelled; the queue is stopped all the same.
    public func drain() async throws(CancellationError) {
        await self.stop()
        while true {
            let rings = self.drained.rings
            if self.state.withLock({ $0.inFlight == 0 || $0.mode != .stopped }) { return }
            if Task.isCancelled { throw CancellationError() }
            await self.drained.wait(since: rings)
        }
    }

    /// Removes all messages, those that are worked on and dead letters too; their consumers find that they are lost.
    /// The queue goes on.
    ///
    /// - Returns: how many messages there were.
    @discardableResult
    public func purge() async throws(StorageError) -> Int {
        // What comes while the store is at it may be good: if it is not, its next renewal tells.
        let before = self.state.withLock { state in Set(state.held.compactMap { $0?.receipt.token }) }
        let count = try await self.storage.purge()
        self.state.withLock { state in
            state.book.totals.purged += count
            for item in state.buffer.items where before.contains(item.message.receipt.token) {
                state.letGo(item.place, item.message.receipt.token)
            }
            state.buffer.items.removeAll { before.contains($0.message.receipt.token) }
            for place in state.held.indices {
                guard let token = state.held[place]?.receipt.token, before.contains(token) else { continue }
                state.held[place]?.isLost = true
                state.renewals.remove(UInt32(place))
            }
        }
        self.tell(.purged(messages: count))
        self.bell.ringAll()
        return count
    }

    /// Cancels a request. One that waits, or is a dead letter, is gone; one that a consumer of this queue works on is
    /// marked, and not tried again.
    @discardableResult
    public func cancel(_ id: String) async throws(StorageError) -> CancelResult {
        let buffered = self.state.withLock { state -> Receipt? in
            guard let item = state.buffer.items.first(where: { $0.message.receipt.id == id }) else { return nil }
            _ = state.buffer.remove(token: item.message.receipt.token)
            state.letGo(item.place, item.message.receipt.token)
            return item.message.receipt
        }
        if let buffered, try await self.storage.complete(buffered, actualTokens: 0) {
            self.noteCancelled(id)
            return .cancelled
        }
        var result = CancelResult.inFlight
        // A second time if the consumer has settled it in between.
        for _ in 0..<2 {
            result = try await self.storage.cancel(id)
            if result == .cancelled { self.noteCancelled(id) }
            guard result == .inFlight, !self.markCancelled(id) else { break }
        }
        return result
    }

    /// Whether a consumer of this queue has the message.
    private func markCancelled(_ id: String) -> Bool {
        self.state.withLock { state in
            var isMarked = false
            for place in state.held.indices where state.held[place]?.receipt.id == id {
                state.held[place]?.isCancelled = true
                isMarked = true
            }
            // It may be on its way from the store to a consumer.
            if !isMarked, state.looking > 0, state.cancelledDuringLook.count < 1_024 {
                state.cancelledDuringLook[id] = state.looks
            }
            return isMarked
        }
    }

    func noteCancelled(_ id: String) {
        self.state.withLock { $0.book.totals.cancelled += 1 }
        self.tell(.cancelled(id: id))
    }

    /// Dead letters, the longest dead first.
    public func deadLetters(limit: Int = 100) async throws(StorageError) -> [DeadLetter<Payload>] {
        try await self.storage.deadLetters(limit: limit)
    }

    /// Puts a dead letter back in line as if it had never been tried; `false`: there is none of this id.
    @discardableResult
    public func redrive(_ id: String) async throws(StorageError) -> Bool {
        let isBack = try await self.storage.redrive(id)
        if isBack, !self.storageTells { self.bell.ring() }
        return isBack
    }

    /// What the queue has to say about itself. Everything about this queue alone is of one instant; the store's counts
    /// are of a moment before.
    public func metrics() async throws(StorageError) -> QueueMetrics {
        let statistics = try await self.storage.statistics()
        self.noteExpired()
        let now = self.clock.now()
        let waiting = self.bell.waiters
        let isLocal = self.chooser != nil
        return self.state.withLock { state in
            let perMinute = state.book.perMinute(at: now)
            let buffered = state.buffer.items.count
            let bufferedTokens = Set(state.buffer.items.map(\.message.receipt.token))
            let active = state.held.compactMap { held -> QueueMetrics.Active? in
                guard let held, !bufferedTokens.contains(held.receipt.token) else { return nil }
                let running = max(.zero, now - held.startedAt)
                return QueueMetrics.Active(id: held.receipt.id, priority: held.priority, running: running)
            }
            let size = isLocal ? 0 : state.policy.prefetch?.bufferSize ?? 0
            return QueueMetrics(
                depth: statistics.queued,
                readyByPriority: statistics.readyByPriority,
                delayed: statistics.delayed,
                inFlight: statistics.inFlight,
                dead: statistics.dead,
                oldestAge: statistics.oldestAge,
                wait: state.book.wait.summary(at: now),
                service: state.book.service.summary(at: now),
                messagesPerMinute: perMinute.messages,
                tokensPerMinute: perMinute.tokens,
                active: active.sorted { ($0.running, $1.id) > ($1.running, $0.id) },
                isPrefetching: size > 0,
                buffered: buffered,
                bufferUtilization: size > 0 ? Double(buffered) / Double(size) : 0,
                waitingConsumers: waiting,
                totals: state.book.totals
            )
        }
    }
}
