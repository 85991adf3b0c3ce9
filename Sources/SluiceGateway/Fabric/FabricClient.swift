import SluiceBasics
import SluiceCore
import SluiceFabric
import SluiceProviders
import SluiceWire

/// The fabric as a backend: what a gateway sends it goes onto a list, and comes back as the answer of whichever
/// dispatcher took it. So a gateway without slots of its own works like one with: same waiting, cancelling, books.
package struct FabricClient: HTTPClient {
    /// The base URL that stands for it.
    package static let scheme = "fabric://"
    /// On the way to the envelope: who tells of ends that a producer brings about.
    private static let tellsEnds = "x-sluice-tells-ends"

    private let producer: Producer

    package init(_ producer: Producer) { self.producer = producer }

    // MARK: Asking

    /// The call of a request, in words that every dispatcher knows: Anthropic's become OpenAI's.
    static func attempt(_ call: Call, _ ask: BackendAsk) throws(ProviderError) -> BackendAttempt {
        guard ask.operation == .messages else {
            return BackendAttempt(
                request: Self.request(
                    call,
                    ask.operation,
                    ask.body,
                    traceparent: ask.traceparent,
                    timeout: ask.timeout
                )
            )
        }
        let endpoint = ProviderEndpoint(baseURL: Self.scheme, credential: .none)
        let handler = OpenAICompatibleHandler(provider: "fabric", quirks: .gateway)
        let translation = try Translation(ask, handler, endpoint)
        let request = Self.request(
            call,
            .chatCompletions,
            translation.prepared.body,
            traceparent: ask.traceparent,
            timeout: ask.timeout
        )
        return BackendAttempt(request: request, translation: translation)
    }

    /// A call as `execute` understands it.
    ///
    /// - Parameter traceparent: of the gateway's own span, where it has one.
    private static func request(
        _ call: Call,
        _ operation: OpenAIOperation,
        _ body: [UInt8],
        traceparent: String?,
        timeout: Duration
    ) -> HTTPClientRequest {
        var headers = HTTPFields()
        headers.append("x-request-id", call.idText)
        headers.append("x-sluice-pool", call.submission.pool)
        headers.append("x-sluice-tenant", call.submission.tenant)
        headers.append("x-sluice-priority", call.submission.priority.name)
        if let traceparent {
            headers.append("traceparent", traceparent)
            headers.append(Self.tellsEnds, "true")
        }
        for name in ["traceparent", "tracestate", "idempotency-key"] where !headers.contains(name) {
            if let value = call.headers[name] { headers.append(name, value) }
        }
        return HTTPClientRequest(
            url: Self.scheme + operation.rawValue,
            headers: headers,
            body: body,
            timeout: timeout,
            maximumResponseBytes: call.maximumResponseBytes
        )
    }

    private static func envelope(_ request: HTTPClientRequest) throws(EnvelopeError) -> FabricRequest {
        let operation = String(request.url.dropFirst(Self.scheme.count))
        let isChat = operation == DispatchExtras.chatOperation
        let ingested = try CompletionCall.ingest(request.body, isChat: isChat, limit: request.body.count + 1)
        let extras = DispatchExtras(
            priority: request.headers["x-sluice-priority"],
            tenant: request.headers["x-sluice-tenant"],
            idempotencyKey: request.headers["idempotency-key"],
            streaming: ingested.streaming,
            operation: isChat ? nil : operation,
            tellsEnds: request.headers.contains(Self.tellsEnds)
        )
        return FabricRequest(
            id: request.headers["x-request-id"] ?? "",
            pool: request.headers["x-sluice-pool"],
            call: ingested.call,
            metadata: EnvelopeMetadata(members: [], extras: extras),
            traceparent: request.headers["traceparent"],
            tracestate: request.headers["tracestate"]
        )
    }

    package func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
        let envelope: FabricRequest
        do throws(EnvelopeError) {
            envelope = try Self.envelope(request)
        } catch {
            return Self.refusal(400, error.message, code: error.label)
        }
        do throws(ProducerError) {
            return Self.response(try await self.producer.execute(envelope, timeout: request.timeout))
        } catch {
            return try Self.response(error)
        }
    }

    package func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
        let envelope: FabricRequest
        do throws(EnvelopeError) {
            envelope = try Self.envelope(request)
        } catch {
            return Self.whole(Self.refusal(400, error.message, code: error.label))
        }
        do throws(ProducerError) {
            let stream = try await self.producer.stream(envelope, timeout: request.timeout)
            switch try await stream.next() {
            case .events(let events):
                var headers = HTTPFields([("Content-Type", "text/event-stream")])
                headers.append("x-sluice-backend", "fabric")
                return HTTPClientStream(status: 200, headers: headers, body: FabricBody(events, stream))
            case .reply(let reply): return Self.whole(Self.response(reply))
            }
        } catch {
            return Self.whole(try Self.response(error))
        }
    }

    // MARK: Answers

    /// What the dispatcher's verdict means for the gateway's own books. It retries nothing and holds nothing back: that
    /// has been done where the backend is known.
    static func verdict(_ answer: HTTPClientResponse) -> AttemptResult {
        if (200..<300).contains(answer.status) {
            let usage = try? JSON.read(answer.body) { OpenAIClassifier.usage(of: $0) }
            return .success(status: answer.status, usage: usage ?? nil)
        }
        let outcome = answer.headers["x-sluice-outcome"]
        let isExpired = outcome == "expired/deadline"
        // What a dispatcher passes on may be its provider's text, and that may quote the prompt: it is for the client
        // alone, not for logs and history. Without an outcome these are our own words.
        let answered = "the fabric answered with status \(answer.status)"
        let message = outcome.map { "\(answered), \($0.prefix(64))" } ?? JSONErrorText.read(answer.body) ?? answered
        let kind: FailureClass = isExpired ? .deadline : .providerRejected
        var failure = AttemptFailure(kind, status: answer.status, message: message)
        failure.isRemoteAnswer = outcome != nil
        return .failure(failure)
    }

    /// The answer in the form that the client asked for: dispatchers that cannot stream answer in one piece.
    static func toldAsAsked(_ answer: HTTPClientResponse, _ call: Call) -> HTTPClientResponse {
        guard call.submission.isStream, answer.status == 200 else { return answer }
        let asksForUsage = try? JSON.read(call.body) { $0["stream_options"]?["include_usage"]?.bool }
        let events = CompletionEvents.make(answer.body, call.operation, includesUsage: asksForUsage == true)
        guard let events else { return answer }
        var headers = HTTPFields([("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")])
        for (name, value) in answer.headers.pairs where name.lowercased() != "content-type" {
            headers.append(name, value)
        }
        return HTTPClientResponse(status: 200, headers: headers, body: events)
    }

    static func response(_ reply: ReplyEnvelope) -> HTTPClientResponse {
        var headers = HTTPFields([("Content-Type", "application/json")])
        if let dispatcher = reply.dispatcherID { headers.append("x-sluice-dispatcher", dispatcher) }
        if let outcome = reply.extras?.outcome { headers.append("x-sluice-outcome", outcome) }
        switch reply.outcome {
        case .completion(let completion):
            return HTTPClientResponse(status: 200, headers: headers, body: Array(completion))
        case .streamed: return HTTPClientResponse(status: 200, headers: headers, body: Array("{}".utf8))
        case .failure(let failure):
            if reply.extras?.outcome == nil { headers.append("x-sluice-outcome", "failed/backend") }
            if let wait = reply.extras?.retryAfterMilliseconds {
                headers.append("Retry-After", String(max(1, (wait + 999) / 1000)))
            }
            let known = reply.extras?.status.flatMap { (400...599).contains($0) ? $0 : nil }
            let status = known ?? ForeignError.status(of: failure.type)
            if let body = reply.extras?.errorBody {
                return HTTPClientResponse(status: status, headers: headers, body: Array(body))
            }
            let type = status == 504 ? "timeout_error" : status >= 500 ? "server_error" : "invalid_request_error"
            let error = GatewayError(status: status, message: failure.message, type: type, code: failure.type)
            return HTTPClientResponse(status: status, headers: headers, body: error.body)
        }
    }

    private static func refusal(_ status: Int, _ message: String, code: String, wait: Int? = nil) -> HTTPClientResponse
    {
        var headers = HTTPFields([("Content-Type", "application/json")])
        if let wait { headers.append("Retry-After", String(wait)) }
        let type = status >= 500 ? "server_error" : "invalid_request_error"
        let error = GatewayError(status: status, message: message, type: type, code: code)
        return HTTPClientResponse(status: status, headers: headers, body: error.body)
    }

    private static func response(_ error: ProducerError) throws(HTTPClientError) -> HTTPClientResponse {
        switch error {
        case .oversize: return Self.refusal(413, error.message, code: "oversize")
        case .invalid(let fault): return Self.refusal(400, fault.message, code: fault.label)
        case .duplicate: return Self.refusal(409, error.message, code: "duplicate_conflict")
        case .overloaded, .queueFull, .storeFull: return Self.refusal(503, error.message, code: "full", wait: 1)
        case .store(_, mayBeQueued: false): throw HTTPClientError(.connect, message: error.message, sent: false)
        case .store(_, mayBeQueued: true): throw HTTPClientError(.reset, message: error.message, sent: true)
        case .timedOut: throw HTTPClientError(.timeout, message: error.message, sent: true)
        case .cancelled: throw HTTPClientError(.cancelled, message: error.message, sent: true)
        case .closed: throw HTTPClientError(.shutdown, message: error.message, sent: true)
        case .slowReader, .brokenStream, .unexpectedStream:
            throw HTTPClientError(.malformed, message: error.message, sent: true)
        }
    }

    private static func whole(_ response: HTTPClientResponse) -> HTTPClientStream {
        HTTPClientStream(status: response.status, headers: response.headers, body: WholeBody(response.body))
    }

    static func failure(_ error: ProducerError) -> HTTPClientError {
        do throws(HTTPClientError) {
            _ = try Self.response(error)
            return HTTPClientError(.malformed, message: error.message, sent: true)
        } catch {
            return error
        }
    }
}

