import SluiceBasics
import SluiceCore

/// A circuit breaker that changed its state, as spans of that time tell it.
package struct BreakerChange: Sendable, Equatable {
    package var backend: String
    package var state: BreakerState
    package var at: Instant
}

/// What was asked and answered, where that is captured. JSON by OpenTelemetry's schema for messages.
package struct CapturedContent: Sendable, Equatable {
    package var input: [UInt8]?
    package var output: [UInt8]?

    package init(input: [UInt8]?, output: [UInt8]?) {
        self.input = input
        self.output = output
    }

    package var byteCount: Int { (self.input?.count ?? 0) + (self.output?.count ?? 0) }
}

/// Says what the spans of an execution are. Pure: the same execution always makes the same spans.
package struct ExecutionSpans: Sendable {
    package var identity: RuntimeIdentity
    package var sampler: SpanSampler
    /// By backend.
    package var backends: [String: BackendIdentity]
    /// Whether requests that were never accepted have spans.
    package var includesRejected: Bool
    /// Whether dispatchers behind lists run what is submitted here, and tell of it.
    package var isBeforeLists: Bool
    /// As processes on lists call what they speak.
    package var contractVersion: String
    /// Longest text of others, in bytes: model names and messages.
    static let maximumText = 4_096
    /// Attempts that get a span of their own, the first of them; all are counted.
    static let maximumAttempts = 64

    package init(
        identity: RuntimeIdentity,
        sampler: SpanSampler = SpanSampler(),
        backends: [String: BackendIdentity] = [:],
        includesRejected: Bool = false,
        isBeforeLists: Bool = false,
        contractVersion: String = "v2"
    ) {
        self.identity = identity
        self.sampler = sampler
        self.backends = backends
        self.includesRejected = includesRejected
        self.isBeforeLists = isBeforeLists
        self.contractVersion = contractVersion
    }

    /// Whether it has spans at all.
    package func wants(_ execution: Execution) -> Bool {
        let submission = execution.record.submission
        if !self.includesRejected, execution.record.reason?.outcome == .rejected { return false }
        // Most have no parent, and without one and a ratio there is nothing to be read.
        if submission.traceparent == nil, self.sampler.ratio >= 1 { return true }
        return self.sampler.takes(TraceIdentity(submission))
    }

    /// Which of the processes that know a request tells how it ended. Exactly one does, however many exported spans.
    ///
    /// A dispatcher tells of whatever it answered; the gateway of what it gave up by itself: past its deadline or
    /// because nobody waited any more, which a dispatcher may or may not have noticed.
    package func name(_ record: RequestRecord) -> SpanName {
        if let remote = record.submission.remote {
            guard remote.isToldByProducer else { return .completion }
            return record.reason == .deadline || record.reason == .clientGone ? .execution : .completion
        }
        guard self.isBeforeLists, let last = record.decisiveAttempt else { return .completion }
        if record.reason == .deadline || record.reason?.outcome == .cancelled { return .completion }
        return last.failure == nil || last.isRemoteAnswer ? .request : .completion
    }

    /// Tells all spans of one execution.
    ///
    /// - Parameter breakers: what changed lately, oldest first.
    /// - Returns: how many spans.
    package func describe(
        _ execution: Execution,
        content: CapturedContent? = nil,
        breakers: [BreakerChange] = [],
        to writer: inout some SpanWriter
    ) -> Int {
        let record = execution.record
        let trace = TraceIdentity(record.submission)
        let id = record.submission.id.description
        let name = self.name(record)
        let end = record.endedAt ?? record.submittedAt
        let isError = record.reason?.outcome != .done
        let decisive = record.decisiveAttempt
        let message = isError ? Self.bounded(record.message ?? decisive?.message) : nil
        writer.begin(
            SpanHead(
                name: name,
                traceHigh: trace.traceHigh,
                traceLow: trace.traceLow,
                span: trace.span,
                parent: trace.parent,
                traceState: record.submission.tracestate,
                start: execution.submittedAt,
                end: max(execution.submittedAt, execution.unixNanoseconds(end)),
                isError: isError,
                statusMessage: message
            )
        )
        self.attributes(record, id, end, decisive, message, content, &writer)
        self.events(execution, end, decisive, message, breakers, &writer)
        writer.end()
        // What a gateway calls attempts on lists is the dispatcher's whole execution.
        guard name != .request, !self.isBeforeLists else { return 1 }
        for attempt in record.attempts.prefix(Self.maximumAttempts) {
            self.describe(attempt, id, execution, end, trace, &writer)
        }
        return 1 + min(record.attempts.count, Self.maximumAttempts)
    }

    static func bounded(_ text: String?) -> String? {
        guard let text, text.utf8.count > Self.maximumText else { return text }
        return String(decoding: text.utf8.prefix(Self.maximumText), as: UTF8.self)
    }

    static func microseconds(_ span: Duration) -> Int64 { span.wholeNanoseconds / 1_000 }

    static func microseconds(_ start: Instant, _ end: Instant) -> Int64 { end.nanoseconds(since: start) / 1_000 }
}

