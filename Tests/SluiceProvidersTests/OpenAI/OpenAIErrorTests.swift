import SluiceProviders
import SluiceWire
import Testing

@Suite("Errors in OpenAI's shape")
struct OpenAIErrorTests {
    static func error(
        _ status: Int,
        _ body: String = "{}",
        _ headers: [(String, String)] = [("content-type", "application/json")]
    ) -> ProviderError {
        let response = HTTPClientResponse(status: status, headers: HTTPFields(headers), body: Array(body.utf8))
        return ProviderError(openAI: response, provider: "p", now: 1_000_000)
    }

    private static func body(_ message: String, type: String = "invalid_request_error", code: String = "null") -> String
    {
        "{\"error\":{\"message\":\"\(message)\",\"type\":\"\(type)\",\"param\":\"messages\",\"code\":\(code)}}"
    }

    @Test(
        "the status decides",
        arguments: [
            (400, ProviderError.Kind.badRequest), (401, .authentication), (402, .budget), (403, .permission),
            (404, .notFound), (408, .timeout), (409, .badRequest), (413, .payloadTooLarge), (422, .badRequest),
            (424, .internalError), (429, .rateLimit), (498, .serviceUnavailable), (499, .cancelled),
            (500, .internalError), (502, .badGateway), (503, .serviceUnavailable), (504, .timeout),
            (529, .serviceUnavailable), (520, .badGateway), (524, .timeout), (302, .badGateway), (599, .internalError),
        ]
    )
    func statuses(status: Int, kind: ProviderError.Kind) {
        #expect(Self.error(status).kind == kind)
        #expect(Self.error(status, "<html>").kind == kind)
        // Words of an answer with another status do not count.
        for words in ["Rate limit reached", "context_length_exceeded: maximum context length", "safety system"] {
            let found = Self.error(status, Self.body(words)).kind
            if status != 400 && status != 422 { #expect(found == kind, "\(words)") }
        }
    }

    @Test("a 400 that mentions a rate limit is a bad request, and is not sent again")
    func rateLimitWords() {
        let error = Self.error(400, Self.body("Your rate limit settings are invalid: too many requests"))
        #expect(error.kind == .badRequest)
        #expect(!error.isRetryable)
    }

    @Test("invalid_request_error with another status is what the status says", arguments: [401, 403, 404, 429, 500])
    func invalidRequestType(status: Int) {
        let kinds: [Int: ProviderError.Kind] = [
            401: .authentication, 403: .permission, 404: .notFound, 429: .rateLimit, 500: .internalError,
        ]
        #expect(Self.error(status, Self.body("nope")).kind == kinds[status])
    }

    @Test(
        "words of a context that is too long refine a 400",
        arguments: [
            "This model's maximum context length is 8192 tokens. However, you requested 9000",
            "prompt is too long: 210000 tokens > 200000 maximum", "input length and `max_tokens` exceed context limit",
            "string too long. Expected a string with maximum length 1048576",
            "This exceeds the model's maximum context limit",
            "The prompt is longer than the model's context length",
            "Input tokens exceed the configured limit of 272000",
            "`inputs` tokens + `max_new_tokens` must be <= 4097", "the request exceeds the available context size",
            "The input token count exceeds the maximum number of tokens allowed",
            "Input is too long for requested model",
            "too many tokens: size limit exceeded", "maximum input length is 4096 tokens",
            "current length is 9000 while limit is 8192",
        ]
    )
    func contextWindow(message: String) {
        for status in [400, 422] { #expect(Self.error(status, Self.body(message)).kind == .contextWindowExceeded) }
        #expect(Self.error(500, Self.body(message)).kind == .internalError)
    }

    @Test(
        "a machine word refines a 400 before any sentence does",
        arguments: [
            (#""context_length_exceeded""#, ProviderError.Kind.contextWindowExceeded),
            (#""content_policy_violation""#, .contentPolicy), (#""content_filter""#, .contentPolicy),
            (#""unsupported_parameter""#, .unsupportedParameter), (#""model_not_found""#, .notFound),
            (#""invalid_api_key""#, .authentication), (#""something_else""#, .badRequest), ("7", .badRequest),
        ]
    )
    func codes(code: String, kind: ProviderError.Kind) {
        #expect(Self.error(400, Self.body("whatever", code: code)).kind == kind)
    }

    @Test("a used up quota is not waited for")
    func quota() {
        let error = Self.error(429, Self.body("You exceeded your current quota", type: "insufficient_quota"))
        #expect(error.kind == .budget)
        #expect(!error.isRetryable)
        #expect(Self.error(429, Self.body("slow down", type: "requests")).isRetryable)
    }

    @Test("Azure tells the cause in an inner error")
    func azureContentFilter() {
        let body =
            #"{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","#
            + #""status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#
        let error = Self.error(400, body)
        #expect(error.kind == .contentPolicy)
        #expect(error.code == "content_filter")
    }

    @Test(
        "bodies of every shape give their message",
        arguments: [
            (#"{"error":{"message":"m1"}}"#, "m1"), (#"{"error":"m2"}"#, "m2"),
            (#"{"object":"error","message":"m3","type":"t","code":40001}"#, "m3"), (#"{"detail":"m4"}"#, "m4"),
            (#"{"message":{"detail":[{"msg":"m5"}]}}"#, #"[{"msg":"m5"}]"#), (#"[{"error":{"message":"m6"}}]"#, "m6"),
            (#"{"error":{"message":"m7","metadata":{"raw":"why"}}}"#, "m7: why"), (#""m8""#, "m8"),
            ("<html>long</html>", "the provider answered with status 400"),
            ("", "the provider answered with status 400"),
        ]
    )
    func messages(body: String, message: String) {
        #expect(Self.error(400, body).message == message)
    }

    @Test("Retry-After, the request's name and the provider's advice are taken over")
    func headers() {
        let error = Self.error(
            429,
            Self.body("slow", code: #""rate_limit_exceeded""#),
            [("Retry-After", "20"), ("x-request-id", "req_9"), ("x-should-retry", "false")]
        )
        #expect(error.retryAfter == .seconds(20))
        #expect(error.requestID == "req_9")
        #expect(!error.isRetryable)
        #expect(error.parameter == "messages")
        #expect(error.code == "rate_limit_exceeded")
        #expect(Self.error(503, "", [("retry-after-ms", "1500")]).retryAfter == .milliseconds(1500))
        #expect(Self.error(429, "", [("apim-request-id", "a-1")]).requestID == "a-1")
    }

    @Test(
        "a key is taken out of a message",
        arguments: [
            "Incorrect API key provided: sk-proj-abcDEF123456789. You can find it",
            "Authorization: Bearer abcdef.ghi12345 is wrong",
            "key gsk_aBcDeF1234567890", "bad key AIzaSyA-1234567890abcdefg!", "sk-ant-api03-AAAA****BBBB",
            "Incorrect API key provided: sk-abcde***************wxyz.", "xai-1234567890ABC and nvapi-1234567890ABC",
        ]
    )
    func scrubbed(message: String) {
        let text = Self.error(401, Self.body(message)).message
        #expect(text.contains("[key removed]"))
        for secret in ["abcDEF", "ghi12345", "aBcDeF", "SyA-12", "AAAA", "wxyz", "1234567890"] {
            #expect(!text.contains(secret), "\(text)")
        }
    }

    @Test("words that only look a little like keys stay")
    func notScrubbed() {
        let text = "the task-based co-authored sk- model eye-catching bearer of news"
        #expect(KeyScrubber.scrub(text) == text)
        #expect(KeyScrubber.scrub("my own hunter22", secrets: ["hunter22"]) == "my own [key removed]")
    }

    @Test("the error for a client: its type, its code, its status")
    func rendered() {
        let error = ProviderError(
            .contextWindowExceeded,
            "too \"long\"",
            provider: "p",
            status: 400,
            parameter: "messages"
        )
        #expect(
            String(decoding: error.openAIBody, as: UTF8.self)
                == #"{"error":{"message":"too \"long\"","type":"invalid_request_error","param":"messages","#
                + #""code":"context_length_exceeded"}}"#
        )
        #expect(Self.error(413).httpStatus == 413)
        #expect(Self.error(422).httpStatus == 422)
        #expect(Self.error(529).httpStatus == 503)
        #expect(Self.error(529).kind.openAIType == "overloaded_error")
    }

    @Test("an error that we wrote reads back as what it was", arguments: ProviderError.Kind.allCases)
    func roundTrip(kind: ProviderError.Kind) {
        let error = ProviderError(kind, "some words", provider: "p")
        let read = Self.error(error.httpStatus, String(decoding: error.openAIBody, as: UTF8.self))
        let same: ProviderError.Kind =
            switch kind {
            case .connection: .badGateway
            case .unsupportedProvider: .badRequest
            default: kind
            }
        #expect(read.kind == same)
        #expect(read.message == "some words")
    }
}
