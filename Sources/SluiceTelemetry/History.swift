import SluiceBasics
import SluiceCore

/// Which ended requests to list; `nil` matches all.
package struct HistoryFilter: Sendable, Equatable {
    package var outcome: Outcome?
    package var reason: OutcomeReason?
    package var pool: String?
    package var tenant: String?
    package var model: String?
    package var producer: String?
    /// What its producer calls a request that came over the fabric.
    package var remoteID: String?

    package init(
        outcome: Outcome? = nil,
        reason: OutcomeReason? = nil,
        pool: String? = nil,
        tenant: String? = nil,
        model: String? = nil
    ) {
        self.outcome = outcome
        self.reason = reason
        self.pool = pool
        self.tenant = tenant
        self.model = model
    }

    func matches(_ record: RequestRecord) -> Bool {
        let submission = record.submission
        return (self.outcome == nil || record.reason?.outcome == self.outcome)
            && (self.reason == nil || record.reason == self.reason)
            && (self.pool == nil || submission.pool == self.pool)
            && (self.tenant == nil || submission.tenant == self.tenant)
            && (self.model == nil || submission.model == self.model)
            && (self.producer == nil || submission.producer == self.producer)
            && (self.remoteID == nil || submission.remote?.requestID == self.remoteID)
    }
}

/// The last ended requests, in memory: a ring bounded in number and age.
///
/// Every end of a request takes the lock, so nobody holds it for long: a query looks at some rows at a time, and an
/// id is
/// looked up rather than searched for.
package final class History: Sendable {
    private struct Ring: Sendable {
        /// A record's place is its position modulo the capacity; `nil` where one has aged out.
        var records: [RequestRecord?] = []
        var positions: [RequestID: UInt64] = [:]
        /// Position of the oldest record that is kept, and of the next to come. Positions are never used again.
        var first: UInt64 = 0
        var next: UInt64 = 0
    }

    private let ring: Lock<Ring>
    private let capacity: Int
    private let maximumAge: Duration
    private let clock: any TimeSource
    /// Rows looked at while the lock is held.
    private static let rowsAtOnce: UInt64 = 256
    /// Aged records given back for each that comes: more than one, so that a burst's rows go although few follow.
    private static let evictionsAtOnce = 4
    /// Room is made beforehand up to here, so that the first requests do not pay for growth.
    private static let maximumReserve = 16_384

    package init(capacity: Int, maximumAge: Duration, clock: any TimeSource) {
        self.capacity = max(1, capacity)
        self.maximumAge = maximumAge
        self.clock = clock
        var ring = Ring()
        ring.records.reserveCapacity(min(self.capacity, Self.maximumReserve))
        ring.positions.reserveCapacity(min(self.capacity, Self.maximumReserve))
        self.ring = Lock(ring)
    }

    func append(_ record: RequestRecord) {
        self.ring.withLock { ring in
            if ring.next - ring.first == UInt64(self.capacity) { self.evictOldest(&ring) }
            if let now = record.endedAt { self.evictAged(&ring, before: now - self.maximumAge) }
            let place = self.place(ring.next)
            if place < ring.records.count {
                ring.records[place] = record
            } else {
                ring.records.append(record)
            }
            ring.positions[record.submission.id] = ring.next
            ring.next += 1
        }
    }

    private func place(_ position: UInt64) -> Int { Int(position % UInt64(self.capacity)) }

    private func evictOldest(_ ring: inout Ring) {
        let place = self.place(ring.first)
        // A request that ended, was put back and ended again has a newer position by now.
        if let id = ring.records[place]?.submission.id, ring.positions[id] == ring.first { ring.positions[id] = nil }
        ring.records[place] = nil
        ring.first += 1
    }

    private func evictAged(_ ring: inout Ring, before oldest: Instant) {
        for _ in 0..<Self.evictionsAtOnce {
            guard ring.first < ring.next, let ended = ring.records[self.place(ring.first)]?.endedAt, ended < oldest
            else { return }
            self.evictOldest(&ring)
        }
    }

    /// Newest first.
    ///
    /// - Parameter before: only records older than this position, from an earlier answer's `next`.
    /// - Returns: the rows, and where to go on, or `nil` at the end.
    package func query(
        _ filter: HistoryFilter,
        limit: Int,
        before: UInt64? = nil
    ) -> (records: [RequestRecord], next: UInt64?) {
        let oldest = self.clock.now() - self.maximumAge
        var found: [RequestRecord] = []
        var position = before ?? .max
        while true {
            let (records, next) = self.scan(filter, limit: limit - found.count, from: position, endedSince: oldest)
            found += records
            guard let next else { return (found, nil) }
            if found.count >= limit { return (found, next) }
            position = next
        }
    }

    /// Some rows from `start` downwards; `next` is where to go on, `nil` when none is left.
    private func scan(
        _ filter: HistoryFilter,
        limit: Int,
        from start: UInt64,
        endedSince oldest: Instant
    ) -> (records: [RequestRecord], next: UInt64?) {
        self.ring.withLock { ring -> (records: [RequestRecord], next: UInt64?) in
            var found: [RequestRecord] = []
            var position = min(start, ring.next)
            let stop = max(ring.first, position > Self.rowsAtOnce ? position - Self.rowsAtOnce : 0)
            while position > stop {
                if found.count >= limit { return (found, position) }
                position -= 1
                guard let record = ring.records[self.place(position)] else { continue }
                if let ended = record.endedAt, ended < oldest { return (found, nil) }
                if filter.matches(record) { found.append(record) }
            }
            return (found, position > ring.first ? position : nil)
        }
    }

    /// `nil` when it never ended, or too long ago.
    package func find(_ id: RequestID) -> RequestRecord? {
        let oldest = self.clock.now() - self.maximumAge
        return self.ring.withLock { ring -> RequestRecord? in
            guard let position = ring.positions[id], let record = ring.records[self.place(position)] else { return nil }
            if let ended = record.endedAt, ended < oldest { return nil }
            return record
        }
    }

    /// Records that are kept at this moment.
    package var count: Int { self.ring.withLock { Int($0.next - $0.first) } }
}
