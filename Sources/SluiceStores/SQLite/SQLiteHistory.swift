import CSQLite
import SluiceBasics
import SluiceTelemetry

/// An open file of executions: writes, answers, keeps within its bounds. For one thread.
final class SQLiteHistory {
    let configuration: SQLiteHistoryConfiguration
    let database: SQLiteDatabase
    let names: SQLiteNames
    let rows: SQLiteRows
    /// Kept by counting: the table is asked only once.
    private(set) var count: Int
    private let deleteAged: SQLiteStatement
    private let deleteOldest: SQLiteStatement
    private let pageCount: SQLiteStatement
    private let freePages: SQLiteStatement
    private let pageBytes: Int

    /// Rows that go at once: what waits for the thread waits a few milliseconds.
    private static let deletedAtOnce = 500
    /// Pages that are given back to the file system at once.
    private static let vacuumedAtOnce = 256
    /// Pages that the log of changes grows to before they go into the file: 8 MB.
    private static let checkpointPages = 1_000

    /// Opens the file, and makes it if there is none.
    ///
    /// - Throws: `SQLiteError`; `isCorrupt` when the file is damaged.
    init(
        _ configuration: SQLiteHistoryConfiguration,
        _ interruption: Interruption
    ) throws(SQLiteError) {
        self.configuration = configuration
        let database = try SQLiteDatabase(path: configuration.path)
        self.database = database
        // One process has the file, and nobody waits for it: the second is told so.
        try database.execute("PRAGMA locking_mode = EXCLUSIVE")
        try Self.checkOwner(database)
        try database.execute("PRAGMA page_size = 8192")
        try database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        try database.execute("PRAGMA journal_mode = WAL")
        // A crash of this process loses nothing that was committed; one of the machine may lose the last seconds.
        try database.execute("PRAGMA synchronous = NORMAL")
        try database.execute("PRAGMA wal_autocheckpoint = \(Self.checkpointPages)")
        try database.execute("PRAGMA journal_size_limit = 16777216")
        try database.execute("PRAGMA cache_size = -16000")
        try database.execute("PRAGMA temp_store = MEMORY")
        try database.execute("PRAGMA secure_delete = OFF")
        try SQLiteSchema.migrate(database)
        self.names = try SQLiteNames(database)
        self.rows = try SQLiteRows(database, self.names)
        self.count = Int(try database.number("SELECT count(*) FROM executions") ?? 0)
        self.deleteAged = try database.prepare(
            "DELETE FROM executions WHERE key IN (SELECT key FROM executions WHERE key < ? ORDER BY key LIMIT ?)"
        )
        self.deleteOldest = try database.prepare(
            "DELETE FROM executions WHERE key IN (SELECT key FROM executions ORDER BY key LIMIT ?)"
        )
        self.pageCount = try database.prepare("PRAGMA page_count")
        self.freePages = try database.prepare("PRAGMA freelist_count")
        self.pageBytes = Int(try database.number("PRAGMA page_size") ?? 8192)
        database.interrupt(every: 4_000, interruption)
    }

    /// A database of somebody else, or of a later version, is left alone.
    private static func checkOwner(_ database: SQLiteDatabase) throws(SQLiteError) {
        let owner = try database.number("PRAGMA application_id") ?? 0
        let tables = try database.number("SELECT count(*) FROM sqlite_master") ?? 0
        if owner != SQLiteSchema.applicationID && (owner != 0 || tables != 0) {
            throw SQLiteError(code: SQLITE_MISUSE, words: "the file is another program's database")
        }
        let version = try database.number("PRAGMA user_version") ?? 0
        if version > SQLiteSchema.version {
            throw SQLiteError(
                code: SQLITE_MISUSE,
                words: "the file was written by a newer sluice (schema \(version), this one knows "
                    + "\(SQLiteSchema.version))"
            )
        }
    }

    // MARK: Writing

    /// All or none of them.
    func write(_ executions: ArraySlice<Execution>, _ identity: RuntimeIdentity) throws(SQLiteError) {
        try self.transaction { () throws(SQLiteError) in
            for execution in executions { try self.rows.write(ExecutionRow(execution, identity)) }
        }
        self.count += executions.count
    }

    func write(_ rows: [ExecutionRow]) throws(SQLiteError) {
        try self.transaction { () throws(SQLiteError) in for row in rows { try self.rows.write(row) } }
        self.count += rows.count
    }

    private func transaction(_ body: () throws(SQLiteError) -> Void) throws(SQLiteError) {
        try self.database.execute("BEGIN IMMEDIATE")
        do throws(SQLiteError) {
            try body()
            try self.database.execute("COMMIT")
        } catch {
            try? self.database.execute("ROLLBACK")
            // Numbers that were given to new names have gone with the transaction.
            self.names.forget()
            throw error
        }
    }

    // MARK: Bounds

    /// What rows take; free pages do not count, they are used again.
    func bytes() throws(SQLiteError) -> Int {
        (try self.value(self.pageCount) - self.value(self.freePages)) * self.pageBytes
    }

    /// One small step towards the bounds.
    ///
    /// - Parameter now: microseconds since 1970.
    /// - Returns: whether there is more to do.
    func retain(now: Int64) throws(SQLiteError) -> Bool {
        let cutoff = now - self.configuration.keep.wholeNanoseconds / 1_000
        var gone = try self.delete(self.deleteAged, SQLiteRows.key(cutoff))
        if gone == 0, try self.bytes() > self.configuration.maximumBytes { gone = try self.delete(self.deleteOldest) }
        if gone > 0 {
            self.count -= gone
            if let oldest = try self.oldest() { try self.names.dropUnused(before: oldest) }
            return true
        }
        guard try self.value(self.pageCount) * self.pageBytes > self.configuration.maximumBytes,
            try self.value(self.freePages) > 0
        else { return false }
        try self.database.execute("PRAGMA incremental_vacuum(\(Self.vacuumedAtOnce))")
        return try self.value(self.freePages) > 0
    }

    private func delete(_ statement: SQLiteStatement, _ key: Int64? = nil) throws(SQLiteError) -> Int {
        if let key { statement.bind(1, key) }
        statement.bind(key == nil ? 1 : 2, Int64(Self.deletedAtOnce))
        defer { statement.reset() }
        _ = try statement.step()
        return self.database.changes
    }

    private func value(_ statement: SQLiteStatement) throws(SQLiteError) -> Int {
        defer { statement.reset() }
        return try statement.step() ? Int(statement.number(0)) : 0
    }

    /// Microseconds since 1970 of the oldest end.
    func oldest() throws(SQLiteError) -> Int64? {
        try self.database.number("SELECT key FROM executions ORDER BY key LIMIT 1").map { SQLiteRows.time($0) }
    }

    /// Before the end of the process: all that was written goes into the one file.
    func finish() { try? self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)") }
}

/// What a history in a file is made of.
package struct SQLiteHistoryConfiguration: Sendable {
    /// A file, or `:memory:`.
    package var path: String
    package var keep: Duration
    /// Beyond it the oldest go.
    package var maximumBytes: Int
    /// Executions that wait to be written; more are lost, and counted.
    package var maximumWaiting = 50_000
    /// What ends is written together after this time.
    package var linger = Duration.milliseconds(200)
    /// Time for one question.
    package var timeout = Duration.seconds(10)

    package init(path: String, keep: Duration = .seconds(30 * 86_400), maximumBytes: Int = 1 << 30) {
        self.path = path
        self.keep = keep
        self.maximumBytes = maximumBytes
    }
}
