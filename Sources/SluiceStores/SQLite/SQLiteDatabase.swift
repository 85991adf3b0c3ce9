import CSQLite

/// What the library says when something goes wrong: its code and its words, nothing of what was stored.
struct SQLiteError: Error, Equatable {
    var code: Int32
    var words: String

    /// The file is no database, or is damaged.
    var isCorrupt: Bool { [SQLITE_CORRUPT, SQLITE_NOTADB].contains(self.code & 0xFF) }
    var isInterrupted: Bool { self.code & 0xFF == SQLITE_INTERRUPT }
    var isConstraint: Bool { self.code & 0xFF == SQLITE_CONSTRAINT }
    var isBusy: Bool { [SQLITE_BUSY, SQLITE_LOCKED].contains(self.code & 0xFF) }
}

/// One connection. For one thread at a time.
final class SQLiteDatabase {
    private let handle: OpaquePointer
    private var isClosed = false

    /// - Parameter path: a file, or `:memory:`.
    init(path: String) throws(SQLiteError) {
        var handle: OpaquePointer?
        // Nobody else uses the connection while a thread does: the library's own locks would only cost.
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK, let handle else {
            let words = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(handle)
            throw SQLiteError(code: code, words: words)
        }
        self.handle = handle
        sqlite3_extended_result_codes(handle, 1)
    }

    deinit { self.close() }

    /// Statements must have gone before.
    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        sqlite3_close_v2(self.handle)
    }

    /// Statements without parameters or rows.
    func execute(_ sql: String) throws(SQLiteError) {
        try self.check(sqlite3_exec(self.handle, sql, nil, nil, nil))
    }

    func prepare(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
        var statement: OpaquePointer?
        try self.check(sqlite3_prepare_v2(self.handle, sql, -1, &statement, nil))
        guard let statement else { throw SQLiteError(code: SQLITE_MISUSE, words: "an empty statement") }
        return SQLiteStatement(statement, of: self)
    }

    /// The number that a statement answers; `nil` when it answers nothing.
    func number(_ sql: String) throws(SQLiteError) -> Int64? {
        let statement = try self.prepare(sql)
        return try statement.step() ? statement.number(0) : nil
    }

    /// Asks `context` every so many steps of the library's machine whether to go on.
    func interrupt(every steps: Int32, _ context: Interruption) {
        sqlite3_progress_handler(
            self.handle,
            steps,
            { context in
                guard let context else { return 0 }
                return Unmanaged<Interruption>.fromOpaque(context).takeUnretainedValue().isDue ? 1 : 0
            },
            Unmanaged.passUnretained(context).toOpaque()
        )
    }

    var lastInsertedRow: Int64 { sqlite3_last_insert_rowid(self.handle) }
    var changes: Int { Int(sqlite3_changes(self.handle)) }

    func check(_ code: Int32) throws(SQLiteError) {
        guard code != SQLITE_OK else { return }
        throw self.error(code)
    }

    func error(_ code: Int32) -> SQLiteError {
        SQLiteError(code: code, words: String(cString: sqlite3_errmsg(self.handle)))
    }
}

/// A prepared statement of a connection, which it keeps alive.
final class SQLiteStatement {
    private let statement: OpaquePointer
    private let database: SQLiteDatabase

    init(_ statement: OpaquePointer, of database: SQLiteDatabase) {
        self.statement = statement
        self.database = database
    }

    deinit { sqlite3_finalize(self.statement) }

    // MARK: Parameters, counted from 1

    func bind(_ index: Int32, _ value: Int64) { sqlite3_bind_int64(self.statement, index, value) }

    func bind(_ index: Int32, _ value: Int64?) {
        if let value { self.bind(index, value) } else { sqlite3_bind_null(self.statement, index) }
    }

    /// Empty text is kept as none at all.
    func bind(_ index: Int32, _ text: String?) {
        guard let text, !text.isEmpty else {
            sqlite3_bind_null(self.statement, index)
            return
        }
        self.bind(index, value: text)
    }

    func bind(_ index: Int32, value text: String) {
        // Without an address it would be no value at all.
        guard !text.isEmpty else {
            _ = sluice_sqlite_bind_text(self.statement, index, "", 0)
            return
        }
        var text = text
        text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                _ = sluice_sqlite_bind_text(self.statement, index, characters.baseAddress, Int32(characters.count))
            }
        }
    }

    func bind(_ index: Int32, bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            let characters = bytes.assumingMemoryBound(to: CChar.self)
            _ = sluice_sqlite_bind_text(self.statement, index, characters.baseAddress, Int32(characters.count))
        }
    }

    // MARK: Rows

    /// Whether there is a row.
    func step() throws(SQLiteError) -> Bool {
        let code = sqlite3_step(self.statement)
        if code == SQLITE_ROW { return true }
        guard code == SQLITE_DONE else { throw self.database.error(code) }
        return false
    }

    /// Ready to be run again; parameters stay.
    func reset() { sqlite3_reset(self.statement) }

    func number(_ column: Int32) -> Int64 { sqlite3_column_int64(self.statement, column) }

    func optional(_ column: Int32) -> Int64? {
        sqlite3_column_type(self.statement, column) == SQLITE_NULL ? nil : self.number(column)
    }

    func text(_ column: Int32) -> String { String(decoding: self.bytes(column), as: UTF8.self) }

    /// Empty where there is none.
    func bytes(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_text(self.statement, column) else { return [] }
        let count = Int(sqlite3_column_bytes(self.statement, column))
        return [UInt8](UnsafeBufferPointer(start: start, count: count))
    }
}
