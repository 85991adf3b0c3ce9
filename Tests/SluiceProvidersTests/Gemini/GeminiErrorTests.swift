import SluiceWire
import Testing

@testable import SluiceProviders

struct GeminiErrorTests {
    private func body(_ code: Int, _ status: String, _ message: String, _ details: String = "[]") -> String {
        #"{"error":{"code":\#(code),"message":"\#(message)","status":"\#(status)","details":\#(details)}}"#
    }

    @Test(arguments: [
        (400, "INVALID_ARGUMENT", ProviderError.Kind.badRequest, false),
        (401, "UNAUTHENTICATED", .authentication, false),
        (403, "PERMISSION_DENIED", .permission, false),
        (404, "NOT_FOUND", .notFound, false),
        (408, "DEADLINE_EXCEEDED", .timeout, true),
        (413, "INVALID_ARGUMENT", .payloadTooLarge, false),
        (422, "INVALID_ARGUMENT", .badRequest, false),
        (429, "RESOURCE_EXHAUSTED", .rateLimit, true),
        (499, "CANCELLED", .cancelled, false),
        (500, "INTERNAL", .internalError, true),
        (502, "UNAVAILABLE", .badGateway, true),
        (503, "UNAVAILABLE", .serviceUnavailable, true),
        (504, "DEADLINE_EXCEEDED", .timeout, true),
    ])
    func `the status decides the class before any word in the body`(
        status: Int,
        word: String,
        kind: ProviderError.Kind,
        isRetryable: Bool
    ) {
        let error = GeminiTestSupport.failure(status, self.body(status, word, "rate limit, overloaded, timed out"))
        #expect(error.kind == kind)
        #expect(error.isRetryable == isRetryable)
        #expect(error.status == status)
        #expect(error.code == word)
        #expect(error.message == "rate limit, overloaded, timed out")
        #expect(error.provider == "gemini")
    }

