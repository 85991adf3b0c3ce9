import SluiceWire

/// The way of one call between what the client speaks and what the provider does.
///
/// Outside it nobody sees anything but the client's dialect: the request went in as it came, the answer comes out as an
/// OpenAI-compatible server, or Anthropic's, would have given it.
package struct Translation: Sendable {
    package let prepared: PreparedCall
    package let provider: String
    private let operation: OpenAIOperation
    private let handler: any ProviderHandler
    private let dialect: Dialect
    /// Never to be seen in an error.
    private let secrets: [String]

    package init(
        _ ask: BackendAsk,
        _ handler: any ProviderHandler,
        _ endpoint: ProviderEndpoint
    ) throws(ProviderError) {
        self.operation = ask.operation
        self.handler = handler
        self.provider = handler.provider
        self.secrets = endpoint.secrets
        var endpoint = endpoint
        if let policy = Self.policy(ask.clientHeaders) { endpoint.unsupported = policy }
        if ask.operation == .embeddings {
            var request = try Dialect.embeddings(ask.body)
            request.model = ask.upstreamModel ?? request.model
            let call = EmbeddingCall(request: request, endpoint: endpoint, now: ask.now, requestID: ask.requestID)
            self.dialect = .embeddings(request)
            self.prepared = try handler.prepare(call)
        } else {
            let (dialect, read) = try Dialect.read(ask)
            var request = read
            request.model = ask.upstreamModel ?? request.model
            let call = ProviderCall(request: request, endpoint: endpoint, now: ask.now, requestID: ask.requestID)
            self.dialect = dialect
            self.prepared = try handler.prepare(call)
        }
    }

    /// What the client says of parameters that the provider cannot express.
    package static let policyHeader = "x-sluice-unsupported-params"
    /// Names what was left out.
    package static let droppedHeader = "x-sluice-dropped-params"

    private static func policy(_ headers: HTTPFields) -> UnsupportedParameterPolicy? {
        headers[Self.policyHeader].flatMap { UnsupportedParameterPolicy(rawValue: $0.lowercased()) }
    }

    // MARK: Answers

    /// An answer in the client's dialect.
    package struct Told: Sendable {
        /// In one piece, as JSON.
        package var whole: HTTPClientResponse
        /// The same as a stream, where the client asked for one and the provider answered in one piece.
        package var streamed: HTTPClientResponse?
    }

    /// The provider's answer as the client's dialect has it; a failure as an error with a fitting status.
    package func answer(_ answer: HTTPClientResponse, now: Int) -> Told {
        guard (200..<300).contains(answer.status) else {
            return Told(
                whole: self.failed(self.handler.failure(answer, now: now), answer.headers)
            )
        }
        do throws(ProviderError) {
            if case .embeddings(let request) = self.dialect {
                let vectors = try self.handler.embeddings(answer, to: self.prepared)
                return Told(
                    whole: self.success(vectors.openAIBody(encoding: request.encoding ?? .float), answer, Self.json)
                )
            }
            let response = try self.handler.answer(answer, to: self.prepared)
            var told = Told(whole: self.success(self.dialect.write(response), answer, Self.json))
            if self.prepared.isStream {
                var encoder = self.dialect.encoder(self.prepared)
                var body: [UInt8] = []
                for event in response.events { encoder.encode(event, into: &body) }
                told.streamed = self.success(body, answer, Self.events)
            }
            return told
        } catch {
            return Told(whole: self.failed(error, answer.headers))
        }
    }

    private func success(_ body: [UInt8], _ answer: HTTPClientResponse, _ type: String) -> HTTPClientResponse {
        HTTPClientResponse(status: 200, headers: self.headers(answer.headers, type), body: body)
    }

    /// A failure as an OpenAI-compatible server would tell it.
    package func failed(_ fault: ProviderError, _ headers: HTTPFields = HTTPFields()) -> HTTPClientResponse {
        let error = fault.scrubbed(of: self.secrets)
        var fields = self.headers(headers, Self.json)
        if let wait = error.retryAfter, fields["retry-after"] == nil {
            // Rounded up: who comes back sooner is refused again.
            let (seconds, fraction) = wait.components
            fields.append("Retry-After", String(max(1, fraction > 0 ? seconds + 1 : seconds)))
        }
        return HTTPClientResponse(status: error.httpStatus, headers: fields, body: error.openAIBody)
    }

    /// A stream in the client's dialect, if the provider's answer is one.
    package func stream(_ stream: HTTPClientStream) -> HTTPClientStream {
        let type = stream.headers["content-type"]?.lowercased() ?? ""
        guard (200..<300).contains(stream.status), !type.hasPrefix("application/json") else { return stream }
        let body = TranslatedBody(
            stream.body,
            decoder: self.handler.decoder(stream.headers, for: self.prepared),
            encoder: self.dialect.encoder(self.prepared),
            secrets: self.secrets
        )
        return HTTPClientStream(status: 200, headers: self.headers(stream.headers, Self.events), body: body)
    }

    private static let json = "application/json"
    private static let events = "text/event-stream; charset=utf-8"

    /// The provider's, but for what describes its body.
    private func headers(_ headers: HTTPFields, _ type: String) -> HTTPFields {
        var fields = HTTPFields([("Content-Type", type)])
        headers.forEach { name, value in
            let describesBody = Bytes.equals(name, "content-type") || Bytes.equals(name, "content-length")
            if !describesBody { fields.append(name: name, value: value) }
        }
        if !self.prepared.dropped.isEmpty {
            fields.append(Self.droppedHeader, Self.headerText(self.prepared.dropped))
        }
        return fields
    }

    private static let maximumNameBytes = 64
    private static let maximumHeaderBytes = 1_024

    /// Names may be a client's own words: of a length, and of characters, that every header can hold.
    private static func headerText(_ names: [String]) -> String {
        var text = ""
        for name in names {
            let plain = name.utf8.prefix(Self.maximumNameBytes).map { byte in
                (0x21...0x7E).contains(byte) && byte != UInt8(ascii: ",") ? byte : UInt8(ascii: "_")
            }
            guard text.utf8.count + plain.count + 7 <= Self.maximumHeaderBytes else { return text + ", ..." }
            text += (text.isEmpty ? "" : ", ") + String(decoding: plain, as: UTF8.self)
        }
        return text
    }
}
