import SluiceBasics
import SluiceCore

/// Names that are wanted or not wanted; empty lets everything through.
package struct NameFilter: Sendable, Equatable {
    /// One of these, if there are any.
    package var wanted: [String] = []
    /// None of these.
    package var unwanted: [String] = []

    package init(wanted: [String] = [], unwanted: [String] = []) {
        self.wanted = wanted
        self.unwanted = unwanted
    }

    package var isEmpty: Bool { self.wanted.isEmpty && self.unwanted.isEmpty }

    package func matches(_ name: String?) -> Bool {
        guard !self.isEmpty else { return true }
        guard let name else { return self.wanted.isEmpty }
        return (self.wanted.isEmpty || self.wanted.contains(name)) && !self.unwanted.contains(name)
    }
}

/// A text that is looked for in names, without regard to ASCII case.
package struct TextFilter: Sendable, Equatable {
    private let bytes: [UInt8]

    package init(_ text: String) { self.bytes = text.utf8.map { Self.lowercase($0) } }

    package func isIn(_ text: String?) -> Bool {
        guard let text else { return false }
        let span = text.utf8Span.span
        guard span.count >= self.bytes.count else { return false }
        for start in 0...(span.count - self.bytes.count) {
            var length = 0
            while length < self.bytes.count, Self.lowercase(span[start + length]) == self.bytes[length] { length += 1 }
            if length == self.bytes.count { return true }
        }
        return false
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 0x20 : byte }
}

/// Which live requests to show, in which order, and which part of them.
package struct LiveQuery: Sendable, Equatable {
    /// By what to sort; the request's age decides between equals.
    package enum Order: String, Sendable, CaseIterable {
        case age
        /// Until it was claimed, or until now.
        case wait
        case tokens
        /// What is left of its time.
        case deadline
        case attempts
        case bytes
    }

    /// Empty: all.
    package var states: Set<RequestState> = []
    package var pools = NameFilter()
    package var tenants = NameFilter()
    package var models = NameFilter()
    package var producers = NameFilter()
    /// Empty: whether it waits or not.
    package var waiting: Set<WaitingReason> = []
    package var minimumAge: Duration?
    /// In its id, model, tenant, producer or pool.
    package var text: TextFilter?
    package var order = Order.age
    /// The largest first.
    package var isDescending = true
    package var offset = 0
    package var limit = 100

    package init() {}

    package func matches(_ record: RequestRecord, at now: Instant) -> Bool {
        let submission = record.submission
        if !self.states.isEmpty, !self.states.contains(record.state) { return false }
        if let age = self.minimumAge, now - record.submittedAt < age { return false }
        guard self.pools.matches(submission.pool), self.tenants.matches(submission.tenant),
            self.models.matches(submission.model), self.producers.matches(submission.producer)
        else { return false }
        guard let text else { return true }
        return text.isIn(submission.model) || text.isIn(submission.tenant) || text.isIn(submission.producer)
            || text.isIn(submission.pool) || text.isIn(submission.remote?.requestID)
            || text.isIn(submission.id.description)
    }

    /// Grows in the order in which the rows are wanted.
    package func key(_ record: RequestRecord, at now: Instant) -> Int64 {
        let value: Int64 =
            switch self.order {
            case .age: now.nanoseconds &- record.submittedAt.nanoseconds
            case .wait: (record.claimedAt ?? now).nanoseconds &- record.submittedAt.nanoseconds
            case .tokens: Int64(clamping: record.submission.tokenEstimate)
            case .deadline: record.submission.deadline.nanoseconds &- now.nanoseconds
            case .attempts: Int64(clamping: record.attempts.count)
            case .bytes: Int64(clamping: record.submission.payloadBytes)
            }
        return self.isDescending ? 0 &- value : value
    }
}

/// A part of the live requests that match.
package struct LivePage: Sendable {
    /// Of all live requests, and of those that match, by state.
    package var total = 0
    package var matched = 0
    package var states: [RequestState: Int] = [:]
    /// In flight, and not from a list of the fabric.
    package var localInFlight = 0
    package var rows: [LiveRequest] = []

    package init() {}
}