// MARK: Attributes

extension ExecutionSpans {
    private func attributes(
        _ record: RequestRecord,
        _ id: String,
        _ end: Instant,
        _ decisive: AttemptRecord?,
        _ message: String?,
        _ content: CapturedContent?,
        _ writer: inout some SpanWriter
    ) {
        let submission = record.submission
        writer.attribute(.requestID, id)
        writer.attribute(.remoteID, submission.remote?.requestID)
        writer.attribute(.pool, submission.pool)
        writer.attribute(.tenant, submission.tenant)
        writer.attribute(.priority, submission.priority.name)
        writer.attribute(.operation, submission.operation)
        writer.attribute(.isStream, submission.isStream)
        writer.attribute(.producer, submission.producer)
        writer.attribute(.fabricGroup, self.identity.fabricGroup)
        writer.attribute(.gateway, self.identity.gateway)
        writer.attribute(.dispatcher, self.identity.dispatcher)
        writer.attribute(.backend, decisive?.backend)
        writer.attribute(.httpStatus, decisive?.status)
        writer.attribute(.errorClass, decisive?.failure?.rawValue)
        if let reason = record.reason {
            writer.attribute(.outcome, reason.outcome.rawValue)
            writer.attribute(.reason, reason.rawValue)
        }
        writer.attribute(.message, Self.bounded(record.message))
        self.times(record, end, &writer)
        writer.attribute(.payloadBytes, Int64(submission.payloadBytes))
        writer.attribute(.messageCount, Int64(submission.messageCount))
        if let cost = record.cost?.nanodollars { writer.attribute(.cost, Int64(cost)) }
        writer.attribute(.attempts, Int64(record.attempts.count))
        if !record.attempts.isEmpty { writer.attribute(.attemptList, bytes: AttemptList.json(record)) }
        self.conventional(record, decisive, &writer)
        self.marie(record, id, end, decisive, message, &writer)
        if let input = content?.input { writer.attribute(.inputMessages, bytes: input) }
        if let output = content?.output { writer.attribute(.outputMessages, bytes: output) }
    }

    private func times(_ record: RequestRecord, _ end: Instant, _ writer: inout some SpanWriter) {
        let begin = record.submittedAt
        writer.attribute(.queued, Self.microseconds(begin, record.startedAt ?? end))
        if let first = record.firstByteAt { writer.attribute(.firstToken, Self.microseconds(begin, first)) }
        if let started = record.startedAt { writer.attribute(.execution, Self.microseconds(started, end)) }
    }

    private func conventional(
        _ record: RequestRecord,
        _ decisive: AttemptRecord?,
        _ writer: inout some SpanWriter
    ) {
        writer.attribute(.spanKind, "LLM")
        writer.attribute(.operationName, GenAI.Operation(path: record.submission.operation).rawValue)
        if !record.submission.model.isEmpty {
            writer.attribute(.requestModel, Self.bounded(record.submission.model))
        }
        self.place(decisive?.backend, &writer)
        if let usage = record.usage {
            writer.attribute(.responseModel, usage.model)
            writer.attribute(.inputTokens, Int64(usage.prompt))
            writer.attribute(.outputTokens, Int64(usage.completion))
            writer.attribute(.cachedTokens, Int64(usage.cached))
            writer.attribute(.reasoningTokens, Int64(usage.reasoning))
            if usage.cacheWritten > 0 { writer.attribute(.cacheWriteTokens, Int64(usage.cacheWritten)) }
        }
        if let reason = record.reason, reason.outcome != .done {
            writer.attribute(.errorType, decisive?.failure?.rawValue ?? reason.rawValue)
        }
    }

    /// Whose the backend is, and where.
    private func place(_ backend: String?, _ writer: inout some SpanWriter) {
        guard let backend, let identity = self.backends[backend] else { return }
        writer.attribute(.providerName, identity.provider)
        writer.attribute(.serverAddress, identity.address)
        writer.attribute(.serverPort, identity.port)
    }

