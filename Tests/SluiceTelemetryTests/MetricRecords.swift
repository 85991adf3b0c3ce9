import SluiceBasics
import SluiceCore
import SluiceTelemetry

/// Ended requests to count.
enum MetricRecords {
    static let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    static let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

    static func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    /// Called from 10 ms on, first content at half time.
    static func record(
        pool: String = "p",
        tenant: String = "t",
        model: String = "m",
        operation: String = "chat/completions",
        isStream: Bool = true,
        traceparent: String? = nil,
        milliseconds: Int64 = 110,
        usage: TokenUsage? = nil,
        remote: RemoteOrigin? = nil,
        failures: [FailureClass?] = [nil]
    ) -> RequestRecord {
        var submission = Submission(
            id: RequestID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718),
            pool: pool,
            tenant: tenant,
            model: model,
            operation: operation,
            isStream: isStream,
            deadline: .distantFuture
        )
        submission.traceparent = traceparent
        submission.remote = remote
        var record = RequestRecord(submission: submission, submittedAt: .zero)
        record.startedAt = Self.at(10)
        record.firstByteAt = Self.at(10 + (milliseconds - 10) / 2)
        record.endedAt = Self.at(milliseconds)
        record.usage = usage
        for (index, failure) in failures.enumerated() {
            var attempt = AttemptRecord(number: index + 1, backend: "b", startedAt: Self.at(10))
            attempt.firstByteAt = failure == nil ? record.firstByteAt : nil
            attempt.endedAt = record.endedAt
            attempt.failure = failure
            record.attempts.append(attempt)
        }
        record.reason = failures.last == .some(nil) ? .ok : .backend
        return record
    }

    static func text(_ telemetry: Telemetry, _ format: PrometheusText.Format) -> String {
        var page = telemetry.metrics.newPage()
        telemetry.metrics.write(to: &page, pools: [])
        return String(decoding: PrometheusText.write(page, as: format), as: UTF8.self)
    }
}
