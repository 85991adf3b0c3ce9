/// Names and their numbers, in both directions. For one thread.
///
/// A name's `used_at` is at most `touchInterval` behind the end of the newest row with it, so that names can go with
/// the rows that had them, without a look at the rows.
final class SQLiteNames {
    private struct Known {
        var number: Int64
        var usedAt: Int64
    }

    /// Microseconds.
    private static let touchInterval: Int64 = 600_000_000
    /// Remembered here; with more of them it begins anew.
    private static let maximumRemembered = 20_000

    private var numbers: [String: Known] = [:]
    private var names: [Int64: String] = [:]
    private let insert: SQLiteStatement
    private let touch: SQLiteStatement
    private let byName: SQLiteStatement
    private let byNumber: SQLiteStatement
    private let drop: SQLiteStatement
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) throws(SQLiteError) {
        self.database = database
        self.insert = try database.prepare("INSERT INTO names(name, used_at) VALUES(?, ?)")
        self.touch = try database.prepare("UPDATE names SET used_at = max(used_at, ?) WHERE number = ?")
        self.byName = try database.prepare("SELECT number, used_at FROM names WHERE name = ?")
        self.byNumber = try database.prepare("SELECT name FROM names WHERE number = ?")
        self.drop = try database.prepare("DELETE FROM names WHERE used_at < ?")
    }

    /// The number of a name that a row with this end has; 0 for none.
    func number(of name: String?, at time: Int64) throws(SQLiteError) -> Int64 {
        guard let name, !name.isEmpty else { return 0 }
        if let known = self.numbers[name], time - known.usedAt < Self.touchInterval { return known.number }
        guard let known = try self.known(name) else {
            self.insert.bind(1, name)
            self.insert.bind(2, time)
            defer { self.insert.reset() }
            _ = try self.insert.step()
            let number = self.database.lastInsertedRow
            self.remember(name, Known(number: number, usedAt: time))
            return number
        }
        if time - known.usedAt >= Self.touchInterval {
            self.touch.bind(1, time)
            self.touch.bind(2, known.number)
            defer { self.touch.reset() }
            _ = try self.touch.step()
            self.remember(name, Known(number: known.number, usedAt: time))
        }
        return known.number
    }

    /// `nil` when no row has it; 0 for none.
    func find(_ name: String) throws(SQLiteError) -> Int64? {
        name.isEmpty ? 0 : try self.known(name)?.number
    }

    /// Empty for 0, and for a number that has gone.
    func name(_ number: Int64) throws(SQLiteError) -> String {
        guard number != 0 else { return "" }
        if let name = self.names[number] { return name }
        self.byNumber.bind(1, number)
        defer { self.byNumber.reset() }
        guard try self.byNumber.step() else { return "" }
        let name = self.byNumber.text(0)
        if self.names.count >= Self.maximumRemembered { self.forget() }
        self.names[number] = name
        return name
    }

    /// What was remembered may not be so any more: a transaction was undone.
    func forget() {
        self.numbers.removeAll(keepingCapacity: true)
        self.names.removeAll(keepingCapacity: true)
    }

    /// Drops names that only rows before this time can have had.
    func dropUnused(before time: Int64) throws(SQLiteError) {
        self.drop.bind(1, time - 2 * Self.touchInterval)
        defer { self.drop.reset() }
        _ = try self.drop.step()
        if self.database.changes > 0 { self.forget() }
    }

    private func known(_ name: String) throws(SQLiteError) -> Known? {
        if let known = self.numbers[name] { return known }
        self.byName.bind(1, name)
        defer { self.byName.reset() }
        guard try self.byName.step() else { return nil }
        let known = Known(number: self.byName.number(0), usedAt: self.byName.number(1))
        self.remember(name, known)
        return known
    }

    private func remember(_ name: String, _ known: Known) {
        if self.numbers.count >= Self.maximumRemembered { self.forget() }
        self.numbers[name] = known
        self.names[known.number] = name
    }
}
