/// What is wrong with a parameter, and with which.
package struct ExecutionQueryError: Error, Sendable, Equatable {
    package var parameter: String
    package var message: String
    package var code: String

    package init(_ parameter: String, _ message: String, code: String = "invalid_value") {
        self.parameter = parameter
        self.message = message
        self.code = code
    }
}

extension ExecutionQuery {
    /// Values of one filter, and bytes of one value, that are taken.
    private static let maximumValues = 100
    private static let maximumValueBytes = 512
    private static let maximumTextBytes = 128

    /// The parameters that `read` takes.
    package static let parameterNames =
        ["from", "to"] + ExecutionField.allCases.map(\.rawValue)
        + [
            "latency_over_ms", "latency_under_ms", "queue_over_ms", "tokens_over", "attempts_over", "q", "sort",
            "limit", "cursor",
        ]

    /// Reads a query from URL parameters.
    ///
    /// - Parameters:
    ///   - now: microseconds since 1970; what relative times are relative to.
    ///   - others: names that somebody else reads.
    ///   - maximumLimit: the greatest `limit`.
    package static func read(
        _ parameters: [(name: String, value: String)],
        now: Int64,
        others: [String] = [],
        maximumLimit: Int = Self.maximumLimit
    ) throws(ExecutionQueryError) -> ExecutionQuery {
        var query = ExecutionQuery()
        var cursor: String?
        for (name, value) in parameters where !others.contains(name) {
            if let field = ExecutionField(rawValue: name) {
                try query.add(value, to: field)
            } else if name == "cursor" {
                cursor = value
            } else {
                try query.set(name, value, now, maximumLimit)
            }
        }
        if let from = query.from, let to = query.to, from >= to {
            throw ExecutionQueryError("from", "The parameter 'from' must be earlier than 'to'.")
        }
        if let cursor { try query.goOn(cursor) }
        return query
    }

    private mutating func add(_ value: String, to field: ExecutionField) throws(ExecutionQueryError) {
        guard value.utf8.count <= Self.maximumValueBytes else {
            throw ExecutionQueryError(
                field.rawValue,
                "The parameter '\(field.rawValue)' has more than \(Self.maximumValueBytes) bytes."
            )
        }
        var match = self.matches[field] ?? ExecutionMatch()
        if value.hasPrefix("!") {
            match.noneOf.append(String(value.dropFirst()))
        } else {
            match.anyOf.append(value)
        }
        guard match.anyOf.count + match.noneOf.count <= Self.maximumValues else {
            throw ExecutionQueryError(
                field.rawValue,
                "The parameter '\(field.rawValue)' is there more than \(Self.maximumValues) times."
            )
        }
        self.matches[field] = match
    }

    private mutating func set(
        _ name: String,
        _ value: String,
        _ now: Int64,
        _ maximumLimit: Int
    ) throws(ExecutionQueryError) {
        switch name {
        case "from": self.from = try Self.time(name, value, now)
        case "to": self.to = try Self.time(name, value, now)
        case "latency_over_ms": self.latencyOver = try Self.microseconds(name, value)
        case "latency_under_ms": self.latencyUnder = try Self.microseconds(name, value)
        case "queue_over_ms": self.queueOver = try Self.microseconds(name, value)
        case "tokens_over": self.tokensOver = try Self.count(name, value)
        case "attempts_over": self.attemptsOver = try Self.count(name, value)
        case "q": self.text = try Self.search(name, value)
        case "sort": try self.order(by: value)
        case "limit":
            guard let limit = Int(value), (1...maximumLimit).contains(limit) else {
                throw ExecutionQueryError(
                    name,
                    "The parameter 'limit' must be a whole number from 1 to \(maximumLimit)."
                )
            }
            self.limit = limit
        default:
            throw ExecutionQueryError(
                String(name.prefix(64)),
                "The parameter '\(name.prefix(64))' is not known. Known: "
                    + Self.parameterNames.joined(separator: ", ") + ".",
                code: "unknown_parameter"
            )
        }
    }

    private mutating func order(by value: String) throws(ExecutionQueryError) {
        let isDescending = value.hasPrefix("-")
        guard let sort = ExecutionSort(rawValue: isDescending ? String(value.dropFirst()) : value) else {
            let known = ExecutionSort.allCases.flatMap { [$0.rawValue, "-" + $0.rawValue] }
            throw ExecutionQueryError(
                "sort",
                "The parameter 'sort' must be one of: \(known.joined(separator: ", "))."
            )
        }
        self.sort = sort
        self.isDescending = isDescending
    }

    private mutating func goOn(_ text: String) throws(ExecutionQueryError) {
        guard let cursor = ExecutionCursor(text) else {
            throw ExecutionQueryError("cursor", "The parameter 'cursor' is not one that this list gave.")
        }
        guard cursor.fingerprint == self.fingerprint else {
            throw ExecutionQueryError(
                "cursor",
                "The parameter 'cursor' is of a list with other filters or another sort; begin again without it."
            )
        }
        self.after = cursor.position
        self.from = cursor.from
        self.to = cursor.to
    }

    private static func search(_ name: String, _ value: String) throws(ExecutionQueryError) -> String? {
        guard value.utf8.count <= Self.maximumTextBytes else {
            throw ExecutionQueryError(
                name,
                "The parameter '\(name)' has more than \(Self.maximumTextBytes) bytes."
            )
        }
        return value.isEmpty ? nil : value
    }

    private static func microseconds(_ name: String, _ value: String) throws(ExecutionQueryError) -> Int64 {
        guard let milliseconds = Double(value), (0...1e12).contains(milliseconds) else {
            throw ExecutionQueryError(name, "The parameter '\(name)' must be a number of milliseconds, 0 or more.")
        }
        return Int64((milliseconds * 1_000).rounded())
    }

    private static func count(_ name: String, _ value: String) throws(ExecutionQueryError) -> Int64 {
        guard let count = Int64(value), count >= 0 else {
            throw ExecutionQueryError(name, "The parameter '\(name)' must be a whole number, 0 or more.")
        }
        return count
    }

    private static func time(_ name: String, _ value: String, _ now: Int64) throws(ExecutionQueryError) -> Int64 {
        guard let time = WallTime.read(value, now: now) else {
            throw ExecutionQueryError(
                name,
                "The parameter '\(name)' must be seconds since 1970, a time as 2026-01-31T08:00:00Z, or one before now "
                    + "as -15m (s, m, h, d, w)."
            )
        }
        return time
    }
}
