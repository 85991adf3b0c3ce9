import SluiceBasics
import SluiceCore
import SluiceWire

/// Whoever sends spans elsewhere.
package protocol SpanExporting: ExecutionSink {
    var name: String { get }
    var figures: ExportFigures { get }
    /// Sends what waits, until then.
    ///
    /// - Returns: how many spans are left.
    func close(limit: Duration) async -> Int
}

/// Sends the spans of what has ended to one place.
///
/// ```
/// record ──▶ queue ──encode──▶ spool ──send──▶ delivery
///            (executions)      (chunks; waits while nobody takes them)
/// ```
///
/// `record` puts a value into a bounded list and returns; all else is done by tasks, in slices.
package final class SpanExporter<Encoder: SpanEncoder>: SpanExporting {
    package typealias Spawn = @Sendable (@escaping @Sendable () async -> Void) -> any Cancellable
    package typealias Sleep = @Sendable (Duration) async throws -> Void

    struct State: Sendable {
        var queue: [Execution] = []
        var spool: SpanSpool
        var breakers: [BreakerChange] = []
        var figures = ExportFigures()
        var random: SeededRandom
        /// A task encodes what is queued; another waits until it is time to.
        var isEncoding = false
        var isTimed = false
        var isSending = false
        /// So many chunks are sent however few they are.
        var due = 0
        var isClosing = false
        /// Since the last success.
        var failures = 0
        var isPrepared = false
        var lostBefore = 0
    }

    package var name: String { self.delivery.name }
    let delivery: any SpanDelivery
    let limits: ExportLimits
    let client: any HTTPClient
    let clock: any TimeSource
    let sleep: Sleep
    let log: @Sendable (LogEntry) -> Void
    let state: Lock<State>
    private let spans: ExecutionSpans
    private let contents: ContentShelf?
    private let spawn: Spawn
    private let encoder: Lock<Encoder>
    private static var mostBreakers: Int { 64 }
    private static var drainStep: Duration { .milliseconds(20) }

    /// - Parameters:
    ///   - contents: where prompts and answers are found, if they are captured.
    ///   - seed: of the jitter of repetitions.
    package init(
        _ spans: ExecutionSpans,
        encoder: Encoder,
        delivery: any SpanDelivery,
        limits: ExportLimits,
        contents: ContentShelf? = nil,
        client: any HTTPClient,
        clock: any TimeSource,
        seed: UInt64,
        spawn: @escaping Spawn,
        sleep: @escaping Sleep,
        log: @escaping @Sendable (LogEntry) -> Void
    ) {
        self.spans = spans
        self.contents = contents
        self.encoder = Lock(encoder)
        self.delivery = delivery
        self.limits = limits
        self.client = client
        self.clock = clock
        self.spawn = spawn
        self.sleep = sleep
        self.log = log
        self.state = Lock(
            State(spool: SpanSpool(maximumBytes: limits.spoolBytes), random: SeededRandom(seed: seed))
        )
    }

    // MARK: What happens

    private enum Next: Sendable {
        case nothing
        case encode
        case wait
    }

    package func record(_ execution: Execution) {
        guard self.spans.wants(execution) else { return }
        let next = self.state.withLock { state -> Next in
            guard state.queue.count < self.limits.queue else {
                state.figures.lostInQueue += 1
                return .nothing
            }
            state.queue.append(execution)
            if state.queue.count >= self.limits.chunk, !state.isEncoding {
                state.isEncoding = true
                return .encode
            }
            guard !state.isTimed else { return .nothing }
            state.isTimed = true
            return .wait
        }
        switch next {
        case .nothing: break
        case .encode: _ = self.spawn { await self.encode() }
        case .wait: _ = self.spawn { await self.wait() }
        }
    }

    package func changed(_ event: PoolEvent) {
        guard case .breaker(let backend, let breaker) = event.change else { return }
        let change = BreakerChange(backend: backend, state: breaker, at: event.at)
        self.state.withLock { state in
            // A breaker may belong to several pools, each of which tells.
            guard !state.breakers.contains(change) else { return }
            if state.breakers.count >= Self.mostBreakers { state.breakers.removeFirst() }
            state.breakers.append(change)
        }
    }

    package var figures: ExportFigures {
        self.state.withLock { state in
            var figures = state.figures
            figures.waitingSpans = state.spool.spans
            figures.waitingBytes = state.spool.bytes
            return figures
        }
    }

    // MARK: From the queue into the spool

    /// The first of a batch has come: after the interval it is sent, with all that has come since.
    private func wait() async {
        try? await self.sleep(self.limits.interval)
        await self.flush()
    }

    /// Encodes and sends whatever there is.
    private func flush() async {
        let mayEncode = self.state.withLock { state in
            state.isTimed = false
            defer { state.isEncoding = true }
            return !state.isEncoding
        }
        if mayEncode { await self.encode() }
        self.state.withLock { $0.due = $0.spool.count }
        self.startSending()
    }

    /// Only one task at a time does this.
    private func encode() async {
        while true {
            let (taken, breakers) = self.state.withLock { state -> ([Execution], [BreakerChange]) in
                if state.queue.isEmpty { state.isEncoding = false }
                let taken = state.queue
                state.queue = []
                return (taken, state.breakers)
            }
            guard !taken.isEmpty else { return }
            var start = 0
            while start < taken.count {
                let slice = taken[start..<min(start + self.limits.chunk, taken.count)]
                self.add(self.chunk(slice, breakers))
                start += slice.count
                // Whatever else this thread has to do goes first.
                await Task.yield()
            }
            self.startSending()
        }
    }

    private func chunk(_ slice: ArraySlice<Execution>, _ breakers: [BreakerChange]) -> SpanChunk {
        let isOutage = self.state.withLock { $0.failures > 0 }
        var chunk = self.encoder.withLock { encoder in
            var count = 0
            for execution in slice {
                let submission = execution.record.submission
                let content = self.contents?.take(submission.remote?.requestID ?? submission.id.description)
                count += self.spans.describe(execution, content: content, breakers: breakers, to: &encoder)
            }
            return SpanChunk(bytes: encoder.seal(), spans: count)
        }
        switch self.delivery.compression {
        case .none: break
        case .outage: if isOutage { chunk.compress() }
        case .gzip: chunk.compress()
        }
        return chunk
    }

    private func add(_ chunk: SpanChunk) {
        self.state.withLock { $0.figures.lostInSpool += $0.spool.add(chunk) }
    }

    func startSending() {
        let limits = self.limits
        let mayStart = self.state.withLock { state in
            guard !state.isSending, state.spool.count > 0 else { return false }
            let isFull = state.spool.spans >= limits.batchSpans || state.spool.bytes >= limits.batchBytes
            guard isFull || state.due > 0 else { return false }
            state.isSending = true
            return true
        }
        if mayStart { _ = self.spawn { await self.send() } }
    }

    // MARK: The end

    package func close(limit: Duration) async -> Int {
        let end = self.clock.now() + limit
        self.state.withLock { $0.isClosing = true }
        await self.flush()
        while self.isBusy, self.clock.now() < end {
            do { try await self.sleep(Self.drainStep) } catch { break }
            self.state.withLock { $0.due = $0.spool.count }
            self.startSending()
        }
        return self.state.withLock { $0.spool.spans + $0.queue.count }
    }

    private var isBusy: Bool {
        self.state.withLock { !$0.queue.isEmpty || $0.isEncoding || $0.spool.spans > 0 || $0.isSending }
    }
}
