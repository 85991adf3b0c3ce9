import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

/// One accepted request on its way through the relay.
struct Call: Sendable {
    let ticket: Ticket
    let idText: String
    let submission: Submission
    let operation: OpenAIOperation
    let headers: HTTPFields
    let body: [UInt8]
    let backend: OpenAIBackend
    let allowsSilentResend: Bool
    let maximumResponseBytes: Int

    func request(timeout: Duration) -> HTTPClientRequest {
        self.backend.request(
            self.operation,
            body: self.body,
            model: self.submission.model,
            clientHeaders: self.headers,
            requestID: self.idText,
            timeout: timeout,
            maximumResponseBytes: self.maximumResponseBytes,
            allowsSilentResend: self.allowsSilentResend
        )
    }
}

/// What the client is told about its request's way.
enum TraceHeaders {
    static func append(_ call: Call, _ record: RequestRecord?, to headers: inout HTTPFields) {
        headers.append("x-sluice-request-id", call.idText)
        headers.append("x-sluice-pool", call.submission.pool)
        guard let record else { return }
        headers.append("x-sluice-attempts", String(record.attempts.count))
        let waited = (record.startedAt ?? record.endedAt ?? record.submittedAt) - record.submittedAt
        headers.append("x-sluice-queue-ms", Self.milliseconds(waited))
        if let attempt = record.attempts.last { headers.append("x-sluice-backend", attempt.backend) }
    }

    /// With three decimals.
    static func milliseconds(_ span: Duration) -> String {
        let microseconds = max(0, span.wholeNanoseconds / 1000)
        let fraction = microseconds % 1000
        let padding = fraction < 10 ? "00" : fraction < 100 ? "0" : ""
        return "\(microseconds / 1000).\(padding)\(fraction)"
    }
}
