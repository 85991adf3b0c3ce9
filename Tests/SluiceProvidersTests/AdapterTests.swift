import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceWire
import Testing

/// What the adapter sends, and what it makes of what comes back.
struct AdapterTests {
    // MARK: Out

    private func request(
        _ backend: OpenAIBackend,
        _ headers: [(String, String)] = [],
        operation: OpenAIOperation = .chatCompletions
    ) -> HTTPClientRequest {
        backend.request(
            operation,
            body: Array(#"{"model":"m"}"#.utf8),
            model: "m",
            clientHeaders: HTTPFields(headers),
            requestID: "req_1",
            timeout: .seconds(1)
        )
    }

    private func backend(_ url: String = "http://h/v1", _ extra: [(String, String)] = []) -> OpenAIBackend {
        OpenAIBackend(name: "b", baseURL: url, apiKey: "secret", extraHeaders: extra)
    }

    @Test func `passes what is on the list and nothing else`() {
        let passed = ["traceparent", "tracestate", "OpenAI-Organization", "openai-project", "openai-beta"]
        let kept = [
            "authorization", "cookie", "connection", "keep-alive", "proxy-authorization", "te", "trailer",
            "transfer-encoding", "upgrade", "host", "content-length", "x-sluice-pool", "x-forwarded-for", "api-key",
            "user-agent", "accept-encoding", "expect", "x-api-key",
        ]
        let request = self.request(self.backend(), (passed + kept).map { ($0, "client's") })
        for name in passed { #expect(request.headers[name] == "client's") }
        for name in kept where name != "authorization" { #expect(request.headers[name] == nil, "\(name)") }
        #expect(request.headers.values("authorization") == ["Bearer secret"])
        #expect(request.headers["content-type"] == "application/json")
    }

    @Test func `passes the client's idempotency key and makes none up`() {
        #expect(self.request(self.backend()).headers["idempotency-key"] == nil)
        #expect(self.request(self.backend(), [("Idempotency-Key", "k")]).headers.values("idempotency-key") == ["k"])
    }

    @Test func `lets configured headers replace all others of their name`() {
        let backend = self.backend("http://h/v1", [("authorization", "Key x"), ("OpenAI-Project", "p"), ("X-A", "1")])
        let headers = self.request(backend, [("openai-project", "client's")]).headers
        #expect(headers.values("authorization") == ["Key x"])
        #expect(headers.values("openai-project") == ["p"])
        #expect(headers["x-a"] == "1")
    }

    @Test(arguments: [
        ("http://u:p@h:1/v1", "http://h:1/v1"), ("https://h/v1/a@b", "https://h/v1/a@b"), ("http://u:p@h", "http://h"),
        ("http://u:p@x@h/v1", "http://h/v1"), ("http://h/v1/", "http://h/v1"),
    ])
    func `shows the address without user and password`(url: String, shown: String) {
        #expect(self.backend(url).address == shown)
    }

    // MARK: Back

    private func failure(_ status: Int, _ body: String, headers: [(String, String)] = []) -> AttemptFailure? {
        let answer = HTTPClientResponse(
            status: status,
            headers: HTTPFields([("content-type", "application/json; charset=utf-8")] + headers),
            body: Array(body.utf8)
        )
        guard case .failure(let failure) = OpenAIClassifier.classify(answer, now: 0) else { return nil }
        return failure
    }

    @Test func `a quota that is used up is not worth waiting for`() {
        let body = #"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#
        #expect(self.failure(429, body, headers: [("retry-after", "1")])?.failureClass == .providerRejected)
        #expect(self.failure(429, #"{"error":{"code":"rate_limit_exceeded"}}"#)?.failureClass == .rateLimited)
        #expect(self.failure(429, "slow down")?.failureClass == .rateLimited)
    }

    @Test func `503 is patience with a time to wait and trouble without`() {
        #expect(self.failure(503, "{}", headers: [("retry-after", "2")])?.failureClass == .overloaded)
        #expect(self.failure(503, "{}", headers: [("retry-after", "2")])?.retryAfter == .seconds(2))
        #expect(self.failure(503, "{}")?.failureClass == .serverError)
        #expect(self.failure(529, "{}")?.failureClass == .serverError)
    }

    @Test(arguments: [
        (408, FailureClass.serverError), (425, .serverError), (402, .providerRejected),
        (409, .serverError), (413, .invalidRequest), (415, .invalidRequest), (504, .serverError),
        (307, .providerRejected), (0, .malformedResponse), (101, .malformedResponse),
    ])
    func `classifies the rarer statuses`(status: Int, expected: FailureClass) {
        #expect(self.failure(status, "{}")?.failureClass == expected)
    }

    @Test(arguments: [
        (#"{"error":{"code":"429"}}"#, FailureClass.rateLimited), (#"{"error":{"code":502}}"#, .serverError),
        (#"{"error":{"status":404}}"#, .routeOrModel), (#"{"error":"model not found"}"#, .serverError),
        (#"{"choices":[],"error":{"type":"server_error"}}"#, .serverError),
        (#"{"status":"failed","output":[],"error":{"code":"rate_limit_exceeded"}}"#, .rateLimited),
        (#"{"error":{"type":"invalid_request_error","code":"context_length_exceeded"}}"#, .invalidRequest),
        (#"{"error":{"type":"invalid_request_error","code":"model_not_found"}}"#, .routeOrModel),
        (#"{"error":{"type":"tokens","code":"insufficient_quota"}}"#, .providerRejected), ("[]", .malformedResponse),
        ("", .malformedResponse), (#"{"choices":[{"mess"#, .malformedResponse), ("null", .malformedResponse),
    ])
    func `sees what is wrong with an answer that says 200`(body: String, expected: FailureClass) {
        #expect(self.failure(200, body)?.failureClass == expected)
    }

    @Test func `an answer beside a null or a partial error is an answer`() {
        #expect(self.failure(200, #"{"choices":[{}],"error":null}"#) == nil)
        #expect(self.failure(200, #"{"output":[{}],"error":{"code":"x"},"status":"incomplete"}"#) == nil)
        #expect(self.failure(200, #"{"data":[{"embedding":[1]}]}"#) == nil)
    }

    @Test(arguments: [
        (HTTPClientError.Kind.connectRefused, true, FailureClass.connectRefused), (.resolve, false, .connectError),
        (.tls, false, .connectError), (.tooManyTransfers, false, .connectError),
        (.connectTimeout, false, .connectTimeout),
        (.timeout, true, .readTimeout), (.timeout, false, .connectTimeout), (.reset, true, .reset),
        (.reset, false, .connectError), (.malformed, true, .malformedResponse),
        (.responseTooLarge, true, .responseTooLarge), (.cancelled, true, .cancelled), (.shutdown, true, .cancelled),
    ])
    func `classifies what the transport says`(kind: HTTPClientError.Kind, sent: Bool, expected: FailureClass) {
        #expect(OpenAIClassifier.classify(HTTPClientError(kind, message: "m", sent: sent)).failureClass == expected)
    }

    @Test func `passes back what the client can use`() {
        let passed = OpenAIClassifier.passedHeaders(
            HTTPFields([
                ("X-RateLimit-Remaining-Tokens", "1"), ("openai-processing-ms", "2"), ("X-Request-Id", "3"),
                ("Retry-After", "4"), ("Content-Type", "5"), ("Set-Cookie", "6"), ("Connection", "7"),
                ("Transfer-Encoding", "8"), ("Server", "9"), ("x-internal", "10"), ("", "11"),
            ])
        )
        #expect(passed.pairs.map(\.value) == ["1", "2", "3", "4", "5"])
    }
}

struct RequestHeadTests {
    private func read(_ text: String, _ operation: OpenAIOperation) throws -> OpenAIRequestHead {
        try OpenAIRequestHead.read(Array(text.utf8), operation: operation)
    }

    @Test(arguments: [
        (#"{"model":"m"}"#, OpenAIOperation.completions, "prompt"),
        (#"{"model":"m","prompt":1}"#, .completions, "prompt"),
        (#"{"model":"m"}"#, .embeddings, "input"), (#"{"model":"m","input":{}}"#, .embeddings, "input"),
        (#"{"model":"m","input":5}"#, .responses, "input"), (#"{"model":null,"input":"x"}"#, .responses, "model"),
        (#"{"model":"m","messages":[]}"#, .chatCompletions, "messages"),
        (#"{"model":"m","messages":[{}],"stream":1}"#, .chatCompletions, "stream"),
        (#"{"model":"m","messages":[{}],"max_tokens":1.5}"#, .chatCompletions, "max_tokens"),
        (#"{"model":"m","messages":[{}],"max_completion_tokens":-1}"#, .chatCompletions, "max_completion_tokens"),
        (#"{"model":"m","messages":[{}],"max_tokens":"9"}"#, .chatCompletions, "max_tokens"),
    ])
    func `names the field`(body: String, operation: OpenAIOperation, field: String) {
        let error = #expect(throws: InvalidRequest.self) { try self.read(body, operation) }
        #expect(error?.param == field)
        #expect(error?.message.contains("'\(field)'") == true)
        #expect(error?.code != nil)
    }

    @Test(arguments: [
        (#"{"model":"m","prompt":["a","b"]}"#, OpenAIOperation.completions),
        (#"{"model":"m","prompt_embeds":"AAAA"}"#, .completions), (#"{"model":"m","input":[[1,2],[3]]}"#, .embeddings),
        (#"{"model":"m","messages":[{"role":"user"}]}"#, .embeddings), (#"{"model":"m"}"#, .responses),
        (#"{"model":"m","input":null,"previous_response_id":"r"}"#, .responses),
        (
            #"{"model":"m","messages":[{"role":"x","content":null}],"stream":null,"max_tokens":10.0,"x":[{}]}"#,
            .chatCompletions
        ),
    ])
    func `is lenient where backends differ`(body: String, operation: OpenAIOperation) throws {
        #expect(try self.read(body, operation).model == "m")
    }

    @Test func `says where malformed JSON is malformed`() {
        let error = #expect(throws: InvalidRequest.self) { try self.read(#"{"model":"m",}"#, .chatCompletions) }
        #expect(error?.code == "invalid_json")
        #expect(error?.message.contains("byte offset 13 of 14") == true)
        #expect(error?.message.contains("\"m\"") == false)
    }

    @Test func `a body that is no object is refused, whatever it is`() {
        for body in ["[]", "1", "\"x\"", "null", "true"] {
            let error = #expect(throws: InvalidRequest.self) { try self.read(body, .responses) }
            #expect(error?.code == "invalid_type")
        }
    }

    @Test(arguments: 0..<4)
    func `neither crashes nor takes garbage`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let whole = Array(
            #"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"é"}]}],"max_tokens":5}"#.utf8
        )
        for _ in 0..<1_000 {
            var bytes = whole
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            bytes.removeLast(Int.random(in: 0..<bytes.count / 8, using: &random))
            do throws(InvalidRequest) {
                let head = try OpenAIRequestHead.read(bytes, operation: .chatCompletions)
                #expect(head.tokenEstimate >= 0)
            } catch {
                #expect(!error.message.isEmpty)
            }
        }
    }
}
