import SluiceProviders
import SluiceWire
import Testing

/// Legacy text completions in front of a chat.
struct CompletionsFaceTests {
    private func call(_ body: String) throws -> CompletionsFace.Call { try CompletionsFace.call(Array(body.utf8)) }

    private func stream(_ body: String, _ events: [ChatStreamEvent]) throws -> String {
        let form = try self.call(body).form
        var encoder = CompletionsStreamEncoder(form: form, model: "m", id: "req_1", now: 7)
        var bytes: [UInt8] = []
        for event in events { encoder.encode(event, into: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private let logprobs: JSONText = [
        "content": [
            ["token": "a", "logprob": -0.1, "top_logprobs": [["token": "a", "logprob": -0.1]]],
            ["token": "bc", "logprob": -1, "top_logprobs": []],
        ]
    ]

    @Test func `every parameter that chat knows is passed`() throws {
        let request = try self.call(
            """
            {"model":"m","prompt":["hi"],"max_tokens":9,"n":2,"best_of":2,"stop":["x","y"],"temperature":0,"top_p":1,
            "frequency_penalty":0.5,"presence_penalty":-0.5,"seed":3,"logit_bias":{"5":-100},"user":"u","logprobs":2,
            "stream":true,"stream_options":{"include_usage":true},"suffix":"","echo":false,"min_p":0.1}
            """
        ).request
        var expected = ChatRequest(model: "m", messages: [.user("hi")])
        expected.maximumTokens = 9
        expected.choiceCount = 2
        expected.stop = ["x", "y"]
        expected.temperature = 0
        expected.topP = 1
        expected.frequencyPenalty = 0.5
        expected.presencePenalty = -0.5
        expected.seed = 3
        expected.logitBias = ["5": -100]
        expected.user = "u"
        expected.logprobs = true
        expected.topLogprobs = 2
        expected.isStream = true
        expected.includesUsage = true
        expected.additional = [JSONField("min_p", 0.1)]
        #expect(request == expected)
    }

    @Test(arguments: [
        (#""prompt":"x","suffix":"y""#, "suffix"), (#""prompt":["x","y"]"#, "prompt"), (#""prompt":[1,2]"#, "prompt"),
        (#""prompt":[[1]]"#, "prompt"), (#""prompt":"x","best_of":3"#, "best_of"), (#""prompt":[]"#, "prompt"),
        (#""prompt":"x","echo":true,"logprobs":0"#, "echo"), (#""echo":true"#, "prompt"),
        (#""prompt":"x","messages":[]"#, "messages"), (#""prompt":"x","max_tokens":0"#, "max_tokens"),
        (#""prompt":"x","stop":[1]"#, "stop"), (#""prompt":null"#, "prompt"),
    ])
    func `what cannot be served is refused by its name`(_ fields: String, _ name: String) {
        let error = #expect(throws: InvalidRequest.self) { try self.call(#"{"model":"m",\#(fields)}"#) }
        #expect(error?.param == name)
    }

    @Test func `a whole answer with its prompt`() throws {
        let form = try self.call(#"{"model":"m","prompt":"Say ","echo":true}"#).form
        var response = ChatResponse(
            id: "chatcmpl-1",
            model: "m-1",
            created: 7,
            choices: [
                ChatChoice(index: 0, content: "hi", finishReason: .toolCalls),
                ChatChoice(index: 1, content: "ho", finishReason: .length),
            ]
        )
        response.usage = ChatUsage(promptTokens: 1, completionTokens: 2)
        let expected = #"""
            {"id":"cmpl-1","object":"text_completion","created":7,"model":"m-1","choices":[\#
            {"text":"Say hi","index":0,"logprobs":null,"finish_reason":"stop"},\#
            {"text":"Say ho","index":1,"logprobs":null,"finish_reason":"length"}],\#
            "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}
            """#
        #expect(String(decoding: CompletionsFace.answer(response, form: form), as: UTF8.self) == expected)
    }

    @Test func `log probabilities in columns`() throws {
        let form = try self.call(#"{"model":"m","prompt":"x","logprobs":1}"#).form
        var choice = ChatChoice(index: 0, content: "abc", finishReason: .stop)
        choice.logprobs = self.logprobs
        let response = ChatResponse(id: "1", model: "m", created: 7, choices: [choice])
        let answer = String(decoding: CompletionsFace.answer(response, form: form), as: UTF8.self)
        let expected = #"""
            "logprobs":{"tokens":["a","bc"],"token_logprobs":[-0.1,-1],"top_logprobs":[{"a":-0.1},{}],\#
            "text_offset":[0,1]}
            """#
        #expect(answer.contains(expected))
    }

    @Test func `a stream`() throws {
        let text = try self.stream(
            #"{"model":"m","prompt":"Say ","echo":true,"stream_options":{"include_usage":true}}"#,
            [
                .start(ChatStreamStart(id: "chatcmpl-1", model: "m-1", created: 9)), .reasoning(choice: 0, "hm"),
                .content(choice: 0, "h"), .content(choice: 0, "i"), .finish(choice: 0, .stop, native: nil),
                .usage(ChatUsage(promptTokens: 1, completionTokens: 2)), .done, .content(choice: 0, "late"),
            ]
        )
        let head = #"data: {"id":"cmpl-1","object":"text_completion","created":9,"model":"m-1","choices":["#
        let expected = """
            \(head){"text":"Say h","index":0,"logprobs":null,"finish_reason":null}],"usage":null}

            \(head){"text":"i","index":0,"logprobs":null,"finish_reason":null}],"usage":null}

            \(head){"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":null}

            \(head)],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}

            data: [DONE]


            """
        #expect(text == expected)
    }

    @Test func `offsets go on through a stream, and usage is said only when asked for`() throws {
        let text = try self.stream(
            #"{"model":"m","prompt":"x","logprobs":1}"#,
            [
                .content(choice: 0, "abc"), .logprobs(choice: 0, self.logprobs), .logprobs(choice: 0, self.logprobs),
                .usage(ChatUsage(promptTokens: 1, completionTokens: 2)), .content(choice: -1, "x"),
                .content(choice: Int.max, "x"),
            ]
        )
        #expect(text.contains(#""text_offset":[0,1]"#))
        #expect(text.contains(#""text_offset":[3,4]"#))
        #expect(!text.contains("usage"))
    }

    @Test func `a stream cut off before its proper end is an error`() throws {
        let form = try self.call(#"{"model":"m","prompt":"x"}"#).form
        var encoder = CompletionsStreamEncoder(form: form, model: "m", id: "r", now: 7)
        var bytes: [UInt8] = []
        encoder.encode(.content(choice: 0, "Hel"), into: &bytes)
        encoder.fail(ProviderError(.badGateway, "cut off", code: "stream_truncated"), into: &bytes)
        encoder.encode(.done, into: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(
            text.hasSuffix(
                #"data: {"error":{"message":"cut off","type":"server_error","param":null,"code":"stream_truncated"}}"#
                    + "\n\n"
            )
        )
    }
}
