import Glibc
import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import Testing

@testable import SluiceStores

@Suite struct SQLiteExecutionStoreTests {
    private static let lines = Lock<[String]>([])

    /// A file of a test's own.
    private func path(_ name: String) -> String {
        let path = "/tmp/sluice-history-\(getpid())-\(name).db"
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        return path
    }

    private func store(
        _ configuration: SQLiteHistoryConfiguration,
        log: Lock<[LogEntry]> = Lock([])
    ) throws -> SQLiteExecutionStore {
        try SQLiteExecutionStore(
            configuration,
            identity: RuntimeIdentity(fabricGroup: "g", gateway: "gw"),
            clock: SystemClock(),
            log: { line in log.withLock { $0.append(line) } }
        )
    }

    private func configuration(_ path: String) -> SQLiteHistoryConfiguration {
        // The rows of tests are of a fixed time.
        SQLiteHistoryConfiguration(path: path, keep: .seconds(20 * 365 * 86_400))
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `it answers as a look at all rows does`(seed: UInt64) async throws {
        let store = try self.store(self.configuration(":memory:"))
        defer { store.close() }
        try await ExecutionStoreConformance(seed: seed).check { rows in
            try await store.insert(rows)
            return store
        }
    }

    @Test func `what is in the file is there after a restart, and is the owner's alone`() async throws {
        let path = self.path("restart")
        var random = RandomExecutions(seed: 9)
        let rows = random.rows(300)
        let first = try self.store(self.configuration(path))
        try await first.insert(rows)
        for number in 1...50 as ClosedRange<UInt64> { first.record(Execution.done(number)) }
        first.close()
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let second = try self.store(self.configuration(path))
        #expect(try await second.statistics().rows == 350)
        var query = ExecutionQuery()
        query.limit = 1_000
        query.matches[.fabricGroup] = ExecutionMatch(noneOf: ["g"])
        #expect(try await second.page(query) == ExecutionRows(rows).page(query))
        #expect(try await second.find(RequestID(high: 1, low: 50).description)?.gateway == "gw")
        second.close()
    }

    @Test func `what was recorded is in the next answer`() async throws {
        let store = try self.store(self.configuration(":memory:"))
        defer { store.close() }
        for number in 1...500 as ClosedRange<UInt64> {
            store.record(Execution.done(number))
            if number.isMultiple(of: 100) {
                #expect(try await store.statistics().rows == Int(number))
            }
        }
        #expect(try await store.find(RequestID(high: 1, low: 500).description) != nil)
    }

    @Test func `more than fits the queue is counted, not waited for`() async throws {
        var configuration = self.configuration(":memory:")
        configuration.maximumWaiting = 10
        configuration.linger = .seconds(60)
        let store = try self.store(configuration)
        defer { store.close() }
        for number in 1...25 as ClosedRange<UInt64> { store.record(Execution.done(number)) }
        let statistics = try await store.statistics()
        #expect(statistics.rows + statistics.lost == 25 && statistics.lost >= 1)
    }

    @Test func `rows go by age, with the names that only they had`() async throws {
        let now = SystemClock().wallClockNanoseconds() / 1_000
        var configuration = self.configuration(":memory:")
        configuration.keep = .seconds(86_400)
        let store = try self.store(configuration)
        defer { store.close() }
        var random = RandomExecutions(seed: 4)
        var rows = random.rows(2_000)
        for index in rows.indices {
            // Half of them ended two days ago.
            rows[index].endedAt = now - (index < 1_000 ? 2 * 86_400_000_000 : 0) + Int64(index)
            rows[index].tenant = index < 1_000 ? "old-\(index)" : "new"
        }
        try await store.insert(rows)
        var left = try await store.statistics()
        for _ in 0..<1_000 where left.rows > 1_000 { left = try await store.statistics() }
        #expect(left.rows == 1_000)
        #expect(left.oldest == rows[1_000].endedAt)
        var query = ExecutionQuery()
        query.matches[.tenant] = ExecutionMatch(anyOf: ["old-5"])
        #expect(try await store.page(query).rows.isEmpty)
        query.matches[.tenant] = ExecutionMatch(anyOf: ["new"])
        #expect(try await store.page(query).rows.count == 50)
    }

    @Test func `the file stays within its size, and the oldest rows go`() async throws {
        let path = self.path("size")
        var configuration = self.configuration(path)
        configuration.maximumBytes = 2 << 20
        let store = try self.store(configuration)
        var random = RandomExecutions(seed: 5)
        var newest = 0 as Int64
        for _ in 0..<20 {
            let rows = random.rows(1_000)
            newest = rows.map(\.endedAt).max() ?? 0
            try await store.insert(rows)
        }
        var statistics = try await store.statistics()
        for _ in 0..<1_000 where (statistics.bytes ?? 0) > 2 << 20 { statistics = try await store.statistics() }
        #expect((statistics.bytes ?? 0) <= 2 << 20 && statistics.rows > 1_000 && statistics.rows < 20_000)
        #expect(try await store.page(ExecutionQuery()).rows.first?.endedAt == newest)
        store.close()
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_size < 4 << 20)
    }

