import SluiceBasics
import SluiceTelemetry
import SluiceWire

/// History in ClickHouse, derived from the spans that are there. Reads only: spans come from exporters.
package final class ClickHouseExecutionStore: ExecutionStore {
    package let kind = "clickhouse"
    private let client: ClickHouseClient
    private let clock: any TimeSource
    private let log: @Sendable (LogEntry) -> Void

    private enum Readiness {
        case unknown
        /// Somebody makes it ready.
        case preparing
        case ready
        /// It was tried, and is not tried again before.
        case failed(again: Instant, words: String)
    }

    private let asked = Lock(0)
    /// Questions at once; each holds a connection for as long as ClickHouse takes.
    private static let mostQuestions = 16

    private let readiness = Lock(Readiness.unknown)
    private let failedBackfills = Lock(0)
    /// After so many a history without what was before is better than none.
    private static let mostBackfills = 3
    private static let pause = Duration.seconds(5)
    /// Time to make a row of every span that is there already.
    private static let backfillTimeout = Duration.seconds(600)
    /// Seconds before the setting up from which spans may come late.
    private static let overlap = 3_600

    package init(
        _ configuration: ClickHouseHistoryConfiguration,
        client: any HTTPClient,
        clock: any TimeSource,
        log: @escaping @Sendable (LogEntry) -> Void
    ) {
        self.client = ClickHouseClient(configuration: configuration, client: client)
        self.clock = clock
        self.log = log
    }

    private var table: String { "`\(self.client.configuration.database)`.\(ClickHouseSchema.table)" }

    // MARK: The table

    /// Makes the table and the view if they are not there. Called at the start, and again before a question while they
    /// are not.
    package func prepare() async { try? await self.ready() }

    /// Only one makes it ready; whoever asks meanwhile is told so.
    private func ready() async throws(ExecutionStoreError) {
        let now = self.clock.now()
        let words = self.readiness.withLock { state -> String? in
            switch state {
            case .ready: return nil
            case .preparing: return "History in ClickHouse is being set up. Try again in a few seconds."
            case .failed(let again, let words) where now < again: return words
            default:
                state = .preparing
                return ""
            }
        }
        guard let words else { return }
        guard words.isEmpty else { throw .unavailable(words) }
        do throws(ClickHouseClient.Failure) {
            try await self.create()
            self.readiness.withLock { $0 = .ready }
        } catch {
            let words = self.explained(error)
            self.readiness.withLock { $0 = .failed(again: self.clock.now() + Self.pause, words: words) }
            self.log(LogEntry(.warning, "history in ClickHouse is not ready", [("error", words)]))
            throw .unavailable(words)
        }
    }

    /// The view comes last: that it is there says to every process that all is done.
    private func create() async throws(ClickHouseClient.Failure) {
        let (database, spans) = (self.client.configuration.database, self.client.configuration.spans)
        let timeout = self.client.configuration.timeout
        let found = try await self.client.rows(
            "SELECT name FROM system.tables WHERE database = {database:String} AND name IN ({table:String}, "
                + "{view:String})",
            [("database", database), ("table", ClickHouseSchema.table), ("view", ClickHouseSchema.view(of: spans))]
        )
        // Its own account may not be allowed to make tables; then somebody else has made them.
        guard found.count < 2 else { return }
        let days = max(1, Int(self.client.configuration.keep.inSeconds / 86_400))
        try await self.client.run(ClickHouseSchema.tableCreation(database, days: days), timeout: timeout)
        let began = self.clock.now()
        do throws(ClickHouseClient.Failure) {
            let all = ClickHouseSchema.backfill(database, spans: spans, seconds: days * 86_400)
            try await self.client.run(all, timeout: Self.backfillTimeout)
        } catch {
            // What the server itself refuses it may always refuse: there may be too much of it.
            let isLacking = [0, ClickHouseClient.Failure.unknownTable, ClickHouseClient.Failure.unknownDatabase]
            guard !isLacking.contains(error.code) else { throw error }
            let failed = self.failedBackfills.withLock { count in
                count += 1
                return count
            }
            guard failed >= Self.mostBackfills else { throw error }
            let words = self.explained(error)
            self.log(LogEntry(.warning, "history in ClickHouse lacks what was before", [("error", words)]))
        }
        try await self.client.run(ClickHouseSchema.viewCreation(database, spans: spans), timeout: timeout)
        // What came meanwhile; what is there twice becomes one row.
        let seconds = Int((self.clock.now() - began).inSeconds) + Self.overlap
        let rest = ClickHouseSchema.backfill(database, spans: spans, seconds: seconds)
        _ = try? await self.client.run(rest, timeout: timeout)
        self.log(
            LogEntry(.info, "history in ClickHouse was set up", [("table", "\(database).\(ClickHouseSchema.table)")])
        )
    }

    // MARK: Questions

    package func page(_ query: ExecutionQuery) async throws(ExecutionStoreError) -> ExecutionPage {
        var statement = ClickHouseStatement(query)
        statement.goOn(query)
        let sql =
            "SELECT \(ClickHouseRow.selection) FROM \(self.table)" + statement.condition
            + ClickHouseStatement.ordering(query)
        var found: [ExecutionRow] = []
        for line in try await self.ask(sql, statement.parameters) { found.append(try Self.row(line)) }
        // A span that was inserted twice is still two rows until parts are merged; they stand side by side.
        var rows: [ExecutionRow] = []
        for row in found where rows.last.map({ $0.id == row.id && $0.endedAt == row.endedAt }) != true {
            rows.append(row)
        }
        guard found.count >= ClickHouseStatement.rows(query), rows.count <= query.limit else {
            return ExecutionPage(query, found: Array(rows.prefix(query.limit + 1)))
        }
        return ExecutionPage(rows: rows, next: rows.last.map { ExecutionPosition($0, in: query.sort) })
    }

    package func find(_ id: String) async throws(ExecutionStoreError) -> ExecutionRow? {
        var statement = ClickHouseStatement()
        let place = statement.text(id)
        statement.add("id = \(place)")
        let sql =
            "SELECT \(ClickHouseRow.selection) FROM \(self.table)" + statement.condition
            + " ORDER BY ended_at DESC LIMIT 1"
        return try await self.ask(sql, statement.parameters).first.map { line throws(ExecutionStoreError) in
            try Self.row(line)
        }
    }

    private static func row(_ line: ArraySlice<UInt8>) throws(ExecutionStoreError) -> ExecutionRow {
        guard let row = ClickHouseRow.row(line) else {
            throw .unavailable("ClickHouse answered with what is no row of \(ClickHouseSchema.table).")
        }
        return row
    }

    package func aggregate(
        _ aggregation: ExecutionAggregation
    ) async throws(ExecutionStoreError) -> ExecutionAggregate {
        try await ClickHouseFigures(aggregation, table: self.table).answer {
            sql,
            parameters throws(ExecutionStoreError) in
            try await self.ask(sql, parameters)
        }
    }

    package func statistics() async throws(ExecutionStoreError) -> ExecutionStatistics {
        let counted = try await self.ask(
            "SELECT count() AS n, toUnixTimestamp64Micro(min(ended_at)) AS oldest FROM \(self.table)",
            []
        )
        let sized = try await self.ask(
            "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = {database:String} "
                + "AND table = {table:String}",
            [("database", self.client.configuration.database), ("table", ClickHouseSchema.table)]
        )
        let count = counted.first.flatMap { ClickHouseRow.number($0, "n") } ?? 0
        return ExecutionStatistics(
            rows: Int(count),
            bytes: sized.first.flatMap { ClickHouseRow.number($0, "bytes") }.map { Int($0) },
            oldest: count > 0 ? counted.first.flatMap { ClickHouseRow.number($0, "oldest") } : nil,
            lost: 0
        )
    }

    private func ask(
        _ sql: String,
        _ parameters: [(name: String, value: String)]
    ) async throws(ExecutionStoreError) -> [ArraySlice<UInt8>] {
        guard self.enter() else {
            throw .unavailable("History in ClickHouse is busy with other questions. Try again in a few seconds.")
        }
        defer { self.asked.withLock { $0 -= 1 } }
        try await self.ready()
        do throws(ClickHouseClient.Failure) {
            return try await self.client.rows(sql, parameters)
        } catch {
            switch error.code {
            case ClickHouseClient.Failure.timeoutExceeded, ClickHouseClient.Failure.memoryLimit:
                throw .tooMuch("That is too much for ClickHouse's limits. Ask for less time or filter more.")
            case ClickHouseClient.Failure.unknownTable, ClickHouseClient.Failure.unknownDatabase:
                // Somebody has taken it away: it is made anew.
                self.readiness.withLock { $0 = .unknown }
                throw .unavailable(self.explained(error))
            default: throw .unavailable(self.explained(error))
            }
        }
    }

    private func enter() -> Bool {
        self.asked.withLock { asked in
            guard asked < Self.mostQuestions else { return false }
            asked += 1
            return true
        }
    }

    /// What is wrong, and what to check.
    private func explained(_ failure: ClickHouseClient.Failure) -> String {
        let configuration = self.client.configuration
        let check =
            switch failure.code {
            case _ where ClickHouseClient.Failure.authentication.contains(failure.code):
                "check clickhouse.user and clickhouse.password"
            case ClickHouseClient.Failure.unknownDatabase, ClickHouseClient.Failure.unknownTable:
                "there is no \(configuration.database).\(configuration.spans): check clickhouse.database, and that "
                    + "spans are exported (the first one makes the table)"
            case 0: "check clickhouse.url, and that the server runs and its HTTP interface can be reached from here"
            default: "check the rights of clickhouse.user on database \(configuration.database)"
            }
        return
            "History in ClickHouse at \(Self.shown(configuration.url)) is not available; \(check). (\(failure.words))"
    }

    /// Without user and password, if somebody has put them there.
    private static func shown(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://"), let at = url.lastIndex(of: "@"), scheme.upperBound <= at else {
            return url
        }
        return url[..<scheme.upperBound] + "..." + url[at...]
    }
}
