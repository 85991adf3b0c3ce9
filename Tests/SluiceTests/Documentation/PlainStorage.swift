import Sluice

/// The plainest store that keeps all rules: a list that is searched from the front. See "Write a store".
actor PlainStorage<Payload: Sendable>: QueueStorage {
    private enum Phase: Equatable {
        /// Ready from then on.
        case waiting(from: Duration)
        case leased(until: Duration, token: UInt64)
        case dead(DeadLetterReason, order: UInt64)
    }

    private struct Row {
        var message: NewMessage<Payload>
        var sequence: UInt64
        var enqueuedAt: Duration
        var expiresAt: Duration?
        var phase: Phase
        var receiveCount = 0
        var lastError: String?
    }

    private let now: @Sendable () -> Duration
    private var rows: [Row] = []
    private var remembered: [String: Duration] = [:]
    private var sequence: UInt64 = 0
    private var token: UInt64 = 0
    private var deaths: UInt64 = 0

    /// - Parameter now: the time of the store, from any start.
    init(now: @escaping @Sendable () -> Duration) { self.now = now }

    func enqueue(_ messages: [NewMessage<Payload>]) async throws(StorageError) -> [EnqueueResult] {
        let now = self.now()
        self.remembered = self.remembered.filter { $0.value > now }
        return messages.map { message in
            guard self.index(of: message.id) == nil, self.remembered[message.id] == nil else { return .duplicate }
            self.sequence += 1
            self.rows.append(
                Row(
                    message: message,
                    sequence: self.sequence,
                    enqueuedAt: now,
                    expiresAt: message.timeToLive.map { now + $0 },
                    phase: .waiting(from: now + message.delay)
                )
            )
            return .accepted(sequence: self.sequence)
        }
    }

    func candidates(_ query: CandidateQuery) async throws(StorageError) -> CandidateList<Payload> {
        let now = self.now()
        let ready = self.rows.filter { self.isReady($0, now) }
        let inOrder = ready.sorted {
            ($0.message.priority, $0.sequence) < ($1.message.priority, $1.sequence)
        }
        let fitting = inOrder.filter {
            query.admits(tokens: $0.message.estimatedTokens, model: $0.message.model)
        }
        var unlimited = query
        unlimited.maximumTokens = query.capacity
        let oldest = ready.first { unlimited.admits(tokens: $0.message.estimatedTokens, model: $0.message.model) }
        let oldestAdmitted = ready.first { query.admits(tokens: $0.message.estimatedTokens, model: $0.message.model) }
        var smallest: [String: Int] = [:]
        for row in ready {
            let model = row.message.model.flatMap { query.modelTokens[$0] == nil ? nil : $0 } ?? ""
            smallest[model] = min(smallest[model] ?? .max, row.message.estimatedTokens)
        }
        return CandidateList(
            candidates: fitting.prefix(query.limit).map { self.candidate($0, query, now) },
            oldest: oldest.map { self.candidate($0, query, now) },
            oldestAdmitted: oldestAdmitted.map { self.candidate($0, query, now) },
            smallest: smallest,
            nextChange: self.nextChange(now)
        )
    }

    func claim(_ ids: [String], lease: Duration) async throws(StorageError) -> [ClaimedMessage<Payload>] {
        let now = self.now()
        return ids.compactMap { id in
            guard let index = self.index(of: id), self.isReady(self.rows[index], now) else { return nil }
            self.token += 1
            self.rows[index].receiveCount += 1
            self.rows[index].phase = .leased(until: now + lease, token: self.token)
            return ClaimedMessage(
                receipt: Receipt(id: id, token: self.token),
                attributes: self.attributes(self.rows[index], now),
                payload: self.rows[index].message.payload
            )
        }
    }

    func extend(_ receipts: [Receipt], lease: Duration) async throws(StorageError) -> [Bool] {
        let now = self.now()
        return receipts.map { receipt in
            guard let index = self.held(receipt, now) else { return false }
            self.rows[index].phase = .leased(until: now + lease, token: receipt.token)
            return true
        }
    }

    func complete(_ receipt: Receipt, actualTokens: Int?) async throws(StorageError) -> Bool {
        guard let index = self.held(receipt, self.now()) else { return false }
        self.remove(index)
        return true
    }

    func release(
        _ receipt: Receipt,
        after delay: Duration,
        undoesReceive: Bool,
        error: String?
    ) async throws(StorageError) -> Bool {
        let now = self.now()
        guard let index = self.held(receipt, now) else { return false }
        self.rows[index].phase = .waiting(from: now + delay)
        if undoesReceive { self.rows[index].receiveCount -= 1 }
        self.rows[index].lastError = error ?? self.rows[index].lastError
        return true
    }

    func bury(
        _ receipt: Receipt,
        reason: DeadLetterReason,
        error: String?
    ) async throws(StorageError) -> Bool {
        guard let index = self.held(receipt, self.now()) else { return false }
        self.bury(index, reason)
        self.rows[index].lastError = error ?? self.rows[index].lastError
        return true
    }

    func cancel(_ id: String) async throws(StorageError) -> CancelResult {
        guard let index = self.index(of: id) else { return .unknown }
        if case .leased(let until, _) = self.rows[index].phase, until > self.now() { return .inFlight }
        self.remove(index)
        return .cancelled
    }

    func expire(limit: Int) async throws(StorageError) -> [String] {
        let now = self.now()
        let expired = self.rows.indices.filter {
            self.isWaiting(self.rows[$0], now) && self.isExpired(self.rows[$0], now)
        }
        return expired.prefix(limit).map { index in
            self.bury(index, .expired)
            return self.rows[index].message.id
        }
    }

    func deadLetters(limit: Int) async throws(StorageError) -> [DeadLetter<Payload>] {
        let now = self.now()
        let dead = self.rows.compactMap { row -> (UInt64, DeadLetter<Payload>)? in
            guard case .dead(let reason, let order) = row.phase else { return nil }
            let attributes = self.attributes(row, now)
            return (order, DeadLetter(attributes: attributes, payload: row.message.payload, reason: reason))
        }
        return dead.sorted { $0.0 < $1.0 }.prefix(limit).map(\.1)
    }

    func redrive(_ id: String) async throws(StorageError) -> Bool {
        guard let index = self.index(of: id), case .dead = self.rows[index].phase else { return false }
        self.rows[index].phase = .waiting(from: self.now())
        self.rows[index].receiveCount = 0
        self.rows[index].expiresAt = nil
        return true
    }

    func purge() async throws(StorageError) -> Int {
        defer { self.rows = [] }
        return self.rows.count
    }

    func statistics() async throws(StorageError) -> StorageStatistics {
        let now = self.now()
        var counts = StorageStatistics(nextChange: self.nextChange(now))
        for row in self.rows {
            if self.isReady(row, now) {
                counts.readyByPriority[Int(row.message.priority.rawValue)] += 1
                counts.oldestAge = counts.oldestAge ?? now - row.enqueuedAt
            } else if case .leased = row.phase {
                counts.inFlight += 1
            } else if case .waiting = row.phase {
                counts.delayed += 1
            } else {
                counts.dead += 1
            }
        }
        return counts
    }

    // MARK: One rule for what is due

    private func isWaiting(_ row: Row, _ now: Duration) -> Bool {
        switch row.phase {
        case .waiting: true
        case .leased(let until, _): until <= now
        case .dead: false
        }
    }

    private func isReady(_ row: Row, _ now: Duration) -> Bool {
        if case .waiting(let from) = row.phase, from > now { return false }
        return self.isWaiting(row, now) && !self.isExpired(row, now)
    }

    private func isExpired(_ row: Row, _ now: Duration) -> Bool { row.expiresAt.map { $0 <= now } ?? false }

    private func index(of id: String) -> Int? { self.rows.firstIndex { $0.message.id == id } }

    /// Where the message lies that the bearer of the receipt holds.
    private func held(_ receipt: Receipt, _ now: Duration) -> Int? {
        guard let index = self.index(of: receipt.id), case .leased(let until, receipt.token) = self.rows[index].phase,
            until > now
        else { return nil }
        return index
    }

    private func remove(_ index: Int) {
        let message = self.rows.remove(at: index).message
        if message.remembered > .zero { self.remembered[message.id] = self.now() + message.remembered }
    }

    private func bury(_ index: Int, _ reason: DeadLetterReason) {
        self.deaths += 1
        self.rows[index].phase = .dead(reason, order: self.deaths)
    }

    private func nextChange(_ now: Duration) -> Duration? {
        self.rows.compactMap { row -> Duration? in
            switch row.phase {
            case .waiting(let from): from > now ? from - now : nil
            case .leased(let until, _): until > now ? until - now : nil
            case .dead: nil
            }
        }.min()
    }

    private func candidate(_ row: Row, _ query: CandidateQuery, _ now: Duration) -> Candidate<Payload> {
        Candidate(
            attributes: self.attributes(row, now),
            payload: query.needsPayloads ? row.message.payload : nil
        )
    }

    private func attributes(_ row: Row, _ now: Duration) -> MessageAttributes {
        MessageAttributes(
            id: row.message.id,
            sequence: row.sequence,
            priority: row.message.priority,
            estimatedTokens: row.message.estimatedTokens,
            model: row.message.model,
            tenant: row.message.tenant,
            expectedProcessing: row.message.expectedProcessing,
            metadata: row.message.metadata,
            age: now - row.enqueuedAt,
            receiveCount: row.receiveCount,
            lastError: row.lastError
        )
    }
}