    @Test func `a bad key is a bad argument there, its reason makes it an authentication error`() {
        let details = #"[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]"#
        let error = GeminiTestSupport.failure(400, self.body(400, "INVALID_ARGUMENT", "API key not valid.", details))
        #expect(error.kind == .authentication)
        #expect(error.code == "API_KEY_INVALID")
        // The words alone are not enough, nor is the reason with another status.
        #expect(
            GeminiTestSupport.failure(400, self.body(400, "INVALID_ARGUMENT", "API key not valid.")).kind == .badRequest
        )
        #expect(GeminiTestSupport.failure(500, self.body(500, "INTERNAL", "x", details)).kind == .internalError)
    }

    @Test func `a prompt that is too long for the model`() {
        let message = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
        let error = GeminiTestSupport.failure(400, self.body(400, "INVALID_ARGUMENT", message))
        #expect(error.kind == .contextWindowExceeded)
        #expect(error.code == "context_length_exceeded")
        #expect(GeminiTestSupport.failure(429, self.body(429, "RESOURCE_EXHAUSTED", message)).kind == .rateLimit)
    }

    @Test func `RetryInfo says how long to wait, else the header`() {
        let details = """
            [{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"PerDay"}]},
            {"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r-9"},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]
            """
        let body = self.body(429, "RESOURCE_EXHAUSTED", "quota", details)
        let error = GeminiTestSupport.failure(429, body, [("retry-after", "7")])
        #expect(error.retryAfter == .milliseconds(34_500))
        #expect(error.requestID == "r-9")
        let plain = GeminiTestSupport.failure(429, "{}", [("retry-after", "7"), ("x-request-id", "r-1")])
        #expect(plain.retryAfter == .seconds(7))
        #expect(plain.requestID == "r-1")
        for delay in ["-1s", "x", "", "1e400s", "nans"] {
            let odd = self.body(429, "X", "q", #"[{"retryDelay":"\#(delay)"}]"#)
            #expect(GeminiTestSupport.failure(429, odd).retryAfter == nil)
        }
    }

    @Test func `the field at fault is named`() {
        let details = #"[{"fieldViolations":[{"field":"generation_config.top_k","description":"too large"}]}]"#
        let error = GeminiTestSupport.failure(400, self.body(400, "INVALID_ARGUMENT", "bad", details))
        #expect(error.parameter == "generation_config.top_k")
    }

    @Test func `a list around the error, and bodies that are no JSON`() {
        let listed = GeminiTestSupport.failure(503, "[\(self.body(503, "UNAVAILABLE", "overloaded"))]")
        #expect(listed.kind == .serviceUnavailable)
        #expect(listed.message == "overloaded")
        for body in ["", "<html>", "null", "[]", #"{"error":"x"}"#, #"{"error":{}}"#] {
            #expect(GeminiTestSupport.failure(502, body).kind == .badGateway)
        }
    }

    @Test func `keys never appear in a message`() {
        let key = "AIzaSyA1234567890abcdefghijklmnopqrstuv"
        let error = GeminiTestSupport.failure(400, self.body(400, "INVALID_ARGUMENT", "key \(key) is wrong"))
        #expect(!error.message.contains(key))
    }

    @Test(arguments: [
        "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
    ])
    func `an answer that the model spoilt is an error that may be tried again, never a stop`(reason: String) throws {
        let event = #"{"candidates":[{"content":{},"finishReason":"\#(reason)","finishMessage":"oops"}]}"#
        let error = #expect(throws: ProviderError.self) { try GeminiTestSupport.answer(event) }
        #expect(error?.kind == .badGateway)
        #expect(error?.isRetryable == true)
        #expect(error?.code == reason)
        #expect(error?.message == "oops")
        let decoded = try GeminiTestSupport.decoded([GeminiTestSupport.stream([event])])
        #expect(decoded.error?.code == reason)
        #expect(!decoded.events.contains(.done))
    }

    @Test func `a missing signature is the request's fault`() {
        let error = #expect(throws: ProviderError.self) {
            try GeminiTestSupport.answer(#"{"candidates":[{"finishReason":"MISSING_THOUGHT_SIGNATURE"}]}"#)
        }
        #expect(error?.kind == .badRequest)
        #expect(error?.isRetryable == false)
    }

    @Test(arguments: [
        ("STOP", FinishReason.stop), ("MAX_TOKENS", .length), ("CONTINUATION", .length), ("SAFETY", .contentFilter),
        ("RECITATION", .contentFilter), ("LANGUAGE", .contentFilter), ("BLOCKLIST", .contentFilter),
        ("PROHIBITED_CONTENT", .contentFilter), ("SPII", .contentFilter), ("OTHER", .contentFilter),
        ("MODEL_ARMOR", .contentFilter), ("IMAGE_SAFETY", .contentFilter), ("NO_IMAGE", .contentFilter),
        ("ESCALATION", .contentFilter), ("NEWER_THAN_WE_ARE", .contentFilter),
    ])
    func `finish reasons, the native one always exposed, text before a block kept`(
        native: String,
        reason: FinishReason
    ) throws {
        let event = #"{"candidates":[{"content":{"parts":[{"text":"so far"}]},"finishReason":"\#(native)"}]}"#
        let answer = try GeminiTestSupport.answer(event)
        #expect(answer.choices[0].finishReason == reason)
        #expect(answer.choices[0].nativeFinishReason == native)
        #expect(answer.text == "so far")
        let decoded = try GeminiTestSupport.decoded([GeminiTestSupport.stream([event])])
        #expect(decoded.events.contains(.finish(choice: 0, reason, native: native)))
        #expect(decoded.events.contains(.content(choice: 0, "so far")))
    }

    @Test func `an error inside a stream ends it with that error`() throws {
        let event = #"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#
        let error = self.body(503, "UNAVAILABLE", "The model is overloaded.")
        let decoded = try GeminiTestSupport.decoded([GeminiTestSupport.stream([event, error])])
        #expect(decoded.error?.kind == .serviceUnavailable)
        #expect(decoded.error?.message == "The model is overloaded.")
        #expect(decoded.error?.status == nil)
        #expect(!decoded.events.contains(.done))
    }

    @Test func `answers that are not what was promised`() throws {
        let empty = [#"{"candidates":[]}"#, #"{"candidates":[{"content":{"parts":[]}}]}"#]
        for body in ["", "{", "{}", "[]", "null"] + empty {
            let error = #expect(throws: ProviderError.self) { try GeminiTestSupport.answer(body) }
            #expect(error?.kind == .badGateway)
            #expect(error?.isRetryable == true)
        }
        #expect(try GeminiTestSupport.decoded([Array("data: {x\n\n".utf8)]).error?.code == "malformed_response")
        #expect(try GeminiTestSupport.decoded([]).error?.code == "stream_truncated")
    }

    @Test func `one candidate without its end makes the stream a truncated one`() throws {
        let event = """
            {"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"},\
            {"index":1,"content":{"parts":[{"text":"b"}]}}]}
            """
        #expect(try GeminiTestSupport.decoded([GeminiTestSupport.stream([event])]).error?.code == "stream_truncated")
    }

    @Test func `odd values are no traps`() throws {
        let values = [
            #"{"candidates":[{"index":-1,"finishReason":"STOP"}]}"#,
            #"{"candidates":[{"index":9223372036854775807,"finishReason":"STOP"}]}"#,
            #"{"candidates":[{"finishReason":"STOP","content":{"parts":[{"functionCall":{"args":[]}}]}}]}"#,
            #"{"candidates":[{"finishReason":"STOP","content":{"parts":[null,1,"x",{"inlineData":{}}]}}]}"#,
            """
            {"candidates":[{"finishReason":"STOP","content":{"parts":[{"text":"é"}]},"groundingMetadata":{
            "groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"startIndex":-5,
            "endIndex":9223372036854775807,"partIndex":-3},"groundingChunkIndices":[0,7,-1]}]}}],
            "usageMetadata":{"promptTokenCount":9223372036854775807,"toolUsePromptTokenCount":9,
            "candidatesTokenCount":-4}}
            """,
        ]
        for value in values { _ = try? GeminiTestSupport.answer(value) }
        let last = try GeminiTestSupport.answer(values[4])
        #expect(last.choices[0].citations == [Citation(url: "u")])
        #expect(last.usage?.promptTokens == Int.max)
        #expect(last.usage?.completionTokens == 0)
    }
}
