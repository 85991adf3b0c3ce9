import SluiceTelemetry

extension SQLiteHistory {
    func page(_ query: ExecutionQuery) throws(SQLiteError) -> ExecutionPage {
        let keys = query.sort == .ended ? try self.keysByTime(query) : try self.keysByValue(query)
        var found: [ExecutionRow] = []
        found.reserveCapacity(keys.count)
        for key in keys {
            if let row = try self.rows.row(key) { found.append(row) }
        }
        // Ends of one moment lie in the order in which they came.
        found.sort { query.precedes($0, $1) }
        return ExecutionPage(query, found: Array(found.prefix(query.limit + 1)))
    }

    /// Rows lie in the order of time, but those of one microsecond in no order that means anything: of the last one
    /// that is reached, all are taken.
    private func keysByTime(_ query: ExecutionQuery) throws(SQLiteError) -> [Int64] {
        var condition = try SQLiteCondition(query, self.names)
        condition.bound(from: query.from, to: query.to)
        if let after = query.after {
            let first = SQLiteRows.key(after.endedAt)
            let next = SQLiteRows.key(after.endedAt + 1)
            if query.isDescending {
                condition.add("key < ?", numbers: [next])
                condition.add("key < \(first) OR id < ?", [after.id])
            } else {
                condition.add("key >= ?", numbers: [first])
                condition.add("key >= \(next) OR id > ?", [after.id])
            }
        }
        let order = query.isDescending ? "DESC" : "ASC"
        var keys = try self.keys(condition, " ORDER BY key \(order) LIMIT \(query.limit + 1)")
        guard keys.count > query.limit, let last = keys.last.map({ SQLiteRows.time($0) }) else { return keys }
        while let key = keys.last, SQLiteRows.time(key) == last { keys.removeLast() }
        condition.bound(from: last, to: last + 1)
        return keys + (try self.keys(condition, ""))
    }

    private func keysByValue(_ query: ExecutionQuery) throws(SQLiteError) -> [Int64] {
        let value =
            switch query.sort {
            case .ended, .latency: "total"
            case .queue: "queued"
            case .tokens: SQLiteCondition.tokens
            case .cost: "ifnull(cost, 0)"
            }
        let time = "key >> \(SQLiteRows.keyBits)"
        var condition = try SQLiteCondition(query, self.names)
        condition.bound(from: query.from, to: query.to)
        if let after = query.after {
            let comparison = query.isDescending ? "<" : ">"
            condition.add(
                "(\(value), \(time), id) \(comparison) (\(after.value), \(after.endedAt), ?)",
                [after.id]
            )
        }
        let order = query.isDescending ? "DESC" : "ASC"
        let ordering = " ORDER BY \(value) \(order), \(time) \(order), id \(order) LIMIT \(query.limit + 1)"
        return try self.keys(condition, ordering)
    }

    private func keys(_ condition: SQLiteCondition, _ ordering: String) throws(SQLiteError) -> [Int64] {
        let statement = try self.database.prepare("SELECT key FROM executions" + condition.text + ordering)
        condition.bind(to: statement)
        var keys: [Int64] = []
        while try statement.step() { keys.append(statement.number(0)) }
        return keys
    }

    func find(_ id: String) throws(SQLiteError) -> ExecutionRow? {
        let statement = try self.database.prepare("SELECT key FROM executions WHERE id = ? ORDER BY key DESC LIMIT 1")
        statement.bind(1, value: id)
        guard try statement.step() else { return nil }
        return try self.rows.row(statement.number(0))
    }

    // MARK: Figures

    /// - Throws: `SQLiteError`, or `ExecutionStoreError` when the answer would be too large.
    func aggregate(_ aggregation: ExecutionAggregation) throws -> ExecutionAggregate {
        func names(_ key: ExecutionGroupKey) -> [String] {
            aggregation.by.indices.map { (try? self.names.name(key[$0])) ?? "" }
        }
        var tally = ExecutionTally(aggregation)
        try self.scan(aggregation) { try tally.add($0, $1) }
        guard tally.hasTooManyGroups else { return tally.aggregate(isTruncated: false, names: names) }
        var counts = ExecutionGroupCounts()
        try self.scan(aggregation) { key, _ in
            try counts.add(key)
            return true
        }
        tally = ExecutionTally(aggregation, only: counts.largest(aggregation.maximumGroups, names: names))
        try self.scan(aggregation) { try tally.add($0, $1) }
        return tally.aggregate(isTruncated: true, names: names)
    }

    /// Shows every row that is asked for, until `body` answers false.
    private func scan(
        _ aggregation: ExecutionAggregation,
        _ body: (ExecutionGroupKey, ExecutionFacts) throws -> Bool
    ) throws {
        var condition = try SQLiteCondition(aggregation.query, self.names)
        condition.bound(from: aggregation.query.from, to: aggregation.query.to)
        let groups = aggregation.by.compactMap { SQLiteCondition.named[$0] }.map { ", \($0)" }.joined()
        let statement = try self.database.prepare(
            "SELECT key, outcome, prompt, completion, cost, total, queued, first_token\(groups) FROM executions"
                + condition.text
        )
        condition.bind(to: statement)
        var failures: [Int64] = []
        for name in ExecutionAggregation.failures {
            if let number = try self.names.find(name) { failures.append(number) }
        }
        while try statement.step() {
            var key = ExecutionGroupKey()
            for index in aggregation.by.indices { key[index] = statement.number(Int32(8 + index)) }
            let facts = ExecutionFacts(
                endedAt: SQLiteRows.time(statement.number(0)),
                isFailure: failures.contains(statement.number(1)),
                promptTokens: statement.number(2),
                completionTokens: statement.number(3),
                cost: statement.number(4),
                total: statement.number(5),
                queued: statement.number(6),
                firstToken: statement.optional(7)
            )
            guard try body(key, facts) else { return }
        }
    }
}
