import SluiceTelemetry

/// Writes and reads rows of the table of executions. For one thread.
final class SQLiteRows {
    static let columns = [
        "key", "pool", "tenant", "model", "outcome", "reason", "error_class", "backend", "producer", "gateway",
        "dispatcher", "priority", "operation", "fabric_group", "total", "queued", "prompt", "completion", "attempts",
        "cost", "first_token", "id", "remote_id", "trace_id", "submitted", "execution", "stream", "status", "cached",
        "reasoning", "payload", "messages", "span_id", "message", "attempt_list",
    ]

    /// Ends of one microsecond that can be told apart: 1024.
    static let keyBits: Int64 = 10
    private static let latest: Int64 = (1 << 53) - 1

    private let insert: SQLiteStatement
    private let byKey: SQLiteStatement
    private let names: SQLiteNames
    private var counter: Int64 = 0

    init(_ database: SQLiteDatabase, _ names: SQLiteNames) throws(SQLiteError) {
        let columns = Self.columns.joined(separator: ", ")
        let places = Self.columns.map { _ in "?" }.joined(separator: ", ")
        self.insert = try database.prepare("INSERT INTO executions(\(columns)) VALUES(\(places))")
        self.byKey = try database.prepare("SELECT \(columns) FROM executions WHERE key = ?")
        self.names = names
    }

    static func time(_ key: Int64) -> Int64 { key >> Self.keyBits }

    /// The first key of a microsecond, within what keys can say.
    static func key(_ time: Int64) -> Int64 { max(0, min(Self.latest, time)) << Self.keyBits }

    /// Inside a transaction.
    func write(_ row: ExecutionRow) throws(SQLiteError) {
        let time = row.endedAt
        let named = [
            row.pool, row.tenant, row.model, row.outcome, row.reason, row.errorClass, row.backend, row.producer,
            row.gateway, row.dispatcher, row.priority, row.operation, row.fabricGroup,
        ]
        for (index, name) in named.enumerated() {
            self.insert.bind(Int32(index + 2), try self.names.number(of: name, at: time))
        }
        self.insert.bind(15, row.total)
        self.insert.bind(16, row.queued)
        self.insert.bind(17, row.promptTokens.map { Int64($0) })
        self.insert.bind(18, row.completionTokens.map { Int64($0) })
        self.insert.bind(19, Int64(row.attemptCount))
        self.insert.bind(20, row.cost)
        self.insert.bind(21, row.firstToken)
        self.insert.bind(22, row.id)
        self.insert.bind(23, row.remoteID)
        self.insert.bind(24, row.traceID)
        self.insert.bind(25, row.submittedAt)
        self.insert.bind(26, row.execution)
        self.insert.bind(27, row.isStream ? 1 : 0)
        self.insert.bind(28, row.status.map { Int64($0) })
        self.insert.bind(29, row.cachedTokens.map { Int64($0) })
        self.insert.bind(30, row.reasoningTokens.map { Int64($0) })
        self.insert.bind(31, Int64(row.payloadBytes))
        self.insert.bind(32, Int64(row.messageCount))
        self.insert.bind(33, row.spanID)
        self.insert.bind(34, row.message)
        if row.attempts.isEmpty {
            self.insert.bind(35, String?.none)
        } else {
            self.insert.bind(35, bytes: row.attemptListJSON())
        }
        try self.insertUnderFreeKey(time)
    }

    private func insertUnderFreeKey(_ time: Int64) throws(SQLiteError) {
        let numbers = Int64(1) << Self.keyBits
        // Taken only if it is one of 1024 that ended in this microsecond, or was written before a restart.
        for attempt in 1...numbers {
            self.counter = (self.counter + 1) & (numbers - 1)
            self.insert.bind(1, Self.key(time) | self.counter)
            defer { self.insert.reset() }
            do throws(SQLiteError) {
                _ = try self.insert.step()
                return
            } catch {
                guard error.isConstraint, attempt < numbers else { throw error }
            }
        }
    }

    func row(_ key: Int64) throws(SQLiteError) -> ExecutionRow? {
        self.byKey.bind(1, key)
        defer { self.byKey.reset() }
        guard try self.byKey.step() else { return nil }
        let read = self.byKey
        func name(_ column: Int32) throws(SQLiteError) -> String { try self.names.name(read.number(column)) }
        func optional(_ text: String) -> String? { text.isEmpty ? nil : text }
        var row = ExecutionRow.empty
        row.endedAt = Self.time(key)
        row.pool = try name(1)
        row.tenant = try name(2)
        row.model = try name(3)
        row.outcome = try name(4)
        row.reason = try name(5)
        row.errorClass = optional(try name(6))
        row.backend = optional(try name(7))
        row.producer = optional(try name(8))
        row.gateway = optional(try name(9))
        row.dispatcher = optional(try name(10))
        row.priority = try name(11)
        row.operation = try name(12)
        row.fabricGroup = try name(13)
        row.total = read.number(14)
        row.queued = read.number(15)
        row.promptTokens = read.optional(16).map { Int($0) }
        row.completionTokens = read.optional(17).map { Int($0) }
        row.attemptCount = Int(read.number(18))
        row.cost = read.optional(19)
        row.firstToken = read.optional(20)
        row.id = read.text(21)
        row.remoteID = optional(read.text(22))
        row.traceID = read.text(23)
        row.submittedAt = read.number(24)
        row.execution = read.optional(25)
        row.isStream = read.number(26) == 1
        row.status = read.optional(27).map { Int($0) }
        row.cachedTokens = read.optional(28).map { Int($0) }
        row.reasoningTokens = read.optional(29).map { Int($0) }
        row.payloadBytes = Int(read.number(30))
        row.messageCount = Int(read.number(31))
        row.spanID = read.text(32)
        row.message = optional(read.text(33))
        row.attempts = ExecutionRow.attempts(json: read.bytes(34))
        return row
    }
}
