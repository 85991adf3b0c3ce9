import SluiceTelemetry

/// A SELECT with what others have said kept apart from it: text never becomes part of the statement.
struct ClickHouseStatement {
    private(set) var parameters: [(name: String, value: String)] = []
    private var clauses: [String] = []

    init() {}

    /// The filters of a query, the times included.
    init(_ query: ExecutionQuery) {
        if let from = query.from { self.add("ended_at >= fromUnixTimestamp64Micro(\(self.number(from)), 'UTC')") }
        if let to = query.to { self.add("ended_at < fromUnixTimestamp64Micro(\(self.number(to)), 'UTC')") }
        for field in ExecutionField.allCases {
            guard let match = query.matches[field] else { continue }
            if !match.anyOf.isEmpty { self.add("\(field.rawValue) IN (\(self.texts(match.anyOf)))") }
            if !match.noneOf.isEmpty { self.add("\(field.rawValue) NOT IN (\(self.texts(match.noneOf)))") }
        }
        if let bound = query.latencyOver { self.add("total_us > \(self.number(bound))") }
        if let bound = query.latencyUnder { self.add("total_us < \(self.number(bound))") }
        if let bound = query.queueOver { self.add("queued_us > \(self.number(bound))") }
        if let bound = query.tokensOver { self.add("\(Self.tokens) > \(self.number(bound))") }
        if let bound = query.attemptsOver { self.add("attempts > \(self.number(bound))") }
        if let text = query.text {
            let place = self.text(text)
            let columns = ["id", "request_id", "trace_id"]
            self.add(columns.map { "positionCaseInsensitive(\($0), \(place)) > 0" }.joined(separator: " OR "))
        }
    }

    static let tokens = "(ifNull(prompt_tokens, 0) + ifNull(completion_tokens, 0))"

    static func value(_ sort: ExecutionSort) -> String {
        switch sort {
        case .ended: "toUnixTimestamp64Micro(ended_at)"
        case .latency: "total_us"
        case .queue: "queued_us"
        case .tokens: self.tokens
        case .cost: "ifNull(cost_nanodollars, 0)"
        }
    }

    /// Only rows behind the place where the page begins.
    mutating func goOn(_ query: ExecutionQuery) {
        guard let after = query.after else { return }
        let comparison = query.isDescending ? "<" : ">"
        let time = "fromUnixTimestamp64Micro(\(self.number(after.endedAt)), 'UTC')"
        let id = self.text(after.id)
        guard query.sort != .ended else {
            // The first is what the table's order can make use of.
            self.add("ended_at \(comparison)= \(time)")
            self.add("(ended_at, id) \(comparison) (\(time), \(id))")
            return
        }
        let value = Self.value(query.sort)
        self.add("(\(value), ended_at, id) \(comparison) (\(self.number(after.value)), \(time), \(id))")
    }

    static func ordering(_ query: ExecutionQuery) -> String {
        let order = query.isDescending ? "DESC" : "ASC"
        let first = query.sort == .ended ? "" : "\(Self.value(query.sort)) \(order), "
        return " ORDER BY \(first)ended_at \(order), id \(order) LIMIT \(Self.rows(query))"
    }

    /// Rows that are read for a page: one more than it has shows that there are more, and some may be there twice.
    static func rows(_ query: ExecutionQuery) -> Int {
        let page = query.limit + 1
        return page + min(page, 32)
    }

    mutating func add(_ clause: String) { self.clauses.append("(\(clause))") }

    /// A placeholder for a number.
    mutating func number(_ value: Int64) -> String {
        let name = "p\(self.parameters.count)"
        self.parameters.append((name, String(value)))
        return "{\(name):Int64}"
    }

    /// A placeholder for text. The server undoes the escapes of its tab-separated format.
    mutating func text(_ value: String) -> String {
        let name = "p\(self.parameters.count)"
        self.parameters.append((name, Self.escaped(value)))
        return "{\(name):String}"
    }

    private mutating func texts(_ values: [String]) -> String {
        var places: [String] = []
        for value in values { places.append(self.text(value)) }
        return places.joined(separator: ", ")
    }

    private static func escaped(_ value: String) -> String {
        var bytes: [UInt8] = []
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes += [byte, byte]
            case 0x00: bytes += Array("\\0".utf8)
            case 0x08: bytes += Array("\\b".utf8)
            case 0x09: bytes += Array("\\t".utf8)
            case 0x0A: bytes += Array("\\n".utf8)
            case 0x0C: bytes += Array("\\f".utf8)
            case 0x0D: bytes += Array("\\r".utf8)
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    var condition: String { self.clauses.isEmpty ? "" : " WHERE " + self.clauses.joined(separator: " AND ") }
}
