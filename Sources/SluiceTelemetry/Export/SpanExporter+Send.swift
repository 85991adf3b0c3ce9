import SluiceBasics
import SluiceWire

// From the spool to wherever spans go.
extension SpanExporter {
    /// A wait for the next try is cut into pieces, so that an end of the program does not have to wait for it.
    private static var sleepStep: Duration { .milliseconds(100) }
    /// A batch of which so many answers speak will not be taken any more.
    private static var mostObjections: Int { 32 }

    private enum Outcome {
        case taken
        case later(Duration?, String, isAboutBatch: Bool)
        case lost
    }

    /// Only one task at a time does this. Ends when there is too little for a batch, and nothing is due.
    func send() async {
        var objections = 0
        while let batch = self.nextBatch() {
            switch await self.deliver(batch, objections) {
            case .taken, .lost:
                objections = 0
                self.state.withLock { $0.spool.forget(batch) }
            case .later(let patience, let message, let isAboutBatch):
                if isAboutBatch { objections += 1 }
                let backoff = self.putBack(batch)
                self.warn(message)
                await self.pause(max(backoff, patience ?? .zero))
            }
            if self.state.withLock({ $0.isClosing && $0.failures > 0 }) { break }
        }
        self.state.withLock { $0.isSending = false }
        // What came in between has seen a sender.
        if !self.state.withLock({ $0.isClosing }) { self.startSending() }
    }

    private func nextBatch() -> [SpanChunk]? {
        let limits = self.limits
        let joins = self.delivery.joins
        return self.state.withLock { state in
            let isFull = state.spool.spans >= limits.batchSpans || state.spool.bytes >= limits.batchBytes
            guard isFull || state.due > 0 else { return nil }
            let batch = state.spool.take(spans: limits.batchSpans, bytes: limits.batchBytes, joins: joins)
            // What becomes due while these are on their way is told by chunks that wait: these are none of them.
            state.due = min(max(0, state.due - batch.count), state.spool.count)
            return batch.isEmpty ? nil : batch
        }
    }

    /// - Returns: how long to wait.
    private func putBack(_ batch: [SpanChunk]) -> Duration {
        let limits = self.limits
        return self.state.withLock { state in
            state.spool.putBack(batch)
            state.due += batch.count
            state.failures += 1
            state.figures.failures += 1
            let doubled = limits.leastBackoff * (1 << min(16, state.failures - 1))
            let ceiling = min(limits.mostBackoff, doubled)
            return ceiling / 2 + ceiling * Double(state.random.next() >> 11) / Double(1 << 54 as UInt64)
        }
    }

    private func pause(_ span: Duration) async {
        let end = self.clock.now() + span
        while self.clock.now() < end, !self.state.withLock({ $0.isClosing }) {
            do { try await self.sleep(min(Self.sleepStep, end - self.clock.now())) } catch { return }
        }
    }

    // MARK: One batch

    private func deliver(_ batch: [SpanChunk], _ objections: Int) async -> Outcome {
        var verdict = await self.verdict(batch)
        if case .unprepared(let message) = verdict {
            let preparations = self.delivery.preparations
            // It is for others to make what is not there.
            guard !preparations.isEmpty else { return .later(nil, message, isAboutBatch: false) }
            if let failure = await self.prepare(preparations) { return .later(nil, failure, isAboutBatch: false) }
            verdict = await self.verdict(batch)
        }
        return self.outcome(verdict, batch, objections)
    }

    private func verdict(_ batch: [SpanChunk]) async -> SpanVerdict {
        let (body, isCompressed) = Self.body(batch)
        do throws(HTTPClientError) {
            let answer = try await self.client.execute(self.delivery.request(body, isCompressed: isCompressed))
            let now = Int(self.clock.wallClockNanoseconds() / 1_000_000_000)
            return self.delivery.verdict(answer, now: now)
        } catch {
            return .later(after: nil, message: error.message, isAboutBatch: false)
        }
    }

    /// Either all of its chunks are compressed, or none is.
    private static func body(_ batch: [SpanChunk]) -> ([UInt8], isCompressed: Bool) {
        if batch.count == 1 { return (batch[0].bytes, batch[0].isCompressed) }
        var body: [UInt8] = []
        body.reserveCapacity(batch.reduce(0) { $0 + $1.bytes.count })
        for chunk in batch { body.append(contentsOf: chunk.bytes) }
        return (body, batch.first?.isCompressed ?? false)
    }

    private func outcome(_ verdict: SpanVerdict, _ batch: [SpanChunk], _ objections: Int) -> Outcome {
        let spans = batch.reduce(0) { $0 + $1.spans }
        switch verdict {
        case .taken(let rejected, let message):
            let lost = min(spans, max(0, rejected))
            self.succeeded(spans - lost, lost)
            if let message { self.say(.warning, "spans refused", [("spans", String(lost)), ("detail", message)]) }
            return .taken
        case .later(let patience, let message, let isAboutBatch):
            if isAboutBatch, objections >= Self.mostObjections { return self.refuse(spans, message) }
            return .later(patience, message, isAboutBatch: isAboutBatch)
        case .unprepared(let message):
            // All was made, and it is still lacking.
            if objections >= Self.mostObjections { return self.refuse(spans, message) }
            return .later(nil, message, isAboutBatch: true)
        case .refused(let message):
            return self.refuse(spans, message)
        }
    }

    private func refuse(_ spans: Int, _ message: String) -> Outcome {
        self.state.withLock { $0.figures.refused += spans }
        self.say(.warning, "spans refused", [("spans", String(spans)), ("detail", message)])
        return .lost
    }

    /// - Returns: what is wrong, if the other side cannot be made ready now.
    private func prepare(_ preparations: [HTTPClientRequest]) async -> String? {
        for request in preparations {
            do throws(HTTPClientError) {
                let answer = try await self.client.execute(request)
                guard (200..<300).contains(answer.status) else { return SpanVerdict.words(answer) }
            } catch {
                return error.message
            }
        }
        return nil
    }

    // MARK: Words

    private func succeeded(_ delivered: Int, _ refused: Int) {
        let (failures, lost) = self.state.withLock { state -> (Int, Int) in
            let failures = state.failures
            let lost = state.figures.lostInSpool + state.figures.lostInQueue
            defer { state.lostBefore = lost }
            state.failures = 0
            state.figures.delivered += delivered
            state.figures.refused += refused
            return (failures, lost - state.lostBefore)
        }
        guard failures > 0 else { return }
        self.say(.info, "spans are taken again", [("failures", String(failures)), ("lost", String(lost))])
    }

    /// Once for each time of trouble.
    private func warn(_ message: String) {
        guard self.state.withLock({ $0.failures }) == 1 else { return }
        self.say(.warning, "spans are not taken", [("detail", message)])
    }

    private func say(_ level: LogEntry.Level, _ message: String, _ fields: [(name: String, value: String)]) {
        self.log(LogEntry(level, message, [("exporter", self.name)] + fields))
    }
}
