import SluiceBasics
import SluiceWire

/// One call from its coming to its end: attempts, pauses, time-outs, what observers are told.
final class CompletionCall {
    let ground: any CompletionGround
    let id: String
    private let core: CompletionCore
    private let retries: RetrySettings
    private let attemptTimeout: Duration?
    /// Between two pieces of a stream.
    let chunkTimeout: Duration?
    private let start: Instant
    private let deadline: Instant
    private var report: CompletionReport
    private let observers: [any CompletionObserver]
    private let wantsContent: Bool
    private let wantsChunks: Bool
    private var chunks = 0
    private var hasBegun = false
    private var hasEnded = false

    init(
        _ core: CompletionCore,
        model: String,
        operation: String,
        isStream: Bool,
        _ options: CompletionOptions
    ) throws(ProviderError) {
        self.core = core
        self.ground = try core.shell.open()
        self.id = core.nextID()
        self.retries = options.retries ?? core.configuration.retries
        self.attemptTimeout = options.attemptTimeout ?? core.configuration.attemptTimeout
        self.chunkTimeout = (options.chunkTimeout ?? core.configuration.chunkTimeout).map { max(.milliseconds(1), $0) }
        self.start = self.ground.now()
        self.deadline = self.start + max(.zero, options.timeout ?? core.configuration.timeout)
        self.observers = core.configuration.observers
        self.wantsContent = self.observers.contains { $0.wantsContent }
        self.wantsChunks = self.observers.contains { $0.wantsChunks }
        self.report = CompletionReport(
            id: self.id,
            model: model,
            operation: operation,
            isStream: isStream,
            startedAt: self.ground.wallClockSeconds()
        )
    }

    /// Whoever lets go of a stream before its end has cancelled it.
    deinit {
        if self.hasBegun, !self.hasEnded { self.fail(.cancelled(self.report.provider ?? "")) }
    }

    var needsContent: Bool { self.wantsContent }
    var attempts: Int { self.report.attempts }
    /// Seconds since 1970.
    var now: Int { Int(self.ground.wallClockSeconds()) }

    // MARK: Attempts

    /// Makes attempts until one succeeds or no other makes sense.
    ///
    /// - Parameter attempt: is told how long it may take.
    func attempts<Success>(
        _ attempt: (AttemptTime) async throws(ProviderError) -> Success
    ) async throws(ProviderError) -> Success {
        while true {
            let left = try self.remaining()
            self.report.attempts += 1
            do throws(ProviderError) {
                let answer = min(left, max(.milliseconds(1), self.attemptTimeout ?? left))
                return try await attempt(AttemptTime(left: left, answer: answer))
            } catch {
                try await self.pauseOrGiveUp(error)
            }
        }
    }

    private func remaining() throws(ProviderError) -> Duration {
        if Task.isCancelled { throw .cancelled(self.report.provider ?? "") }
        let left = self.deadline - self.ground.now()
        guard left > .zero else { throw self.outOfTime }
        return left
    }

    private var outOfTime: ProviderError {
        ProviderError(
            .timeout,
            "the call did not end within \((self.deadline - self.start).inSeconds) s",
            provider: self.report.provider ?? "",
            code: "timeout",
            isRetryable: false
        )
    }

    /// - Throws: the error itself, unless there is to be another attempt.
    func pauseOrGiveUp(_ error: ProviderError) async throws(ProviderError) {
        guard error.isRetryable, self.report.attempts < min(max(1, self.retries.attempts), 100), !Task.isCancelled,
            let pause = self.retries.pause(
                after: self.report.attempts,
                asked: error.retryAfter,
                unit: self.core.nextUnit()
            ),
            self.ground.now() + pause < self.deadline
        else { throw error }
        do {
            try await self.ground.sleep(for: pause)
        } catch {
            throw .cancelled(self.report.provider ?? "")
        }
    }

    // MARK: Observers

    func dropped(_ names: [String]) {
        guard !names.isEmpty, self.report.attempts <= 1 else { return }
        self.core.configuration.onDroppedParameters?(names, self.report.model)
    }

    func begin(provider: String?, request: () -> [UInt8]) {
        self.report.provider = provider
        guard !self.observers.isEmpty else { return }
        if self.wantsContent { self.report.request = request() }
        self.report.waited = self.ground.now() - self.start
        self.hasBegun = true
        for observer in self.observers { observer.willCall(self.report) }
    }

    func received(_ bytes: [UInt8]) {
        guard self.wantsChunks else { return }
        var chunk = CompletionChunk(index: self.chunks, byteCount: bytes.count)
        if self.wantsContent { chunk.bytes = bytes }
        self.chunks += 1
        for observer in self.observers where observer.wantsChunks { observer.didReceive(chunk, self.report) }
    }

    func receivedContent() {
        if self.report.timeToFirstToken == nil { self.report.timeToFirstToken = self.ground.now() - self.start }
    }

    func succeed(usage: ChatUsage?, promptTokens: Int? = nil, answer: () -> [UInt8]?) {
        guard self.hasBegun, !self.hasEnded else { return }
        self.report.promptTokens = usage?.promptTokens ?? promptTokens
        self.report.completionTokens = usage?.completionTokens
        self.report.status = 200
        if self.wantsContent { self.report.answer = answer() }
        self.report.outcome = "done"
        self.report.reason = "ok"
        self.end { $0.didSucceed($1) }
    }

    /// Runs what the call consists of; whatever it throws has ended the call.
    func ending<Success>(_ body: () async throws(ProviderError) -> Success) async throws(ProviderError) -> Success {
        do throws(ProviderError) {
            return try await body()
        } catch {
            self.fail(error)
            throw error
        }
    }

    func fail(_ error: ProviderError) {
        guard self.hasBegun, !self.hasEnded else { return }
        self.report.status = error.status
        self.report.outcome = error.kind == .cancelled ? "cancelled" : "failed"
        self.report.reason = error.kind.rawValue
        self.report.errorClass = error.kind.rawValue
        self.report.errorMessage = error.message
        self.end { $0.didFail($1) }
    }

    private func end(_ tell: (any CompletionObserver, CompletionReport) -> Void) {
        self.hasEnded = true
        self.report.total = self.ground.now() - self.start
        for observer in self.observers { tell(observer, self.report) }
        for observer in self.observers { observer.didEnd(self.report) }
    }
}

/// How long one attempt may take.
struct AttemptTime {
    /// To the end of the whole call.
    var left: Duration
    /// To the answer, or a stream's first content; at most `left`.
    var answer: Duration
}

extension RetrySettings {
    /// - Parameters:
    ///   - attempt: that failed, from 1.
    ///   - asked: for how long the provider asks to wait.
    ///   - unit: random, in [0, 1).
    /// - Returns: `nil`: it asks for too much.
    func pause(after attempt: Int, asked: Duration?, unit: Double) -> Duration? {
        let doublings = min(max(0, attempt - 1), 20)
        let full = min(max(.zero, self.longestPause), max(.zero, self.firstPause) * (1 << doublings))
        let drawn = full / 2 + full / 2 * unit
        guard let asked else { return drawn }
        guard asked <= self.longestRetryAfter else { return nil }
        return max(asked + full / 10 * unit, drawn)
    }
}
