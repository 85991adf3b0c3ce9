import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceTelemetry
import SluiceWire

/// One accepted request on its way through the relay. An object, so that every step that holds it holds one pointer.
final class Call: Sendable {
    let ticket: Ticket
    let idText: String
    let submission: Submission
    let operation: OpenAIOperation
    let headers: HTTPFields
    let body: [UInt8]
    let backend: Backend
    /// By name, for pools with several targets.
    let targets: [String: Backend]
    let allowsSilentResend: Bool
    let maximumResponseBytes: Int
    /// Told of the end, if somebody besides the client has to know.
    let ending: Ending?
    /// What the cache had to do with it; `nil`: its pool has none.
    let cacheState: CacheState?
    /// Whether those who are called see a span of ours as their parent.
    let tracing: SpanSampler?

    init(
        ticket: Ticket,
        idText: String,
        submission: Submission,
        operation: OpenAIOperation,
        headers: HTTPFields,
        body: [UInt8],
        backend: Backend,
        targets: [String: Backend] = [:],
        allowsSilentResend: Bool,
        maximumResponseBytes: Int,
        ending: Ending? = nil,
        cacheState: CacheState? = nil,
        tracing: SpanSampler? = nil
    ) {
        self.ticket = ticket
        self.idText = idText
        self.submission = submission
        self.operation = operation
        self.headers = headers
        self.body = body
        self.backend = backend
        self.targets = targets
        self.allowsSilentResend = allowsSilentResend
        self.maximumResponseBytes = maximumResponseBytes
        self.ending = ending
        self.cacheState = cacheState
        self.tracing = tracing
    }

    /// The call of the backend for one attempt.
    ///
    /// - Parameters:
    ///   - choice: which target gets it, where there are several.
    ///   - number: which attempt it is, from 1.
    ///   - now: seconds since 1970.
    func attempt(
        _ choice: RouteChoice? = nil,
        number: Int,
        timeout: Duration,
        now: Int
    ) throws(ProviderError) -> BackendAttempt {
        var ask = BackendAsk(
            operation: self.operation,
            body: self.body,
            model: self.submission.model,
            clientHeaders: self.headers,
            requestID: self.idText,
            timeout: timeout,
            maximumResponseBytes: self.maximumResponseBytes,
            allowsSilentResend: self.allowsSilentResend,
            now: now
        )
        if let tracing = self.tracing {
            let trace = TraceIdentity(self.submission)
            let span = self.backend.isFabric ? trace.span : trace.attempt(number)
            ask.traceparent = trace.traceparent(span: span, isSampled: tracing.takes(trace))
        }
        ask.isStream = self.submission.isStream
        ask.promptEstimate = max(0, self.submission.tokenEstimate - self.submission.completionEstimate)
        if let choice {
            ask.routedModel = choice.model
            return try (self.targets[choice.backend] ?? self.backend).attempt(ask)
        }
        guard self.backend.isFabric else { return try self.backend.attempt(ask) }
        return try FabricClient.attempt(self, ask)
    }
}

/// What the client is told about its request's way.
enum TraceHeaders {
    static func append(_ call: Call, _ record: RequestRecord?, to headers: inout HTTPFields) {
        headers.append("x-sluice-request-id", call.idText)
        headers.append("x-sluice-pool", call.submission.pool)
        if let state = call.cacheState { headers.append("x-sluice-cache", state.rawValue) }
        guard let record else { return }
        headers.append("x-sluice-attempts", String(record.attempts.count))
        let waited = (record.startedAt ?? record.endedAt ?? record.submittedAt) - record.submittedAt
        headers.append("x-sluice-queue-ms", Self.milliseconds(waited))
        if let attempt = record.decisiveAttempt { headers.append("x-sluice-backend", attempt.backend) }
    }

    /// Where a request stands that has to wait; one that runs already is at place 0. Not for a gateway of the fabric,
    /// whose requests lie on a list where nobody counts.
    static func append(_ waiting: WaitingStatus?, to headers: inout HTTPFields) {
        headers.append("x-sluice-queue-position", String(waiting?.position ?? 0))
        guard let wait = waiting.map({ $0.estimatedStart }) ?? .zero else { return }
        headers.append("x-sluice-estimated-wait-ms", String(Self.wholeMilliseconds(wait)))
    }

    /// Rounded up.
    static func wholeMilliseconds(_ span: Duration) -> Int64 {
        let nanoseconds = max(0, span.wholeNanoseconds)
        return nanoseconds / 1_000_000 + (nanoseconds % 1_000_000 > 0 ? 1 : 0)
    }

    /// With three decimals.
    static func milliseconds(_ span: Duration) -> String {
        // Every answer carries one, and interpolation costs more than all its digits.
        let capacity = 24
        return String(unsafeUninitializedCapacity: capacity) { buffer in
            var rest = max(0, span.wholeNanoseconds / 1000)
            var position = capacity
            var digits = 0
            repeat {
                if digits == 3 {
                    position -= 1
                    buffer[position] = UInt8(ascii: ".")
                }
                position -= 1
                buffer[position] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
                digits += 1
            } while rest > 0 || digits < 4
            for index in position..<capacity { buffer[index - position] = buffer[index] }
            return capacity - position
        }
    }
}
