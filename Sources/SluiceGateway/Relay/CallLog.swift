import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceProviders
import SluiceTelemetry

/// Which calls get a line in the log.
package enum CallLogging: String, Sendable, CaseIterable {
    case all
    case failures
    case none
}

/// One line for each call: what it was, how it ended, what it took. Prompts and answers only where that is switched on.
struct CallLog: Sendable {
    let calls: CallLogging
    /// Whether lines show the beginning of requests and answers.
    let showsContent: Bool
    private static let shownBytes = 2_048

    /// The line; `nil` if this call gets none.
    func line(
        _ record: RequestRecord,
        id: String,
        detail: String?,
        cache: CacheState?,
        request: [UInt8],
        answer: [UInt8]?
    ) -> LogEntry? {
        guard let reason = record.reason else { return nil }
        let isDone = reason.outcome == .done
        guard self.calls == .all || self.calls == .failures && reason != .ok && !reason.isAnsweredElsewhere else {
            return nil
        }
        let submission = record.submission
        var fields: [(name: String, value: String)] = []
        fields.reserveCapacity(20)
        fields.append(("request", id))
        fields.append(("pool", submission.pool))
        fields.append(("tenant", submission.tenant))
        fields.append(("outcome", reason.outcome.rawValue))
        fields.append(("reason", reason.rawValue))
        fields.append(("attempts", String(record.attempts.count)))
        fields.append(("model", submission.model))
        fields.append(("operation", submission.operation))
        if submission.isStream { fields.append(("stream", "true")) }
        if let key = submission.producer { fields.append(("key", key)) }
        if let cache { fields.append(("cache", cache.rawValue)) }
        let trace = TraceIdentity(submission)
        fields.append(("trace_id", trace.traceText))
        fields.append(("span_id", trace.spanText))
        self.append(record, to: &fields)
        if !isDone, let detail { fields.append(("detail", detail)) }
        if self.showsContent {
            fields.append(("prompt", Self.shown(request)))
            if let answer { fields.append(("answer", Self.shown(answer))) }
        }
        return LogEntry(isDone || reason.outcome == .cancelled ? .info : .warning, "request ended", fields)
    }

    private func append(_ record: RequestRecord, to fields: inout [(name: String, value: String)]) {
        if let last = record.decisiveAttempt {
            fields.append(("backend", last.backend))
            if let failure = last.failure { fields.append(("class", failure.rawValue)) }
            if let status = last.status { fields.append(("status", String(status))) }
        }
        if let started = record.startedAt {
            fields.append(("queue_ms", TraceHeaders.milliseconds(started - record.submittedAt)))
        }
        if record.submission.isStream, let first = record.firstByteAt {
            fields.append(("first_ms", TraceHeaders.milliseconds(first - record.submittedAt)))
        }
        if let end = record.endedAt {
            fields.append(("ms", TraceHeaders.milliseconds(end - record.submittedAt)))
        }
        if let usage = record.usage {
            fields.append(("prompt_tokens", String(usage.prompt)))
            fields.append(("completion_tokens", String(usage.completion)))
        }
    }

    private static func shown(_ content: [UInt8]) -> String {
        let text = String(decoding: content.prefix(Self.shownBytes), as: UTF8.self)
        return content.count > Self.shownBytes ? text + "…" : text
    }
}

extension OutcomeReason {
    /// Done, without a call of its own.
    fileprivate var isAnsweredElsewhere: Bool { self == .cached || self == .shared }
}
