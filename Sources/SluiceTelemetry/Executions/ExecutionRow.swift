import SluiceBasics
import SluiceCore

/// A request that has ended, as history keeps it: flat, in wall-clock time, with nothing of its prompt or answer.
package struct ExecutionRow: Sendable, Equatable {
    package struct Attempt: Sendable, Equatable {
        package var number: Int
        package var backend: String
        package var model: String?
        package var isHedge: Bool
        /// Microseconds since the request was submitted.
        package var startedAfter: Int64
        package var firstByteAfter: Int64?
        package var endedAfter: Int64?
        package var status: Int?
        package var failure: String?
        package var message: String?
        package var retryDelay: Int64?
    }

    package var id: String
    /// What its producer calls it, if it came over the fabric.
    package var remoteID: String?
    package var pool: String
    package var tenant: String
    package var priority: String
    package var model: String
    package var operation: String
    package var isStream: Bool
    package var producer: String?
    package var fabricGroup: String
    package var gateway: String?
    package var dispatcher: String?
    /// Of the attempt that its end is due to.
    package var backend: String?
    package var status: Int?
    package var errorClass: String?
    package var outcome: String
    package var reason: String
    package var message: String?
    /// Microseconds since 1970.
    package var submittedAt: Int64
    package var endedAt: Int64
    /// Microseconds: until the first backend call (all of its life if there was none), until the first content, from
    /// the first call to the end, all.
    package var queued: Int64
    package var firstToken: Int64?
    package var execution: Int64?
    package var total: Int64
    package var promptTokens: Int?
    package var completionTokens: Int?
    package var cachedTokens: Int?
    package var reasoningTokens: Int?
    /// Billionths of a dollar.
    package var cost: Int64?
    package var payloadBytes: Int
    package var messageCount: Int
    package var attempts: [Attempt]
    /// All that were made; of many only the first are in the list.
    package var attemptCount: Int
    /// 32 and 16 hexadecimal digits.
    package var traceID: String
    package var spanID: String
}

extension ExecutionRow {
    package init(_ execution: Execution, _ identity: RuntimeIdentity) {
        let record = execution.record
        let submission = record.submission
        let end = record.endedAt ?? record.submittedAt
        func after(_ instant: Instant?) -> Int64? {
            instant.map { ($0 - record.submittedAt).wholeNanoseconds / 1_000 }
        }
        let total = after(end) ?? 0
        let decisive = record.decisiveAttempt
        let trace = TraceIdentity(submission)
        self.init(
            id: submission.id.description,
            remoteID: submission.remote?.requestID,
            pool: submission.pool,
            tenant: submission.tenant,
            priority: submission.priority.name,
            model: submission.model,
            operation: submission.operation,
            isStream: submission.isStream,
            producer: submission.producer,
            fabricGroup: identity.fabricGroup,
            gateway: identity.gateway,
            dispatcher: identity.dispatcher,
            backend: decisive?.backend,
            status: decisive?.status,
            errorClass: decisive?.failure?.rawValue,
            outcome: record.reason?.outcome.rawValue ?? "",
            reason: record.reason?.rawValue ?? "",
            message: record.message,
            submittedAt: execution.submittedAt / 1_000,
            endedAt: execution.unixNanoseconds(end) / 1_000,
            queued: after(record.startedAt) ?? total,
            firstToken: after(record.firstByteAt),
            execution: record.startedAt.map { (end - $0).wholeNanoseconds / 1_000 },
            total: total,
            promptTokens: record.usage?.prompt,
            completionTokens: record.usage?.completion,
            cachedTokens: record.usage?.cached,
            reasoningTokens: record.usage?.reasoning,
            cost: record.cost?.nanodollars,
            payloadBytes: submission.payloadBytes,
            messageCount: submission.messageCount,
            attempts: record.attempts.map { attempt in
                Attempt(
                    number: attempt.number,
                    backend: attempt.backend,
                    model: attempt.model,
                    isHedge: attempt.isHedge,
                    startedAfter: after(attempt.startedAt) ?? 0,
                    firstByteAfter: after(attempt.firstByteAt),
                    endedAfter: after(attempt.endedAt),
                    status: attempt.status,
                    failure: attempt.failure?.rawValue,
                    message: attempt.message,
                    retryDelay: attempt.retryDelay.map { $0.wholeNanoseconds / 1_000 }
                )
            },
            attemptCount: record.attempts.count,
            traceID: trace.traceText,
            spanID: trace.spanText
        )
    }
}
