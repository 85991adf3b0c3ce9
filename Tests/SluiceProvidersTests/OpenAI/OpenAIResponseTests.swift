import SluiceProviders
import SluiceWire
import Testing

@Suite("OpenAI answers")
struct OpenAIResponseTests {
    @Test("an answer loses nothing on its way through")
    func lossless() throws {
        let golden = GoldenFiles.read("openai/response-tools.json")
        let response = try ChatResponse(openAI: golden, provider: "openai")
        #expect(GoldenFiles.sorted(response.openAIBody()) == GoldenFiles.sorted(golden))
        #expect(try ChatResponse(openAI: response.openAIBody(), provider: "openai") == response)
        #expect(response.usage?.cacheWriteTokens == 10)
        #expect(response.choices[1].citations.first?.range == 0..<4)
    }

    private static func answer(_ message: String, finish: String) throws -> ChatChoice {
        let text =
            #"{"id":"1","model":"m","created":1,"choices":[{"index":0,"message":"#
            + message + #","finish_reason":"# + finish + "}]}"
        let response = try ChatResponse(openAI: Array(text.utf8), provider: "p")
        return try #require(response.choices.first)
    }

    @Test(
        "a reason that OpenAI does not know is told in its words, and kept",
        arguments: [
            (#""eos""#, FinishReason.stop, "eos" as String?), (#""model_length""#, .length, "model_length"),
            (#""MAX_TOKENS""#, .length, "MAX_TOKENS"), (#""sensitive""#, .contentFilter, "sensitive"),
            (#""stop""#, .stop, nil), ("null", .stop, nil), (#""length""#, .length, nil),
        ]
    )
    func finishReasons(word: String, reason: FinishReason, native: String?) throws {
        let choice = try Self.answer(#"{"content":"x"}"#, finish: word)
        #expect(choice.finishReason == reason)
        #expect(choice.nativeFinishReason == native)
    }

    @Test("a server that stopped where it called a tool has called a tool")
    func repairedStop() throws {
        let call =
            #"{"content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}"#
        #expect(try Self.answer(call, finish: #""stop""#).finishReason == .toolCalls)
        let function = #"{"content":null,"function_call":{"name":"f","arguments":"{}"}}"#
        #expect(try Self.answer(function, finish: #""stop""#).finishReason == .functionCall)
    }

    @Test(
        "a reason that says failure is an error, never stop",
        arguments: ["error", "abort", "insufficient_system_resource"]
    )
    func failures(word: String) {
        #expect {
            _ = try Self.answer(#"{"content":"half"}"#, finish: "\"\(word)\"")
        } throws: { ($0 as? ProviderError)?.isRetryable == true }
    }

    @Test("a list of parts is text and reasoning")
    func parts() throws {
        let message =
            #"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},"#
            + #"{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#
        let choice = try Self.answer(message, finish: #""stop""#)
        #expect(choice.content == "ab")
        #expect(choice.reasoning == [ReasoningBlock(text: "hm")])
    }

    @Test("reasoning comes under either name", arguments: ["reasoning", "reasoning_content"])
    func reasoning(name: String) throws {
        #expect(
            try Self.answer("{\"content\":\"x\",\"\(name)\":\"hm\"}", finish: "null").reasoning == [
                ReasoningBlock(text: "hm")
            ]
        )
    }

    @Test("DeepSeek's words for what was read from its cache")
    func deepSeekUsage() throws {
        let text =
            #"{"id":"1","model":"m","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"#
            + #""prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}}"#
        let response = try ChatResponse(openAI: Array(text.utf8), provider: "deepseek")
        #expect(response.usage?.cachedTokens == 8)
        #expect(response.usage?.statedTotal == nil)
    }

    @Test(
        "an error inside an answer of success is an error",
        arguments: [
            (#"{"error":{"code":429,"message":"slow down"}}"#, ProviderError.Kind.rateLimit),
            (#"{"error":{"code":502,"message":"upstream","metadata":{"raw":"boom"}},"choices":[]}"#, .badGateway),
            (#"{"error":"boom"}"#, .internalError),
            (#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#, .badRequest),
            (#"{"error":{"message":"m","type":"overloaded_error"}}"#, .serviceUnavailable),
            ("{}", .badGateway), ("[]", .badGateway), ("nonsense", .badGateway),
            (#"{"choices":[{"index":0}]}"#, .badGateway),
        ]
    )
    func errorsInside(body: String, kind: ProviderError.Kind) {
        #expect {
            _ = try ChatResponse(openAI: Array(body.utf8), provider: "openrouter")
        } throws: { ($0 as? ProviderError)?.kind == kind }
    }

    @Test("who asked with functions is answered with a function call")
    func functionCall() throws {
        var choice = ChatChoice(index: 0, content: nil, finishReason: .toolCalls)
        choice.toolCalls = [ToolCall(id: "1", name: "f", arguments: "{}")]
        let response = ChatResponse(id: "1", model: "m", created: 1, choices: [choice]).sayingFunctionCall
        try JSON.read(response.openAIBody()) { root in
            var message: JSONValue?
            root["choices"]?.forEachElement { choice in
                message = choice["message"]
                return false
            }
            #expect(message?["function_call"]?["name"]?.string == "f")
            #expect(message?["tool_calls"] == nil)
        }
    }
}
