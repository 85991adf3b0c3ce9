import SluiceCore
import SluiceWire
import Testing

@testable import SluiceProviders

/// What a status means is the same at every provider, whatever the words beside it say.
struct StatusMatrixTests {
    private struct Row {
        var status: Int
        var kind: ProviderError.Kind
        /// What a client is told.
        var told: Int
        var isRetryable: Bool

        init(_ status: Int, _ kind: ProviderError.Kind, told: Int, again isRetryable: Bool = false) {
            self.status = status
            self.kind = kind
            self.told = told
            self.isRetryable = isRetryable
        }
    }

    private static let rows = [
        Row(400, .badRequest, told: 400), Row(401, .authentication, told: 401), Row(402, .budget, told: 429),
        Row(403, .permission, told: 403), Row(404, .notFound, told: 404), Row(408, .timeout, told: 504, again: true),
        Row(409, .badRequest, told: 409, again: true), Row(413, .payloadTooLarge, told: 413),
        Row(422, .badRequest, told: 422), Row(424, .internalError, told: 500, again: true),
        Row(425, .serviceUnavailable, told: 503, again: true), Row(429, .rateLimit, told: 429, again: true),
        Row(498, .serviceUnavailable, told: 503, again: true), Row(499, .cancelled, told: 499),
        Row(500, .internalError, told: 500, again: true), Row(502, .badGateway, told: 502, again: true),
        Row(503, .serviceUnavailable, told: 503, again: true), Row(504, .timeout, told: 504, again: true),
        Row(529, .serviceUnavailable, told: 503, again: true),
    ]

    /// Where a provider's documentation says otherwise.
    private static func row(_ provider: String, _ row: Row) -> Row {
        switch (provider, row.status) {
        case ("bedrock", 424): Row(424, .badGateway, told: 502, again: true)
        case ("cohere", 498): Row(498, .authentication, told: 401)
        default: row
        }
    }

    /// Each of them is what another status would say.
    private static let words = [
        "Rate limit reached: too many requests", "Request too large", "A timeout occurred",
        "The server had an error while processing your request", "invalid_encrypted_content", "the model is overloaded",
        "Incorrect API key provided", "API key not valid. Please pass a valid API key.", "model_not_found",
    ]

    /// Holds its words wherever any of the providers has them.
    private static func response(
        _ status: Int,
        _ words: String,
        _ headers: [(String, String)] = []
    ) -> HTTPClientResponse {
        let error = #"{"message":"\#(words)","type":"invalid_request_error","param":null,"code":null}"#
        return HTTPClientResponse(
            status: status,
            headers: HTTPFields([("content-type", "application/json")] + headers),
            body: Array(#"{"type":"error","message":"\#(words)","error":\#(error)}"#.utf8)
        )
    }

    private static let handlers = ProviderRegistry.entries.compactMap { ProviderRegistry.handler(for: $0) }

    @Test func `at every provider the status decides the error's class before any word in the body`() {
        #expect(Set(Self.handlers.map(\.provider)).count > 20)
        for handler in Self.handlers {
            for plain in Self.rows {
                let row = Self.row(handler.provider, plain)
                for words in Self.words {
                    let error = handler.failure(Self.response(row.status, words), now: 0)
                    let what = "\(handler.provider) \(row.status) '\(words)'"
                    #expect(error.kind == row.kind, "\(what)")
                    #expect(error.httpStatus == row.told, "\(what)")
                    #expect(error.isRetryable == row.isRetryable, "\(what)")
                    #expect(error.status == row.status && error.message == words, "\(what)")
                }
            }
        }
    }

    @Test func `at every provider the words of a long prompt refine a 400 alone`() {
        let words = "This model's maximum context length is 8192 tokens."
        for handler in Self.handlers {
            for row in Self.rows.map({ Self.row(handler.provider, $0) }) {
                let kind = handler.failure(Self.response(row.status, words), now: 0).kind
                let isOpen = row.status == 400 || row.status == 422
                #expect(kind == (isOpen ? .contextWindowExceeded : row.kind), "\(handler.provider) \(row.status)")
            }
        }
    }

    @Test func `at every provider Retry-After and the request's name are taken over`() {
        for handler in Self.handlers {
            let headers = [("Retry-After", "7"), ("x-request-id", "r-1")]
            let error = handler.failure(Self.response(429, "slow", headers), now: 0)
            #expect(error.retryAfter == .seconds(7) && error.requestID == "r-1", "\(handler.provider)")
        }
    }

    @Test func `what never reached a provider is 502 and may be tried again`() {
        let error = ProviderError(.connection, "refused", provider: "p")
        #expect(error.httpStatus == 502 && error.isRetryable)
        #expect(OpenAIClassifier.classify(HTTPClientError(.connectRefused, message: "m", sent: false)).status == nil)
    }

    /// The gateway decides by classes of its own; 501 it may take to another target, which the library has not.
    @Test func `the same statuses are tried again by the library and by the gateway`() {
        let again: Set<FailureClass> = [.serverError, .rateLimited, .overloaded]
        for status in 400..<600 where status != 501 {
            let answer = Self.response(status, "x")
            guard case .failure(let failure) = OpenAIClassifier.classify(answer, now: 0) else {
                Issue.record("\(status) is a success")
                continue
            }
            let error = ProviderError(openAI: answer, provider: "p", now: 0)
            #expect(again.contains(failure.failureClass) == error.isRetryable, "\(status)")
        }
    }

    @Test(arguments: ["openai", "anthropic", "cohere"])
    func `409 is a conflict that passes, unless the provider says that it does not`(name: String) throws {
        let entry = try #require(ProviderRegistry.entry(named: name))
        let handler = try #require(ProviderRegistry.handler(for: entry))
        #expect(handler.failure(Self.response(409, "lock timeout"), now: 0).isRetryable)
        guard name != "cohere" else { return }
        let final = Self.response(409, "idempotency key reused", [("x-should-retry", "false")])
        #expect(!handler.failure(final, now: 0).isRetryable)
    }

    @Test func `Retry-After keeps its name, and one that only the body states becomes a header`() throws {
        var resolution = ModelResolution { _ in nil }
        resolution.providers["gemini"] = ProviderAccess(baseURL: "http://p", key: "k")
        let target = try #require(BackendTarget(try resolution.resolve("", provider: "gemini"), name: "gemini"))
        let ask = BackendAsk(
            operation: .chatCompletions,
            body: Array(#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#.utf8),
            model: "m",
            clientHeaders: HTTPFields(),
            requestID: "r",
            timeout: .seconds(1),
            maximumResponseBytes: 1 << 20,
            allowsSilentResend: true,
            now: 0
        )
        let translation = try #require(try target.attempt(ask).translation)
        let stated = translation.answer(Self.response(429, "slow", [("Retry-After", "9")]), now: 0).whole
        #expect(stated.status == 429 && stated.headers.values("retry-after") == ["9"])
        let detail = #"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}"#
        let body = #"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[\#(detail)]}}"#
        let inside = HTTPClientResponse(status: 429, body: Array(body.utf8))
        #expect(translation.answer(inside, now: 0).whole.headers["retry-after"] == "35")
    }
}
