import SluiceBasics
import SluiceTelemetry

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// History in a file: a thread of its own writes what has ended, many in one commit, and answers questions in between.
///
/// Whoever records never waits: executions go into a bounded queue, and what finds no room there is counted.
package final class SQLiteExecutionStore: ExecutionStore, ExecutionSink, @unchecked Sendable {
    // Sound: what is shared lies in `queue`, which locks; `history`, `interruption` and `troubles` are touched before
    // the thread starts, and then by the thread alone.
    package let kind = "sqlite"
    private let configuration: SQLiteHistoryConfiguration
    private let identity: RuntimeIdentity
    private let clock: any TimeSource
    private let log: @Sendable (LogEntry) -> Void
    private let queue: StoreQueue<SQLiteExecutionStore>
    private let interruption: Interruption
    private var history: SQLiteHistory?
    private var troubles = Troubles()
    private var thread: pthread_t?

    /// Opens the file, and makes it if there is none. A damaged one is moved aside.
    ///
    /// - Throws: `ExecutionStoreError` when it cannot be used, and why.
    package init(
        _ configuration: SQLiteHistoryConfiguration,
        identity: RuntimeIdentity,
        clock: any TimeSource,
        log: @escaping @Sendable (LogEntry) -> Void
    ) throws(ExecutionStoreError) {
        self.configuration = configuration
        self.identity = identity
        self.clock = clock
        self.log = log
        self.queue = StoreQueue(maximumWaiting: configuration.maximumWaiting, linger: configuration.linger)
        self.interruption = Interruption(clock: clock)
        do throws(SQLiteError) {
            self.history = try self.open()
        } catch {
            throw .unavailable("history.path: \(configuration.path) cannot be used: \(Self.words(error))")
        }
        // The thread keeps the store alive until it is closed.
        self.thread = StoreThread.start { self.run() }
        if self.thread == nil { throw .unavailable("history: the system has no thread left") }
    }

    /// Writes what waits, and closes the file. Not for a reactor's thread.
    ///
    /// - Returns: how many executions could not be written any more.
    @discardableResult
    package func close() -> Int {
        let lost = self.queue.lost
        self.queue.stop()
        if let thread { pthread_join(thread, nil) }
        self.thread = nil
        return self.queue.lost - lost
    }

    package func record(_ execution: Execution) { self.queue.append(execution) }

    /// What waits to be written, and what has been lost since the process began.
    var load: (waiting: Int, lost: Int) { (self.queue.waiting, self.queue.lost) }

    // MARK: Questions

    package func page(_ query: ExecutionQuery) async throws(ExecutionStoreError) -> ExecutionPage {
        try await self.ask { try $0.page(query) }
    }

    package func find(_ id: String) async throws(ExecutionStoreError) -> ExecutionRow? {
        try await self.ask { try $0.find(id) }
    }

    package func aggregate(
        _ aggregation: ExecutionAggregation
    ) async throws(ExecutionStoreError) -> ExecutionAggregate {
        try await self.ask { try $0.aggregate(aggregation) }
    }

    package func statistics() async throws(ExecutionStoreError) -> ExecutionStatistics {
        let lost = self.queue.lost
        return try await self.ask { history in
            ExecutionStatistics(
                rows: history.count,
                bytes: try history.bytes(),
                oldest: try history.oldest(),
                lost: lost
            )
        }
    }

    /// Writes rows as they are; for tests and measurements.
    package func insert(_ rows: [ExecutionRow]) async throws(ExecutionStoreError) {
        try await self.ask { try $0.write(rows) }
    }

    private func ask<Answer: Sendable>(
        _ work: @escaping @Sendable (SQLiteHistory) throws -> Answer
    ) async throws(ExecutionStoreError) -> Answer {
        let asker = Asker(until: self.clock.now() + self.configuration.timeout)
        let answer = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Outcome<Answer>, Never>) in
                let isTaken = self.queue.ask { store in
                    continuation.resume(returning: store.answer(asker, work))
                }
                guard !isTaken else { return }
                continuation.resume(
                    returning: .failure(.unavailable("History is busy or shutting down. Try again in a few seconds."))
                )
            }
        } onCancel: {
            asker.goAway()
        }
        return try answer.get()
    }

    private typealias Outcome<Answer> = Result<Answer, ExecutionStoreError>

    // MARK: The thread

    private func run() {
        var more = false
        while let work = self.queue.next(waits: !more, pauses: !self.troubles.allows(self.clock.now())) {
            self.write(work.executions)
            work.question?(self)
            more = self.retain()
        }
        self.history?.finish()
        self.history = nil
    }

    private func answer<Answer>(
        _ asker: Asker,
        _ work: (SQLiteHistory) throws -> Answer
    ) -> Outcome<Answer> {
        // Whoever has waited in the queue for all of his time, or has gone, gets nothing read for him.
        if asker.isGone { return .failure(.unavailable("The question was withdrawn.")) }
        guard self.clock.now() < asker.deadline else {
            return .failure(.unavailable("History is busy with other questions. Try again in a few seconds."))
        }
        guard let history = self.usable() else {
            return .failure(.unavailable("History in \(self.configuration.path) cannot be opened; see the log."))
        }
        self.interruption.begin(for: asker)
        defer { self.interruption.end() }
        do {
            return .success(try work(history))
        } catch let error as ExecutionStoreError {
            return .failure(error)
        } catch let error as SQLiteError {
            if error.isInterrupted {
                return .failure(self.tooLong)
            }
            self.trouble(error, "answered")
            return .failure(.unavailable("History in \(self.configuration.path): \(Self.words(error))"))
        } catch {
            return .failure(.unavailable("History in \(self.configuration.path) failed."))
        }
    }

    private var tooLong: ExecutionStoreError {
        .tooMuch("That takes longer than \(self.configuration.timeout). Ask for less time or filter more.")
    }

    /// Rows of one commit.
    private static let writtenAtOnce = 2_000

    private func write(_ executions: [Execution]) {
        var rest = executions[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.writtenAtOnce)
            // At the end there is no later: it is tried once more, however short ago it failed.
            let mayTry = self.troubles.allows(self.clock.now()) || self.queue.isStopped
            guard mayTry, let history = self.usable() else { break }
            do throws(SQLiteError) {
                try history.write(part, self.identity)
                self.troubles.end()
                rest = rest.dropFirst(part.count)
            } catch {
                self.trouble(error, "written")
                break
            }
        }
        // They wait for better times, as long as there is room.
        if !rest.isEmpty { self.queue.putBack(rest) }
    }

    private func retain() -> Bool {
        guard self.troubles.allows(self.clock.now()), let history = self.usable() else { return false }
        do throws(SQLiteError) {
            return try history.retain(now: self.clock.wallClockNanoseconds() / 1_000)
        } catch {
            self.trouble(error, "kept within its bounds")
            return false
        }
    }

    // MARK: Trouble

    /// Between two attempts to write after one has failed, and between two lines about it.
    private struct Troubles {
        private static let pause = Duration.seconds(1)
        private static let silence = Duration.seconds(60)
        private var nextAttempt = Instant.zero
        private var nextLine = Instant.zero

        func allows(_ now: Instant) -> Bool { now >= self.nextAttempt }
        mutating func end() { self.nextAttempt = .zero }

        /// - Returns: whether it is time for a line.
        mutating func begin(_ now: Instant) -> Bool {
            self.nextAttempt = now + Self.pause
            guard now >= self.nextLine else { return false }
            self.nextLine = now + Self.silence
            return true
        }
    }

    private func trouble(_ error: SQLiteError, _ verb: String) {
        if error.isCorrupt {
            self.history = nil
            self.moveAside(error)
            return
        }
        guard self.troubles.begin(self.clock.now()) else { return }
        self.log(
            LogEntry(
                .error,
                "history cannot be \(verb)",
                [
                    ("path", self.configuration.path), ("error", Self.words(error)), ("lost", String(self.queue.lost)),
                ]
            )
        )
    }

    private func usable() -> SQLiteHistory? {
        if let history { return history }
        self.history = try? self.open()
        return self.history
    }

    private func open() throws(SQLiteError) -> SQLiteHistory {
        self.createForOwnerOnly()
        do throws(SQLiteError) {
            return try SQLiteHistory(self.configuration, self.interruption)
        } catch {
            guard error.isCorrupt else { throw error }
            self.moveAside(error)
            self.createForOwnerOnly()
            return try SQLiteHistory(self.configuration, self.interruption)
        }
    }

    /// It tells who asked which model for what, and when: others on the machine need not read that.
    private func createForOwnerOnly() {
        let path = self.configuration.path
        guard path != ":memory:", access(path, F_OK) != 0 else { return }
        let file = creat(path, 0o600)
        if file >= 0 { Glibc.close(file) }
    }

    /// Nothing is deleted: what can be saved of it, `sqlite3 FILE .recover` saves.
    private func moveAside(_ error: SQLiteError) {
        let path = self.configuration.path
        let aside = "\(path).damaged-\(self.clock.wallClockNanoseconds() / 1_000_000_000)"
        var isMoved = rename(path, aside) == 0
        for suffix in ["-wal", "-shm"] where access(path + suffix, F_OK) == 0 {
            isMoved = rename(path + suffix, aside + suffix) == 0 && isMoved
        }
        self.log(
            LogEntry(
                .error,
                isMoved
                    ? "history is damaged: it was moved aside, and a new one begins"
                    : "history is damaged, and cannot be moved aside",
                [("path", path), ("moved_to", aside), ("error", error.words)]
            )
        )
    }

    private static func words(_ error: SQLiteError) -> String {
        error.isBusy ? "another process has it open" : error.words
    }
}
