import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceWire

/// What of the fabric is not this process's own: on lists from other producers, and held by other dispatchers.
struct LiveFabric: Sendable {
    /// That match, with the keys by which the query sorts, in that order.
    private(set) var rows: [(key: Int64, row: LiveRow)] = []
    /// True numbers, this process's own included; `nil` when Valkey could not be asked.
    private(set) var pending: Int?
    private(set) var inFlight: Int?
    /// Whether there are more than were looked at.
    private(set) var isSampled = false

    init(complaint: Void) {}

    /// - Parameters:
    ///   - own: ids of this process as dispatcher and as producer.
    ///   - now: seconds since 1970.
    init(
        _ snapshot: FabricSnapshot,
        _ query: LiveQuery,
        own: (dispatcher: String?, producer: String?),
        now: Double
    ) {
        self.pending = snapshot.pools.reduce(0) { $0 + $1.pending }
        self.inFlight = snapshot.pools.reduce(0) { $0 + $1.inflight }
        for pool in snapshot.pools {
            self.isSampled = self.isSampled || pool.pending > pool.sample.count || pool.inflight > pool.held.count
            for (id, record) in pool.held
            where record.dispatcherID != own.dispatcher && record.producerID != own.producer {
                let facts = Facts(id, pool.name, record, now)
                guard facts.match(query) else { continue }
                self.rows.append((facts.key(query), .held(id: id, pool: pool.name, record)))
            }
            let reason = FabricRows.reason(pool, snapshot)
            for summary in pool.sample where summary.identity.producerID != own.producer {
                let facts = Facts(summary, pool.name, reason, now)
                guard summary.identity.requestID != nil, facts.match(query) else { continue }
                self.rows.append((facts.key(query), .pending(summary, pool: pool.name, reason: reason)))
            }
        }
        self.rows.sort { ($0.key, $0.row.id) < ($1.key, $1.row.id) }
    }

    /// What filters and sorting ask of a row, as far as it is known.
    private struct Facts {
        var id: String
        var pool: String
        var state: RequestState
        var tenant: String?
        var model: String?
        var producer: String?
        var reason: String?
        /// Nanoseconds.
        var age: Int64
        var wait: Int64
        var left: Int64
        var tokens: Int
        var attempts: Int

        init(_ id: String, _ pool: String, _ record: InflightRecord, _ now: Double) {
            self.id = id
            self.pool = pool
            self.state = LiveRow.state(record.stage)
            self.tenant = record.tenant
            self.model = record.model
            self.producer = record.producerID
            self.age = Self.nanoseconds(now - record.submittedAt)
            self.wait = Self.nanoseconds(record.poppedAt - record.submittedAt)
            self.left = Self.nanoseconds(record.timeoutSeconds ?? 0) &- self.age
            self.tokens = record.estimatedCostUnits ?? 0
            self.attempts = record.attempt
        }

        init(_ summary: PendingSummary, _ pool: String, _ reason: String, _ now: Double) {
            self.id = summary.identity.requestID ?? ""
            self.pool = pool
            self.state = .queued
            self.model = summary.dispatchProfileKey
            self.producer = summary.identity.producerID
            self.reason = reason
            self.age = Self.nanoseconds(now - (summary.submittedAt ?? now))
            self.wait = self.age
            self.left = Self.nanoseconds(summary.timeoutSeconds ?? 0) &- self.age
            self.tokens = summary.estimatedCostUnits ?? 0
            self.attempts = 0
        }

        /// Anything: what is on a list was written by others.
        private static func nanoseconds(_ seconds: Double) -> Int64 {
            seconds.isFinite ? Int64(min(9e9, max(-9e9, seconds)) * 1e9) : 0
        }

        func match(_ query: LiveQuery) -> Bool {
            if !query.states.isEmpty, !query.states.contains(self.state) { return false }
            if !query.waiting.isEmpty, !query.waiting.contains(where: { $0.rawValue == self.reason }) { return false }
            if let age = query.minimumAge, self.age < age.wholeNanoseconds { return false }
            guard query.pools.matches(self.pool), query.tenants.matches(self.tenant),
                query.models.matches(self.model), query.producers.matches(self.producer)
            else { return false }
            guard let text = query.text else { return true }
            return [self.id, self.model, self.tenant, self.producer, self.pool].contains { text.isIn($0) }
        }

        func key(_ query: LiveQuery) -> Int64 {
            let value: Int64 =
                switch query.order {
                case .age: self.age
                case .wait: self.wait
                case .tokens: Int64(clamping: self.tokens)
                case .deadline: self.left
                case .attempts: Int64(clamping: self.attempts)
                case .bytes: 0
                }
            return query.isDescending ? 0 &- value : value
        }
    }

    /// The rows of this process and the others as one list, from `offset` on.
    ///
    /// - Parameters:
    ///   - own: in order, beginning with place `first` among them.
    func merged(_ own: [(key: Int64, row: LiveRow)], first: Int, offset: Int, limit: Int) -> [LiveRow] {
        var rows: [LiveRow] = []
        // One that goes from a list to its dispatcher while both are looked at is seen at both.
        var ids: Set<String> = []
        var ownIndex = 0
        // Where the part of our own begins, those that sort before it have been passed.
        var otherIndex = 0
        if first > 0 {
            guard let key = own.first?.key else { return [] }
            otherIndex = self.rows.firstIndex { $0.key >= key } ?? self.rows.count
        }
        var place = first + otherIndex
        while rows.count < limit {
            let mine = ownIndex < own.count ? own[ownIndex] : nil
            let other = otherIndex < self.rows.count ? self.rows[otherIndex] : nil
            let takesMine: Bool
            switch (mine, other) {
            case (nil, nil): return rows
            case (let mine?, let other?): takesMine = mine.key <= other.key
            case (_?, nil): takesMine = true
            case (nil, _?): takesMine = false
            }
            if let row = takesMine ? mine?.row : other?.row, place >= offset, ids.insert(row.id).inserted {
                rows.append(row)
            }
            if takesMine { ownIndex += 1 } else { otherIndex += 1 }
            place += 1
        }
        return rows
    }
}
