/// The tables, and how an older file becomes a newer one.
enum SQLiteSchema {
    /// "Slce": whose file it is.
    static let applicationID: Int64 = 0x536C_6365

    /// Each step leads from one version to the next and is never changed once it has been shipped.
    static let steps: [[String]] = [
        [
            // Names of pools, models and so on, once: a row has their numbers, 0 where it has none.
            "CREATE TABLE names(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used_at INTEGER NOT NULL)",
            // `key`: microseconds of the end since 1970, times 1024, and a number to tell ends of one moment apart.
            // Rows lie in the order of time, without an index. What filters look at comes first.
            """
            CREATE TABLE executions(
                key INTEGER PRIMARY KEY, pool INTEGER NOT NULL, tenant INTEGER NOT NULL, model INTEGER NOT NULL,
                outcome INTEGER NOT NULL, reason INTEGER NOT NULL, error_class INTEGER NOT NULL,
                backend INTEGER NOT NULL, producer INTEGER NOT NULL, gateway INTEGER NOT NULL,
                dispatcher INTEGER NOT NULL, priority INTEGER NOT NULL, operation INTEGER NOT NULL,
                fabric_group INTEGER NOT NULL, total INTEGER NOT NULL, queued INTEGER NOT NULL, prompt INTEGER,
                completion INTEGER, attempts INTEGER NOT NULL, cost INTEGER, first_token INTEGER, id TEXT NOT NULL,
                remote_id TEXT, trace_id TEXT, submitted INTEGER NOT NULL, execution INTEGER, stream INTEGER NOT NULL,
                status INTEGER, cached INTEGER, reasoning INTEGER, payload INTEGER NOT NULL, messages INTEGER NOT NULL,
                span_id TEXT, message TEXT, attempt_list TEXT)
            """,
        ],
        ["CREATE INDEX executions_by_id ON executions(id)"],
        ["CREATE INDEX executions_by_trace ON executions(trace_id)"],
    ]

    static var version: Int64 { Int64(self.steps.count) }

    /// Brings a file to this version.
    ///
    /// - Parameter version: where to stop; for tests of what older files become.
    static func migrate(_ database: SQLiteDatabase, to version: Int64 = Self.version) throws(SQLiteError) {
        let present = try database.number("PRAGMA user_version") ?? 0
        guard present < version else { return }
        for index in Int(present)..<Int(version) {
            try database.execute("BEGIN IMMEDIATE")
            do throws(SQLiteError) {
                for statement in Self.steps[index] { try database.execute(statement) }
                try database.execute("PRAGMA application_id = \(Self.applicationID)")
                try database.execute("PRAGMA user_version = \(index + 1)")
                try database.execute("COMMIT")
            } catch {
                try? database.execute("ROLLBACK")
                throw error
            }
        }
    }
}
