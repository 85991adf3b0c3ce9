import SluiceBasics
import SluiceCore
import SluiceFabric
import SluiceProviders
import SluiceWire

/// Keeps the record of a request's end for whoever answers in place of a client on HTTP.
final class Ending: Sendable {
    private let kept = Lock<RequestRecord?>(nil)

    var record: RequestRecord? { self.kept.withLock { $0 } }

    func keep(_ record: RequestRecord) { self.kept.withLock { $0 = record } }
}

/// Runs what a dispatcher took from a list as the gateway runs what came over HTTP.
package struct RelayRunner: FabricRunner {
    private let relay: Relay
    private let configuration: GatewayConfiguration

    package init(_ gateway: Gateway) {
        self.relay = gateway.relay
        self.configuration = gateway.configuration
    }

    package func examine(_ envelope: RequestEnvelope, pool: String) -> Result<FabricDemand, ReplyFailure> {
        let name = envelope.extras?.operation ?? DispatchExtras.chatOperation
        // Gateways put Anthropic's dialect onto the lists as chat, which every dispatcher understands.
        let taken: [OpenAIOperation] = [.chatCompletions, .completions, .embeddings, .responses]
        guard let operation = OpenAIOperation(rawValue: name), taken.contains(operation) else {
            let known = taken.map(\.rawValue).joined(separator: ", ")
            let message = "The field 'metadata.sluice.operation' must be one of: \(known)."
            return .failure(ReplyFailure(type: "BadRequestError", message: message))
        }
        // What is wrong with a body is for the backend to say.
        let estimate = (try? OpenAIRequestHead.read(envelope.body, operation: operation))?.estimate
        return .success(
            FabricDemand(
                operation: operation.rawValue,
                tokenEstimate: estimate?.total ?? 0,
                completionEstimate: estimate?.completion ?? 0,
                isCompletionLimited: estimate?.isCompletionLimited ?? true
            )
        )
    }

    package func run(_ job: FabricJob) async -> FabricAnswer {
        let ending = Ending()
        let call = self.call(job, ending)
        let response = job.frames == nil ? await self.relay.whole(call) : await self.relay.streamed(call)
        var body: [UInt8] = []
        var isStreamed = false
        switch response.body {
        case .bytes(let bytes): body = bytes
        case .stream(let write):
            isStreamed = true
            // What goes wrong here is in the record.
            if let frames = job.frames { try? await write(frames) }
        }
        return FabricAnswer(
            record: ending.record ?? Self.unknownEnd(job.submission),
            status: response.status,
            retryAfter: response.headers["retry-after"].flatMap { Int($0) }.map { .seconds(min($0, 86_400)) },
            body: body,
            isStreamed: isStreamed
        )
    }

    private func call(_ job: FabricJob, _ ending: Ending) -> Call {
        let envelope = job.envelope
        var headers = HTTPFields()
        if let parent = envelope.traceparent, Self.isHeaderText(parent) { headers.append("traceparent", parent) }
        if let state = envelope.tracestate, Self.isHeaderText(state) { headers.append("tracestate", state) }
        if let key = envelope.extras?.idempotencyKey, Self.isHeaderText(key) { headers.append("idempotency-key", key) }
        let pool = job.submission.pool
        let call = Call(
            ticket: job.ticket,
            idText: Self.isHeaderText(envelope.requestID) ? envelope.requestID : job.submission.id.description,
            submission: job.submission,
            operation: OpenAIOperation(rawValue: job.submission.operation) ?? .chatCompletions,
            headers: headers,
            body: envelope.body,
            backend: self.configuration.backends[pool] ?? .openAI(OpenAIBackend(name: pool, baseURL: "", apiKey: nil)),
            targets: self.configuration.targets,
            allowsSilentResend: !self.configuration.poolsThatNeverResend.contains(pool),
            maximumResponseBytes: self.configuration.maximumResponseBytes,
            ending: ending
        )
        self.relay.keeper.began(call)
        return call
    }

    /// Visible ASCII of a length that a header may have.
    private static func isHeaderText(_ text: String) -> Bool {
        (1...512).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    /// For a relay that broke its word to report every end.
    private static func unknownEnd(_ submission: Submission) -> RequestRecord {
        var record = RequestRecord(submission: submission, submittedAt: submission.deadline)
        record.state = .ended
        record.message = "How it ended is not known."
        return record
    }
}