/// A body that is here already.
private final class WholeBody: HTTPBodyReader {
    private let rest: Lock<[UInt8]?>

    init(_ bytes: [UInt8]) { self.rest = Lock(bytes) }

    func next() async throws(HTTPClientError) -> [UInt8]? {
        self.rest.withLock { rest in
            defer { rest = nil }
            return rest
        }
    }

    func close() { self.rest.withLock { $0 = nil } }
}

/// The frames of a stream as the events that they carry.
private final class FabricBody: HTTPBodyReader {
    private let first: Lock<[SSEEvent]?>
    private let stream: ProducerStream

    init(_ first: [SSEEvent], _ stream: ProducerStream) {
        self.first = Lock(first)
        self.stream = stream
    }

    func next() async throws(HTTPClientError) -> [UInt8]? {
        let first = self.first.withLock { events in
            defer { events = nil }
            return events
        }
        if let first { return Self.bytes(first) }
        let step: ProducerStream.Step
        do throws(ProducerError) {
            step = try await self.stream.next()
        } catch {
            throw FabricClient.failure(error)
        }
        switch step {
        case .events(let events): return Self.bytes(events)
        case .reply(let reply):
            guard case .failure(let failure) = reply.outcome else { return nil }
            throw HTTPClientError(.reset, message: failure.message, sent: true)
        }
    }

    func close() { self.stream.cancel() }

    private static func bytes(_ events: [SSEEvent]) -> [UInt8] {
        if events.count == 1 { return Self.bytes(events[0]) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(events.reduce(0) { $0 + $1.data.count + 32 })
        for event in events { bytes.append(contentsOf: Self.bytes(event)) }
        return bytes
    }

    private static func bytes(_ event: SSEEvent) -> [UInt8] {
        SSEWriter.event(name: event.name.isEmpty ? nil : event.name, data: event.data)
    }
}

/// Errors of dispatchers that give nothing but the name of a class, as OpenAI's library and Python call them.
enum ForeignError {
    /// What a client is told. A refusal of the dispatcher's own key is its operator's business, not the client's.
    static func status(of type: String) -> Int {
        switch type {
        case "BadRequestError", "ContextWindowExceededError", "ContentPolicyViolationError": 400
        case "PermissionDeniedError": 403
        case "NotFoundError": 404
        case "ConflictError": 409
        case "UnprocessableEntityError": 422
        case "RateLimitError": 429
        case "ServiceUnavailableError", "CircuitOpenError": 503
        case "APITimeoutError", "Timeout", "TimeoutError", "ReadTimeout", "ConnectTimeout": 504
        default: 502
        }
    }
}
