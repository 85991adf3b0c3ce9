import SluiceTelemetry

/// A query's filters as SQL: text that we write, numbers, and parameters for what somebody else has said.
struct SQLiteCondition {
    private(set) var clauses: [String] = []
    private(set) var parameters: [Parameter] = []

    enum Parameter {
        case number(Int64)
        case text(String)
    }

    /// Bounds of time are not in it: they are bounds of the key.
    init(_ query: ExecutionQuery, _ names: SQLiteNames) throws(SQLiteError) {
        for field in ExecutionField.allCases {
            guard let match = query.matches[field] else { continue }
            if let column = Self.named[field] {
                try self.add(column, match, names)
            } else {
                // Every row has a trace, and its index is of the bare column.
                self.add(field == .requestID ? "ifnull(remote_id, '')" : "trace_id", match)
            }
        }
        self.add("total > ", query.latencyOver)
        self.add("total < ", query.latencyUnder)
        self.add("queued > ", query.queueOver)
        self.add("\(Self.tokens) > ", query.tokensOver)
        self.add("attempts > ", query.attemptsOver)
        if let text = query.text {
            let pattern = "%" + text.flatMap { "\\%_".contains($0) ? ["\\", $0] : [$0] } + "%"
            let columns = ["id", "remote_id", "trace_id"]
            self.add(columns.map { "\($0) LIKE ? ESCAPE '\\'" }.joined(separator: " OR "), columns.map { _ in pattern })
        }
    }

    static let tokens = "ifnull(prompt, 0) + ifnull(completion, 0)"

    static let named: [ExecutionField: String] = [
        .pool: "pool", .model: "model", .tenant: "tenant", .producer: "producer", .gateway: "gateway",
        .dispatcher: "dispatcher", .outcome: "outcome", .reason: "reason", .errorClass: "error_class",
        .backend: "backend", .priority: "priority", .operation: "operation", .fabricGroup: "fabric_group",
    ]

    mutating func add(_ clause: String, _ texts: [String] = [], numbers: [Int64] = []) {
        self.clauses.append("(\(clause))")
        self.parameters += numbers.map { .number($0) } + texts.map { .text($0) }
    }

    private mutating func add(_ comparison: String, _ bound: Int64?) {
        guard let bound else { return }
        self.add(comparison + "?", numbers: [bound])
    }

    private mutating func add(
        _ column: String,
        _ match: ExecutionMatch,
        _ names: SQLiteNames
    ) throws(SQLiteError) {
        func numbers(_ values: [String]) throws(SQLiteError) -> String {
            var found: [String] = []
            for value in values {
                if let number = try names.find(value) { found.append(String(number)) }
            }
            return found.joined(separator: ", ")
        }
        // A name without a number is in no row; `IN ()` is false and `NOT IN ()` true.
        if !match.anyOf.isEmpty { self.add("\(column) IN (\(try numbers(match.anyOf)))") }
        if !match.noneOf.isEmpty { self.add("\(column) NOT IN (\(try numbers(match.noneOf)))") }
    }

    private mutating func add(_ column: String, _ match: ExecutionMatch) {
        func places(_ values: [String]) -> String { values.map { _ in "?" }.joined(separator: ", ") }
        if !match.anyOf.isEmpty { self.add("\(column) IN (\(places(match.anyOf)))", match.anyOf) }
        if !match.noneOf.isEmpty { self.add("\(column) NOT IN (\(places(match.noneOf)))", match.noneOf) }
    }

    /// Rows that ended within these times.
    mutating func bound(from: Int64?, to: Int64?) {
        if let from { self.add("key >= ?", numbers: [SQLiteRows.key(from)]) }
        if let to { self.add("key < ?", numbers: [SQLiteRows.key(to)]) }
    }

    var text: String { self.clauses.isEmpty ? "" : " WHERE " + self.clauses.joined(separator: " AND ") }

    func bind(to statement: SQLiteStatement) {
        for (index, parameter) in self.parameters.enumerated() {
            switch parameter {
            case .number(let number): statement.bind(Int32(index + 1), number)
            case .text(let text): statement.bind(Int32(index + 1), value: text)
            }
        }
    }
}