    @Test func `a damaged file is said and moved aside, not lost`() async throws {
        let path = self.path("damaged")
        let file = try #require(fopen(path, "w"))
        fputs(String(repeating: "this is no database. ", count: 1_000), file)
        fclose(file)
        let log = Lock<[LogEntry]>([])
        let store = try self.store(self.configuration(path), log: log)
        store.record(Execution.done(1))
        #expect(try await store.statistics().rows == 1)
        store.close()
        let line = try #require(log.withLock { $0.first })
        #expect(line.message == "history is damaged: it was moved aside, and a new one begins")
        let aside = try #require(line.fields.first { $0.name == "moved_to" }?.value)
        #expect(access(aside, F_OK) == 0)
        unlink(aside)
    }

    @Test func `a file that is damaged while it is open is moved aside too`() async throws {
        let path = self.path("damaged-later")
        let first = try self.store(self.configuration(path))
        var random = RandomExecutions(seed: 6)
        try await first.insert(random.rows(5_000))
        first.close()
        // All but the first pages, which tell that it is a database.
        let file = open(path, O_WRONLY)
        let garbage = [UInt8](repeating: 0xA5, count: 1 << 16)
        for part in 0..<12 { pwrite(file, garbage, garbage.count, 65_536 + part * garbage.count) }
        Glibc.close(file)
        let log = Lock<[LogEntry]>([])
        let store = try self.store(self.configuration(path), log: log)
        var query = ExecutionQuery()
        query.sort = .latency
        _ = try? await store.page(query)
        store.record(Execution.done(1))
        #expect(try await store.page(query).rows.count == 1)
        store.close()
        #expect(log.withLock { $0.contains { $0.message.hasPrefix("history is damaged: it was moved aside") } })
    }

    @Test func `another's database and a newer one are left alone`() throws {
        let path = self.path("foreign")
        do {
            let foreign = try SQLiteDatabase(path: path)
            try foreign.execute("CREATE TABLE theirs(a)")
        }
        #expect(throws: ExecutionStoreError.self) { try self.store(self.configuration(path)) }
        let newer = self.path("newer")
        do {
            let database = try SQLiteDatabase(path: newer)
            try SQLiteSchema.migrate(database)
            try database.execute("PRAGMA user_version = 99")
        }
        #expect(throws: ExecutionStoreError.self) { try self.store(self.configuration(newer)) }
        #expect(access(path, F_OK) == 0 && access(newer, F_OK) == 0)
    }

    @Test func `an older file becomes a newer one, with its rows`() async throws {
        let path = self.path("older")
        var random = RandomExecutions(seed: 7)
        let rows = random.rows(50)
        do {
            let database = try SQLiteDatabase(path: path)
            try SQLiteSchema.migrate(database, to: 1)
            let writer = try SQLiteRows(database, try SQLiteNames(database))
            for row in rows { try writer.write(row) }
        }
        let store = try self.store(self.configuration(path))
        defer { store.close() }
        #expect(try await store.find(rows[3].id) == ExecutionRows(rows).find(rows[3].id))
    }

    @Test func `a second process is told that the file is in use`() throws {
        let path = self.path("busy")
        let first = try self.store(self.configuration(path))
        defer { first.close() }
        let error = #expect(throws: ExecutionStoreError.self) { try self.store(self.configuration(path)) }
        #expect(error?.message.contains("another process has it open") == true)
    }
}
