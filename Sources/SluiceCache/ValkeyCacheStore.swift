import SluiceBasics
import SluiceWire

/// How the cache starts work of its own, and waits.
package struct CacheTasks: Sendable {
    package var spawn: @Sendable (@escaping @Sendable () async -> Void) -> any Cancellable
    package var sleep: @Sendable (Duration) async throws -> Void

    package init(
        spawn: @escaping @Sendable (@escaping @Sendable () async -> Void) -> any Cancellable,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) {
        self.spawn = spawn
        self.sleep = sleep
    }
}

/// Answers in Valkey, shared by all that use the same server.
///
/// No request is held up by a server that is slow or gone: a question has a short time, after which it counts as a
/// miss, and after a few failures in a row the server is left alone for a while.
package final class ValkeyCacheStore: CacheStore {
    private struct State: Sendable {
        var figures = CacheStoreFigures()
        var failuresInARow = 0
        var restsUntil = Instant.zero
        /// Answers on their way to the server, and their bytes.
        var writes = 0
        var writtenBytes = 0
    }

    /// Before the key's digest in hexadecimal.
    package static let prefix = "sluice:cache:"
    private static let failuresBeforeRest = 3
    private static let rest = Duration.seconds(1)
    /// Answers on their way at once: what a slow server does not take is not kept.
    private static let maximumWrites = 256
    private static let maximumWrittenBytes = 64 << 20

    private let link: any ValkeyLink
    private let maximumEntry: Int
    private let timeout: Duration
    private let clock: any TimeSource
    private let tasks: CacheTasks
    private let state = Lock(State())

    /// - Parameters:
    ///   - maximumEntry: bytes of one answer.
    ///   - timeout: for one question.
    package init(
        link: any ValkeyLink,
        maximumEntry: Int,
        timeout: Duration = .milliseconds(100),
        clock: any TimeSource,
        tasks: CacheTasks
    ) {
        self.link = link
        self.maximumEntry = maximumEntry
        self.timeout = timeout
        self.clock = clock
        self.tasks = tasks
    }

    package var figures: CacheStoreFigures { self.state.withLock { $0.figures } }

    package func find(_ key: CacheKey) async -> CacheEntry? {
        guard self.isTrusted else { return nil }
        let command = ValkeyCommand("GET", [.text(Self.prefix + key.text)])
        guard let answer = await self.ask(command) else { return nil }
        switch answer {
        case .bytes(let bytes):
            guard bytes.count <= self.maximumEntry + 4096, let entry = CacheEntry(encoded: bytes) else {
                self.state.withLock { $0.figures.failed += 1 }
                return nil
            }
            return entry
        default: return nil
        }
    }

    /// Returns at once; the server takes the answer in its own time.
    package func keep(_ entry: CacheEntry, for key: CacheKey, timeToLive: Duration) async {
        let size = entry.size
        let mayWrite = self.state.withLock { state in
            guard size <= self.maximumEntry else {
                state.figures.tooLarge += 1
                return false
            }
            guard state.writes < Self.maximumWrites, state.writtenBytes + size <= Self.maximumWrittenBytes else {
                state.figures.failed += 1
                return false
            }
            state.writes += 1
            state.writtenBytes += size
            return true
        }
        guard mayWrite else { return }
        let milliseconds = max(1, Int(clamping: timeToLive.wholeNanoseconds / 1_000_000))
        let command = ValkeyCommand(
            "SET",
            [.text(Self.prefix + key.text), .bytes(entry.encoded), "PX", .integer(milliseconds)]
        )
        _ = self.tasks.spawn {
            if self.isTrusted, await self.ask(command) != nil { self.state.withLock { $0.figures.stored += 1 } }
            self.state.withLock { state in
                state.writes -= 1
                state.writtenBytes -= size
            }
        }
    }

    private var isTrusted: Bool {
        let now = self.clock.now()
        return self.state.withLock { $0.restsUntil <= now }
    }

    /// The server's answer; `nil` when it failed or took too long.
    private func ask(_ command: ValkeyCommand) async -> RESPValue? {
        let link = self.link
        let race = Race<RESPValue>()
        let asking = self.tasks.spawn {
            do throws(ValkeyError) {
                race.finish(try await link.send(command))
            } catch {
                race.finish(nil)
            }
        }
        let sleep = self.tasks.sleep
        let timeout = self.timeout
        let waiting = self.tasks.spawn {
            do { try await sleep(timeout) } catch { return }
            race.finish(nil)
        }
        let answer = await race.result()
        waiting.cancel()
        asking.cancel()
        self.note(isFailure: answer == nil)
        return answer
    }

    private func note(isFailure: Bool) {
        let now = self.clock.now()
        self.state.withLock { state in
            guard isFailure else {
                state.failuresInARow = 0
                return
            }
            state.figures.failed += 1
            state.failuresInARow += 1
            guard state.failuresInARow >= Self.failuresBeforeRest else { return }
            state.restsUntil = now + Self.rest
            // One more failure after it is enough for the next.
            state.failuresInARow = Self.failuresBeforeRest - 1
        }
    }
}

/// The first of several ends counts; for one task that waits.
final class Race<Value: Sendable>: Sendable {
    private enum State: Sendable {
        case running
        case awaited(CheckedContinuation<Value?, Never>)
        case finished(Value?)
    }

    private let state = Lock(State.running)

    func finish(_ value: Value?) {
        let waiting = self.state.withLock { state -> CheckedContinuation<Value?, Never>? in
            switch state {
            case .running:
                state = .finished(value)
                return nil
            case .awaited(let continuation):
                state = .finished(value)
                return continuation
            case .finished: return nil
            }
        }
        waiting?.resume(returning: value)
    }

    func result() async -> Value? {
        await withCheckedContinuation { continuation in
            let finished = self.state.withLock { state -> Value?? in
                if case .finished(let value) = state { return .some(value) }
                state = .awaited(continuation)
                return nil
            }
            if let finished { continuation.resume(returning: finished) }
        }
    }
}
