/// What executions are told apart by: filters and groups name these.
package enum ExecutionField: String, Sendable, CaseIterable {
    case pool
    case model
    case tenant
    case producer
    case gateway
    case dispatcher
    case outcome
    case reason
    case errorClass = "error_class"
    case backend
    case priority
    case operation
    case fabricGroup = "fabric_group"
    case requestID = "request_id"
    case traceID = "trace_id"

    /// Whether rows can be grouped by it: there are few values, not one for each row.
    package var groups: Bool { self != .requestID && self != .traceID }
}

/// The value is one of `anyOf` (if there are any), and none of `noneOf`. A row that has no value has the empty text.
package struct ExecutionMatch: Sendable, Equatable {
    package var anyOf: [String] = []
    package var noneOf: [String] = []

    package init(anyOf: [String] = [], noneOf: [String] = []) {
        self.anyOf = anyOf
        self.noneOf = noneOf
    }
}

/// What rows are ordered by. Ties go by the time of the end and then by id, in the same direction.
package enum ExecutionSort: String, Sendable, CaseIterable {
    case ended
    case latency
    case queue
    case tokens
    case cost
}

/// Which executions, in which order.
package struct ExecutionQuery: Sendable, Equatable {
    /// Microseconds since 1970 of the end: from the first on, and before the second.
    package var from: Int64?
    package var to: Int64?
    package var matches: [ExecutionField: ExecutionMatch] = [:]
    /// Microseconds; a row with just that is neither over nor under.
    package var latencyOver: Int64?
    package var latencyUnder: Int64?
    package var queueOver: Int64?
    package var tokensOver: Int64?
    package var attemptsOver: Int64?
    /// In one of the ids (of the request, as its producer calls it, of the trace), without regard to ASCII case.
    package var text: String?
    package var sort = ExecutionSort.ended
    package var isDescending = true
    /// Only rows behind this one.
    package var after: ExecutionPosition?
    package var limit = Self.standardLimit

    package static let standardLimit = 50
    package static let maximumLimit = 1_000

    package init() {}

    /// A mix of everything but where to begin and how many: pages of one list have it in common.
    package var fingerprint: UInt64 {
        var mix: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ text: String) {
            for byte in text.utf8 { mix = (mix ^ UInt64(byte)) &* 0x100_0000_01B3 }
            mix = (mix ^ 0xFF) &* 0x100_0000_01B3
        }
        for field in ExecutionField.allCases {
            guard let match = self.matches[field] else { continue }
            add(field.rawValue)
            for value in match.anyOf { add("=" + value) }
            for value in match.noneOf { add("!" + value) }
        }
        let bounds = [
            self.latencyOver, self.latencyUnder, self.queueOver, self.tokensOver, self.attemptsOver,
        ]
        for bound in bounds { add(bound.map { String($0) } ?? "-") }
        add(self.text ?? "")
        add("\(self.sort.rawValue) \(self.isDescending)")
        return mix
    }
}

/// A row's place in a list.
package struct ExecutionPosition: Sendable, Equatable {
    /// What the list is ordered by.
    package var value: Int64
    /// Microseconds since 1970.
    package var endedAt: Int64
    package var id: String

    package init(value: Int64, endedAt: Int64, id: String) {
        self.value = value
        self.endedAt = endedAt
        self.id = id
    }

    package init(_ row: ExecutionRow, in sort: ExecutionSort) {
        self.init(value: row.value(of: sort), endedAt: row.endedAt, id: row.id)
    }

    package static func < (left: ExecutionPosition, right: ExecutionPosition) -> Bool {
        if left.value != right.value { return left.value < right.value }
        if left.endedAt != right.endedAt { return left.endedAt < right.endedAt }
        return left.id.utf8.lexicographicallyPrecedes(right.id.utf8)
    }
}

extension ExecutionRow {
    /// Empty when the row has none.
    package func text(of field: ExecutionField) -> String {
        switch field {
        case .pool: self.pool
        case .model: self.model
        case .tenant: self.tenant
        case .producer: self.producer ?? ""
        case .gateway: self.gateway ?? ""
        case .dispatcher: self.dispatcher ?? ""
        case .outcome: self.outcome
        case .reason: self.reason
        case .errorClass: self.errorClass ?? ""
        case .backend: self.backend ?? ""
        case .priority: self.priority
        case .operation: self.operation
        case .fabricGroup: self.fabricGroup
        case .requestID: self.remoteID ?? ""
        case .traceID: self.traceID
        }
    }

    /// Prompt and completion together; 0 when nobody said.
    package var tokens: Int64 { Int64((self.promptTokens ?? 0) &+ (self.completionTokens ?? 0)) }

    package func value(of sort: ExecutionSort) -> Int64 {
        switch sort {
        case .ended: self.endedAt
        case .latency: self.total
        case .queue: self.queued
        case .tokens: self.tokens
        case .cost: self.cost ?? 0
        }
    }
}
