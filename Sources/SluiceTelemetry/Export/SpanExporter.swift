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
        /// When the queue is empty, all that waits is due.
        var isFlushWanted = false
        /// Of the chunks that wait the first so many are sent however few they are.
        var due = 0
        var isClosing = false
        /// Since the last success.
        var failures = 0
        var lostBefore = 0
    }

    /// The encoder, and how many spans it has been told of since it last gave a document.
    private struct Desk: Sendable {
        var encoder: Encoder
        var spans = 0

        mutating func seal() -> SpanChunk {
            defer { self.spans = 0 }
            return SpanChunk(bytes: self.encoder.seal(), spans: self.spans)
        }
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
    private let desk: Lock<Desk>
    private static var mostBreakers: Int { 64 }
    /// So long after its end a request's prompt and answer are there, where they are captured.
    private static var contentDelay: Duration { .milliseconds(100) }
    /// Bytes of a document that cannot be put together from parts.
    private static var mostWhole: Int { 1 << 20 }
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
        self.desk = Lock(Desk(encoder: encoder))
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

    package func record(_ execution: Execution) {
        guard self.spans.wants(execution) else { return }
        let (encodes, waits) = self.state.withLock { state -> (Bool, Bool) in
            guard state.queue.count < self.limits.queue else {
                state.figures.lostInQueue += 1
                return (false, false)
            }
            state.queue.append(execution)
            let encodes = state.queue.count >= self.limits.chunk && !state.isEncoding && self.isChunkRipe(state)
            if encodes { state.isEncoding = true }
            defer { state.isTimed = true }
            return (encodes, !state.isTimed)
        }
        if encodes { _ = self.spawn { await self.encode() } }
        if waits { _ = self.spawn { await self.wait() } }
    }

    /// Of a queue that holds one: so that no document is made of one or two.
    private func isChunkRipe(_ state: State) -> Bool {
        guard self.contents != nil, state.queue.count >= self.limits.chunk else { return self.contents == nil }
        return self.isRipe(state.queue[self.limits.chunk - 1], self.clock.now())
    }

    /// Prompt and answer are put on their shelf after the end has been told.
    private func isRipe(_ execution: Execution, _ now: Instant) -> Bool {
        execution.record.endedAt.map { $0 + Self.contentDelay <= now } ?? true
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
            // Whoever encodes sees it when the queue is empty.
            state.isFlushWanted = true
            defer { state.isEncoding = true }
            return !state.isEncoding
        }
        if mayEncode { await self.encode() }
    }

    /// Only one task at a time does this.
    private func encode() async {
        while let (taken, breakers) = self.takeQueued() {
            var start = 0
            while start < taken.count {
                let slice = taken[start..<min(start + self.limits.chunk, taken.count)]
                self.add(self.chunks(slice, breakers))
                start += slice.count
                // Whatever else this thread has to do goes first.
                await Task.yield()
            }
            self.startSending()
        }
        self.startSending()
    }

    /// - Returns: `nil` at the end of the queue; whoever got it encodes no more.
    private func takeQueued() -> ([Execution], [BreakerChange])? {
        while true {
            let (taken, breakers, seals, waits) = self.state.withLock {
                state -> ([Execution], [BreakerChange], Bool, Bool) in
                let taken = self.takeRipe(&state)
                guard taken.isEmpty else { return (taken, state.breakers, false, false) }
                if state.isFlushWanted {
                    // What the encoder still has is part of it.
                    state.isFlushWanted = false
                    return (taken, state.breakers, true, false)
                }
                state.isEncoding = false
                // What is too young has its turn later.
                let waits = !state.queue.isEmpty && !state.isTimed
                if waits { state.isTimed = true }
                return (taken, state.breakers, false, waits)
            }
            guard taken.isEmpty else { return (taken, breakers) }
            if waits { _ = self.spawn { await self.wait() } }
            guard seals else { return nil }
            self.add(self.desk.withLock { $0.spans > 0 ? [$0.seal()] : [] })
            self.state.withLock { $0.due = $0.spool.count }
        }
    }

    private func takeRipe(_ state: inout State) -> [Execution] {
        var taken: [Execution] = []
        if self.contents == nil || state.isClosing {
            swap(&taken, &state.queue)
            return taken
        }
        let now = self.clock.now()
        let ripe = state.queue.firstIndex { !self.isRipe($0, now) } ?? state.queue.count
        taken = Array(state.queue.prefix(ripe))
        state.queue.removeFirst(ripe)
        return taken
    }

    /// What cannot be put together later is put together here, and copied and compressed on a thread that has others'
    /// work to do.
    private var mostBytes: Int {
        self.delivery.joins ? self.limits.batchBytes : min(self.limits.batchBytes, Self.mostWhole)
    }

    /// Documents that are full, and where documents are put together what is left: so none waits for its last.
    private func chunks(_ slice: ArraySlice<Execution>, _ breakers: [BreakerChange]) -> [SpanChunk] {
        self.desk.withLock { desk in
            var chunks: [SpanChunk] = []
            for execution in slice {
                let submission = execution.record.submission
                let content = self.contents?.take(submission.remote?.requestID ?? submission.id.description)
                desk.spans += self.spans.describe(execution, content: content, breakers: breakers, to: &desk.encoder)
                let isFull = desk.spans >= self.limits.batchSpans || desk.encoder.byteCount >= self.mostBytes
                if isFull { chunks.append(desk.seal()) }
            }
            if self.delivery.joins, desk.spans > 0 { chunks.append(desk.seal()) }
            return chunks
        }
    }

    private func add(_ chunks: [SpanChunk]) {
        for var chunk in chunks {
            switch self.delivery.compression {
            case .none: break
            case .outage: if self.state.withLock({ $0.failures > 0 }) { chunk.compress() }
            case .gzip: chunk.compress()
            }
            self.state.withLock { $0.figures.lostInSpool += $0.spool.add(chunk) }
        }
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
        return self.state.withLock { $0.spool.spans + $0.queue.count } + self.desk.withLock { $0.spans }
    }

    private var isBusy: Bool {
        self.state.withLock { !$0.queue.isEmpty || $0.isEncoding || $0.spool.spans > 0 || $0.isSending }
    }
}
