import SluiceTelemetry
import SluiceWire

/// Figures that the server computes: the same as a tally's, from the same rounded spans of time.
struct ClickHouseFigures {
    private let aggregation: ExecutionAggregation
    /// Asked with FINAL: a span that was inserted twice counts once.
    private let table: String
    private let spans: [ExecutionSpan]

    init(_ aggregation: ExecutionAggregation, table: String) {
        self.aggregation = aggregation
        self.table = table
        self.spans = ExecutionSpan.allCases.filter { aggregation.wants($0) }
    }

    typealias Ask =
        (String, [(name: String, value: String)]) async throws(ExecutionStoreError) -> [ArraySlice<UInt8>]

    func answer(_ ask: Ask) async throws(ExecutionStoreError) -> ExecutionAggregate {
        let by = self.aggregation.by.map(\.rawValue)
        guard !by.isEmpty else {
            return try self.aggregate(await ask(self.figures(only: []).sql, self.figures(only: []).parameters), false)
        }
        // The largest groups first, one more than are wanted to see whether there are more.
        let (sql, parameters) = self.largest(by)
        let found = try await ask(sql, parameters)
        let groups = found.prefix(self.aggregation.maximumGroups).compactMap { self.key($0) }
        guard !groups.isEmpty else { return ExecutionAggregate(groups: [], isTruncated: false) }
        let isTruncated = found.count > self.aggregation.maximumGroups
        let statement = self.figures(only: isTruncated ? groups : [])
        return try self.aggregate(await ask(statement.sql, statement.parameters), isTruncated)
    }

    private func largest(_ by: [String]) -> (sql: String, parameters: [(name: String, value: String)]) {
        let statement = ClickHouseStatement(self.aggregation.query)
        let names = by.joined(separator: ", ")
        let sql =
            "SELECT \(names) FROM \(self.table) FINAL\(statement.condition) GROUP BY \(names) ORDER BY count() DESC, "
            + by.map { "toString(\($0))" }.joined(separator: ", ") + " LIMIT \(self.aggregation.maximumGroups + 1)"
        return (sql, statement.parameters)
    }

    private func figures(only groups: [[String]]) -> (sql: String, parameters: [(name: String, value: String)]) {
        var statement = ClickHouseStatement(self.aggregation.query)
        let by = self.aggregation.by.map(\.rawValue)
        if !groups.isEmpty {
            var places: [String] = []
            for group in groups {
                var texts: [String] = []
                for text in group { texts.append(statement.text(text)) }
                places.append("(\(texts.joined(separator: ", ")))")
            }
            let names = by.map { "toString(\($0))" }.joined(separator: ", ")
            statement.add("(\(names)) IN (\(places.joined(separator: ", ")))")
        }
        var columns = by
        if let bucket = self.aggregation.bucket {
            columns.append("intDiv(toUnixTimestamp64Micro(ended_at), \(bucket)) * \(bucket) AS bucket")
        }
        let failures = ExecutionAggregation.failures.map { "'\($0)'" }.joined(separator: ", ")
        columns += [
            "count() AS n", "countIf(outcome IN (\(failures))) AS failures",
            "sum(ifNull(prompt_tokens, 0)) AS prompts", "sum(ifNull(completion_tokens, 0)) AS completions",
            "sum(ifNull(cost_nanodollars, 0)) AS costs",
        ]
        columns += self.spans.map { self.percentiles($0) }
        let grouped = by + (self.aggregation.bucket == nil ? [] : ["bucket"])
        let sql =
            "SELECT \(columns.joined(separator: ", ")) FROM \(self.table) FINAL\(statement.condition)"
            + (grouped.isEmpty ? "" : " GROUP BY " + grouped.joined(separator: ", "))
            + " LIMIT \(ExecutionAggregation.maximumCells + 1)"
        return (sql, statement.parameters)
    }

    /// Nearest rank over values rounded as in `ExecutionHistogram`. What is not there does not count.
    private func percentiles(_ span: ExecutionSpan) -> String {
        let column =
            switch span {
            case .total: "total_us"
            case .queued: "queued_us"
            case .firstToken: "assumeNotNull(first_token_us)"
            }
        let value = "greatest(\(column), 0)"
        // Small values are not rounded, but the server may compute both branches.
        let shift = "(toInt64(floor(log2(greatest(\(value), 256)))) - 7)"
        let middle =
            "bitShiftLeft(bitShiftRight(\(value), \(shift)), \(shift)) + bitShiftLeft(toInt64(1), \(shift) - 1)"
        let rounded = "if(\(value) < 256, \(value), \(middle))"
        let parts = ExecutionSpan.percentiles.map { String($0) }.joined(separator: ", ")
        let condition = span == .firstToken ? "isNotNull(first_token_us)" : "1"
        return "if(countIf(\(condition)) = 0, [], quantilesExactWeightedIf(\(parts))(toInt64(\(rounded)), 1, "
            + "\(condition))) AS percentiles_\(span.rawValue)"
    }

    // MARK: Reading

    private func key(_ line: ArraySlice<UInt8>) -> [String]? {
        try? JSON.read(Array(line)) { json in
            self.aggregation.by.map { json[named: $0.rawValue]?.string ?? "" }
        }
    }

    private func aggregate(
        _ lines: [ArraySlice<UInt8>],
        _ isTruncated: Bool
    ) throws(ExecutionStoreError) -> ExecutionAggregate {
        guard lines.count <= ExecutionAggregation.maximumCells else {
            throw .tooMuch("The answer would be too large. Ask for fewer groups or longer buckets.")
        }
        var places: [[String]: Int] = [:]
        var groups: [ExecutionAggregate.Group] = []
        for line in lines {
            guard let key = self.key(line), let bucket = self.bucket(line) else { continue }
            // Without groups there is always a row, even of nothing.
            guard bucket.cell.count > 0 else { continue }
            if let place = places[key] {
                groups[place].buckets.append(bucket)
            } else {
                places[key] = groups.count
                groups.append(.init(key: key, buckets: [bucket]))
            }
        }
        for index in groups.indices { groups[index].buckets.sort { $0.at < $1.at } }
        return ExecutionAggregate(groups: ExecutionTally.ordered(groups), isTruncated: isTruncated)
    }

    private func bucket(_ line: ArraySlice<UInt8>) -> ExecutionAggregate.Bucket? {
        try? JSON.read(Array(line)) { json in
            func number(_ name: String) -> Int64 { json[named: name]?.int.map { Int64($0) } ?? 0 }
            var cell = ExecutionCell()
            let at = number("bucket")
            cell.seconds = self.aggregation.seconds(of: at)
            cell.count = number("n")
            cell.failed = number("failures")
            cell.promptTokens = number("prompts")
            cell.completionTokens = number("completions")
            cell.cost = number("costs")
            for span in self.spans {
                json[named: "percentiles_\(span.rawValue)"]?.forEachElement { value in
                    cell.percentiles[span.rawValue].append(Int64(value.int ?? 0))
                    return true
                }
            }
            return .init(at: at, cell: cell)
        }
    }
}