    private func marie(
        _ record: RequestRecord,
        _ id: String,
        _ end: Instant,
        _ decisive: AttemptRecord?,
        _ message: String?,
        _ writer: inout some SpanWriter
    ) {
        let submission = record.submission
        let isError = record.reason?.outcome != .done
        writer.attribute(.marieRequestID, submission.remote?.requestID ?? id)
        writer.attribute(.marieProducerID, submission.producer)
        writer.attribute(.mariePoolID, submission.pool)
        // Those that are not known are empty there, not absent.
        writer.attribute(.marieFabricGroupID, self.identity.fabricGroup)
        writer.attribute(.marieGatewayID, self.identity.gateway ?? "")
        writer.attribute(.marieDispatcherID, self.identity.dispatcher ?? "")
        writer.attribute(.marieProfileKey, submission.remote?.profileKey)
        if let backend = decisive?.backend { writer.attribute(.marieBackendAddress, self.backends[backend]?.url) }
        writer.attribute(.marieModel, Self.bounded(submission.model))
        let started = record.startedAt ?? end
        writer.attribute(.marieQueueWait, microseconds: Self.microseconds(record.submittedAt, started))
        writer.attribute(.marieMessageCount, Int64(submission.messageCount))
        if submission.remote != nil { writer.attribute(.marieContractVersion, self.contractVersion) }
        writer.attribute(.marieStatus, isError ? "error" : "ok")
        writer.attribute(.marieExecution, microseconds: Self.microseconds(started, end))
        writer.attribute(.marieTotal, microseconds: Self.microseconds(record.submittedAt, end))
        guard isError, let reason = record.reason else { return }
        writer.attribute(.marieErrorType, decisive?.failure?.rawValue ?? reason.rawValue)
        writer.attribute(.marieErrorMessage, message)
    }
}

// MARK: Events

extension ExecutionSpans {
    private func events(
        _ execution: Execution,
        _ end: Instant,
        _ decisive: AttemptRecord?,
        _ message: String?,
        _ breakers: [BreakerChange],
        _ writer: inout some SpanWriter
    ) {
        let record = execution.record
        if let claimed = record.claimedAt {
            writer.beginEvent(.claimed, at: execution.unixNanoseconds(claimed))
            writer.endEvent()
        }
        if let first = record.firstByteAt {
            writer.beginEvent(.firstByte, at: execution.unixNanoseconds(first))
            writer.endEvent()
        }
        for attempt in record.attempts.prefix(Self.maximumAttempts) {
            guard let delay = attempt.retryDelay, let ended = attempt.endedAt else { continue }
            writer.beginEvent(.retry, at: execution.unixNanoseconds(ended))
            writer.attribute(.attemptNumber, Int64(attempt.number))
            writer.attribute(.errorType, attempt.failure?.rawValue)
            writer.attribute(.delay, Self.microseconds(delay))
            writer.endEvent()
        }
        for change in breakers where change.at >= record.submittedAt && change.at <= end {
            guard record.attempts.contains(where: { $0.backend == change.backend }) else { continue }
            writer.beginEvent(.breaker, at: execution.unixNanoseconds(change.at))
            writer.attribute(.backend, change.backend)
            writer.attribute(.breakerState, change.state.rawValue)
            writer.endEvent()
        }
        guard let reason = record.reason, reason.outcome != .done else { return }
        self.exception(
            decisive?.failure?.rawValue ?? reason.rawValue,
            message,
            at: execution.unixNanoseconds(end),
            &writer
        )
    }

    private func exception(_ type: String, _ message: String?, at: Int64, _ writer: inout some SpanWriter) {
        writer.beginEvent(.exception, at: at)
        writer.attribute(.exceptionType, type)
        writer.attribute(.exceptionMessage, message)
        writer.endEvent()
    }

    private func describe(
        _ attempt: AttemptRecord,
        _ id: String,
        _ execution: Execution,
        _ end: Instant,
        _ trace: TraceIdentity,
        _ writer: inout some SpanWriter
    ) {
        let submission = execution.record.submission
        let begin = execution.unixNanoseconds(attempt.startedAt)
        let finish = execution.unixNanoseconds(attempt.endedAt ?? end)
        let message = attempt.failure == nil ? nil : Self.bounded(attempt.message)
        writer.begin(
            SpanHead(
                name: .attempt,
                traceHigh: trace.traceHigh,
                traceLow: trace.traceLow,
                span: trace.attempt(attempt.number),
                parent: trace.span,
                traceState: submission.tracestate,
                start: begin,
                end: max(begin, finish),
                isError: attempt.failure != nil,
                statusMessage: message
            )
        )
        writer.attribute(.requestID, id)
        writer.attribute(.attemptNumber, Int64(attempt.number))
        if attempt.isHedge { writer.attribute(.attemptHedge, true) }
        writer.attribute(.backend, attempt.backend)
        writer.attribute(.operationName, GenAI.Operation(path: submission.operation).rawValue)
        writer.attribute(.requestModel, Self.bounded(attempt.model ?? submission.model))
        self.place(attempt.backend, &writer)
        writer.attribute(.httpStatus, attempt.status)
        writer.attribute(.errorType, attempt.failure?.rawValue)
        if let delay = attempt.retryDelay { writer.attribute(.attemptRetry, Self.microseconds(delay)) }
        if let first = attempt.firstByteAt {
            writer.beginEvent(.firstByte, at: execution.unixNanoseconds(first))
            writer.endEvent()
        }
        if let failure = attempt.failure { self.exception(failure.rawValue, message, at: finish, &writer) }
        writer.end()
    }
}
