import SluiceBasics
import SluiceCore

/// Which ended requests to list; `nil` matches all.
package struct HistoryFilter: Sendable, Equatable {
    package var outcome: Outcome?
    package var reason: OutcomeReason?
    package var pool: String?
    package var tenant: String?
    package var model: String?

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
    }
}

/// The last ended requests, in memory: a ring bounded in number and age.
package final class History: Sendable {
    private struct Ring: Sendable {
        var records: [RequestRecord] = []
        /// Sequence number of the next record; its place is this modulo the capacity.
        var next: UInt64 = 0
    }

    private let ring: Lock<Ring>
    private let capacity: Int
    private let maximumAge: Duration
    private let clock: any TimeSource
    /// Rows looked at for one answer, so that a filter that matches nothing stays cheap.
    private static let maximumScan = 50_000

    package init(capacity: Int, maximumAge: Duration, clock: any TimeSource) {
        self.capacity = max(1, capacity)
        self.maximumAge = maximumAge
        self.clock = clock
        self.ring = Lock(Ring())
    }

    func append(_ record: RequestRecord) {
        self.ring.withLock { ring in
            if ring.records.count < self.capacity {
                ring.records.append(record)
            } else {
                ring.records[Int(ring.next % UInt64(self.capacity))] = record
            }
            ring.next &+= 1
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
        return self.ring.withLock { ring -> (records: [RequestRecord], next: UInt64?) in
            var found: [RequestRecord] = []
            var position = min(before ?? ring.next, ring.next)
            let first = ring.next - UInt64(ring.records.count)
            var scanned = 0
            while position > first {
                if found.count == limit || scanned == Self.maximumScan { return (found, position) }
                scanned += 1
                position -= 1
                let record = ring.records[Int(position % UInt64(self.capacity))]
                if let ended = record.endedAt, ended < oldest { return (found, nil) }
                if filter.matches(record) { found.append(record) }
            }
            return (found, nil)
        }
    }

    package func find(_ id: RequestID) -> RequestRecord? {
        self.ring.withLock { ring in ring.records.last { $0.submission.id == id } }
    }
}
