import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceProviders

/// Tells everybody who wants to know what happens to calls.
///
/// Nothing is made of a call unless somebody is there to be told.
final class CallWatch: Sendable {
    private let observers: [any CompletionObserver]
    private let callLog: CallLog
    private let clock: any TimeSource
    private let log: @Sendable (LogEntry) -> Void
    /// What a request cost, in US dollars; `nil`: nobody knows.
    private let cost: @Sendable (RequestRecord) -> Double?
    private let wantsChunks: Bool
    /// Whether answers of streams have to be kept until they have ended.
    let wantsContent: Bool
    private let keepsAnswers: Bool
    /// For their figures.
    var webhooks: [WebhookSender] { self.observers.compactMap { $0 as? WebhookSender } }

    init(
        _ observers: [any CompletionObserver],
        _ callLog: CallLog,
        clock: any TimeSource,
        log: @escaping @Sendable (LogEntry) -> Void,
        keepsAnswers: Bool = false,
        cost: @escaping @Sendable (RequestRecord) -> Double? = { _ in nil }
    ) {
        self.cost = cost
        self.keepsAnswers = keepsAnswers
        self.observers = observers
        self.callLog = callLog
        self.clock = clock
        self.log = log
        self.wantsChunks = observers.contains { $0.wantsChunks }
        self.wantsContent = callLog.showsContent || observers.contains { $0.wantsContent }
    }

    /// A backend is about to be asked for the first time.
    ///
    /// - Parameter choice: which target, where there are several.
    func began(_ call: Call, _ choice: RouteChoice? = nil, at now: Instant) {
        guard !self.observers.isEmpty else { return }
        var record = RequestRecord(submission: call.submission, submittedAt: now)
        record.startedAt = now
        var report = self.report(record, cache: call.cacheState)
        report.id = call.idText
        report.backend = choice?.backend ?? call.backend.name
        report.provider = Self.provider(call, backend: choice?.backend, model: choice?.model)
        if self.wantsContent { report.request = call.body }
        for observer in self.observers { observer.willCall(report) }
    }

    /// A call has ended, as its record says.
    func ended(_ call: Call, _ record: RequestRecord, answer: [UInt8]?) {
        self.ended(
            record,
            id: call.idText,
            detail: Endings.detail(record, call),
            cache: call.cacheState,
            request: call.body,
            answer: answer,
            provider: self.observers.isEmpty ? nil : Self.provider(call, record.decisiveAttempt)
        )
    }

    private static func provider(_ call: Call, _ attempt: AttemptRecord?) -> String? {
        Self.provider(call, backend: attempt?.backend, model: attempt?.model)
    }

    /// - Parameters:
    ///   - backend: of the target that was asked; `nil`: the pool's own.
    ///   - model: what it was asked for; `nil`: what the client named.
    private static func provider(_ call: Call, backend: String?, model: String?) -> String? {
        let backend = backend.flatMap { call.targets[$0] } ?? call.backend
        let model = model ?? call.submission.model
        switch backend.way {
        case .fabric: return nil
        case .fixed(let target): return target.provider
        case .byModel(let directory):
            return try? directory.find(backend.modelAliases[model] ?? model).0.provider
        }
    }

    /// A request has ended, perhaps without a call of its own: answered by the cache, given up while it waited for
    /// another's call, or not accepted.
    ///
    /// - Parameter isLogged: false for what has a line of its own.
    func ended(
        _ record: RequestRecord,
        id: String,
        detail: String?,
        cache: CacheState?,
        request: [UInt8],
        answer: [UInt8]?,
        provider: String? = nil,
        isLogged: Bool = true
    ) {
        if isLogged,
            let line = self.callLog.line(
                record,
                id: id,
                detail: detail,
                cache: cache,
                request: request,
                answer: answer
            )
        {
            self.log(line)
        }
        guard !self.observers.isEmpty else { return }
        var report = self.report(record, cache: cache)
        report.id = id
        report.provider = provider
        report.cost = self.cost(record)
        if self.wantsContent {
            report.request = request
            report.answer = answer
        }
        self.tell(report)
    }

