import SluiceBasics

/// Answers from rows that are all in memory, without an index: what other stores are compared with, and enough for as
/// many as the process remembers.
package struct ExecutionRows: Sendable {
    package var rows: [ExecutionRow]

    package init(_ rows: [ExecutionRow]) { self.rows = rows }

    package func page(_ query: ExecutionQuery) -> ExecutionPage {
        var found = self.rows.filter { query.holds($0) && query.follows($0) }
        found.sort { query.precedes($0, $1) }
        return ExecutionPage(query, found: Array(found.prefix(query.limit + 1)))
    }

    package func find(_ id: String) -> ExecutionRow? {
        self.rows.filter { $0.id == id }.max { $0.endedAt < $1.endedAt }
    }

    package func aggregate(_ aggregation: ExecutionAggregation) throws(ExecutionStoreError) -> ExecutionAggregate {
        var texts: [String] = []
        var numbers: [String: Int64] = [:]
        var keyed: [(key: ExecutionGroupKey, facts: ExecutionFacts)] = []
        for row in self.rows where aggregation.query.holds(row) {
            var key = ExecutionGroupKey()
            for (index, field) in aggregation.by.enumerated() {
                let text = row.text(of: field)
                if numbers[text] == nil {
                    numbers[text] = Int64(texts.count)
                    texts.append(text)
                }
                key[index] = numbers[text] ?? 0
            }
            keyed.append((key, ExecutionFacts(row)))
        }
        func names(_ key: ExecutionGroupKey) -> [String] { aggregation.by.indices.map { texts[Int(key[$0])] } }
        var tally = ExecutionTally(aggregation)
        for (key, facts) in keyed {
            guard try tally.add(key, facts) else { break }
        }
        guard tally.hasTooManyGroups else { return tally.aggregate(isTruncated: false, names: names) }
        var counts = ExecutionGroupCounts()
        for (key, _) in keyed { try counts.add(key) }
        tally = ExecutionTally(aggregation, only: counts.largest(aggregation.maximumGroups, names: names))
        for (key, facts) in keyed { _ = try tally.add(key, facts) }
        return tally.aggregate(isTruncated: true, names: names)
    }
}

extension ExecutionFacts {
    package init(_ row: ExecutionRow) {
        self.init(
            endedAt: row.endedAt,
            isFailure: ExecutionAggregation.failures.contains(row.outcome),
            promptTokens: Int64(row.promptTokens ?? 0),
            completionTokens: Int64(row.completionTokens ?? 0),
            cost: row.cost ?? 0,
            total: row.total,
            queued: row.queued,
            firstToken: row.firstToken
        )
    }
}