    private func tell(_ report: CompletionReport) {
        let isSuccess = report.outcome == Outcome.done.rawValue
        for observer in self.observers {
            if isSuccess { observer.didSucceed(report) } else { observer.didFail(report) }
            observer.didEnd(report)
        }
    }

    private func report(_ record: RequestRecord, cache: CacheState?) -> CompletionReport {
        let submission = record.submission
        let sinceThen = (self.clock.now() - record.submittedAt).wholeNanoseconds
        let startedAt = (self.clock.wallClockNanoseconds() - sinceThen) / 1_000_000
        var report = CompletionReport(
            id: submission.id.description,
            model: submission.model,
            operation: submission.operation,
            isStream: submission.isStream,
            startedAt: Double(startedAt) / 1000
        )
        report.pool = submission.pool
        report.tenant = submission.tenant
        report.keyName = submission.producer
        report.traceparent = submission.traceparent
        report.cache = cache.flatMap { CompletionReport.CacheUse(rawValue: $0.rawValue) }
        report.attempts = record.attempts.count
        report.waited = record.startedAt.map { $0 - record.submittedAt }
        report.timeToFirstToken = record.firstByteAt.map { $0 - record.submittedAt }
        report.total = record.endedAt.map { $0 - record.submittedAt }
        report.promptTokens = record.usage?.prompt
        report.completionTokens = record.usage?.completion
        report.outcome = record.reason?.outcome.rawValue
        report.reason = record.reason?.rawValue
        guard let last = record.decisiveAttempt else {
            if record.reason?.outcome != .done { report.errorMessage = record.message }
            return report
        }
        report.backend = last.backend
        report.status = last.status
        report.errorClass = last.failure?.rawValue
        if record.reason?.outcome != .done { report.errorMessage = record.message ?? last.message }
        return report
    }

    // MARK: Streams

    /// Sees the pieces of one stream pass.
    struct Tap: Sendable {
        /// An answer that has grown larger is not kept: there is then none in reports.
        private static let maximumBytes = 4 << 20

        private let observers: [any CompletionObserver]
        private let report: CompletionReport
        private let keepsText: Bool
        private var index = 0
        private var text: [UInt8]? = []

        fileprivate init(_ observers: [any CompletionObserver], _ report: CompletionReport, keepsText: Bool) {
            self.observers = observers
            self.report = report
            self.keepsText = keepsText
        }

        mutating func pass(_ bytes: [UInt8]) {
            let chunk = CompletionChunk(
                index: self.index,
                byteCount: bytes.count,
                bytes: self.keepsText ? bytes : nil
            )
            self.index += 1
            for observer in self.observers { observer.didReceive(chunk, self.report) }
            guard self.keepsText, let count = self.text?.count else { return }
            if count + bytes.count <= Self.maximumBytes {
                self.text?.append(contentsOf: bytes)
            } else {
                self.text = nil
            }
        }

        /// All of it; `nil` when nobody wants it or it is too large.
        var transcript: [UInt8]? { self.keepsText ? self.text : nil }
    }

    /// `nil` when nobody looks.
    ///
    /// - Parameter record: as it stands when the stream begins.
    func tap(_ call: Call, _ record: @autoclosure () -> RequestRecord?) -> Tap? {
        guard self.wantsChunks || self.wantsContent || self.keepsAnswers else { return nil }
        let attempt = record()?.decisiveAttempt
        let started = RequestRecord(submission: call.submission, submittedAt: self.clock.now())
        var report = self.report(started, cache: call.cacheState)
        report.id = call.idText
        report.backend = attempt?.backend ?? call.backend.name
        report.provider = Self.provider(call, attempt)
        return Tap(self.observers.filter { $0.wantsChunks }, report, keepsText: self.wantsContent || self.keepsAnswers)
    }
}
