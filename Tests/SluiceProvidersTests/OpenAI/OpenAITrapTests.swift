import SluiceProviders
import SluiceWire
import Testing

/// What is easily lost or invented on the way to OpenAI and back, each by its name.
struct OpenAITrapTests {
    private func sent(
        _ members: String,
        model: String = "gpt-4o",
        to provider: String = "openai"
    ) throws -> PreparedCall {
        let text = #"{"model":"\#(model)","messages":[{"role":"user","content":"x"}],"# + members + "}"
        let request = try ChatRequest(openAI: Array(text.utf8))
        return try OpenAICompatibleTests.handler(provider).prepare(OpenAICompatibleTests.call(request))
    }

    private func body(_ members: String, model: String = "gpt-4o", to provider: String = "openai") throws -> String {
        String(decoding: try self.sent(members, model: model, to: provider).body, as: UTF8.self)
    }

    // MARK: Requests

    @Test(arguments: [#""store":true,"#, #""store":false,"#, ""])
    func `metadata reaches OpenAI, stored or not`(store: String) throws {
        #expect(try self.body(store + #""metadata":{"team":"red"}"#).contains(#""metadata":{"team":"red"}"#))
    }

    @Test func `a choice among allowed tools and custom tools are not refused`() throws {
        let members = #"""
            "tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"sh"}}],\#
            "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required",\#
            "tools":[{"type":"function","function":{"name":"f"}}]}}
            """#
        let sent = try self.sent(members)
        let body = String(decoding: sent.body, as: UTF8.self)
        #expect(body.contains(#""type":"allowed_tools""#) && body.contains(#""mode":"required""#))
        #expect(body.contains(#"{"type":"custom","custom":{"name":"sh"}}"#))
        #expect(sent.dropped.isEmpty)
    }

    @Test func `what is newer than we are goes through at the top level`() throws {
        let members = #""newer_than_we_are":{"a":[1,null]},"prediction":{"type":"content","content":"x"}"#
        for provider in ["openai", "vllm", "together", "openrouter"] {
            #expect(
                try self.body(members, to: provider).contains(#""newer_than_we_are":{"a":[1,null]}"#),
                "\(provider)"
            )
        }
    }

    @Test func `instructions to a model that reasons are a developer's, never the user's words`() throws {
        for model in ["o1", "o3-mini", "gpt-5"] {
            let text =
                #"{"model":"\#(model)","messages":[{"role":"system","content":"s"},{"role":"user","content":"x"}]}"#
            let call = OpenAICompatibleTests.call(try ChatRequest(openAI: Array(text.utf8)))
            let body = String(decoding: try OpenAICompatibleTests.handler("openai").prepare(call).body, as: UTF8.self)
            #expect(body.contains(#"{"role":"developer","content":"s"}"#))
            #expect(body.contains(#"{"role":"user","content":"x"}"#))
        }
    }

    // MARK: Answers

    @Test func `a refusal is not lost, whole and streamed`() throws {
        let message = #"{"role":"assistant","content":null,"refusal":"I must not."}"#
        let choice = #"{"index":0,"message":\#(message),"finish_reason":"stop"}"#
        let whole = #"{"id":"c1","created":9,"model":"m","choices":[\#(choice)]}"#
        let answer = try ChatResponse(openAI: Array(whole.utf8), provider: "openai")
        #expect(answer.choices[0].refusal == "I must not." && answer.choices[0].content == nil)
        #expect(String(decoding: answer.openAIBody(), as: UTF8.self).contains(#""refusal":"I must not.""#))
        let events = try StreamFeed.events(
            StreamFeed.stream([
                StreamFeed.chunk(#"{"role":"assistant","content":null,"refusal":"I must"}"#),
                StreamFeed.chunk(#"{"refusal":" not."}"#), StreamFeed.chunk("{}", finish: #""stop""#),
            ])
        )
        #expect(try ChatResponse(collecting: events).choices == answer.choices)
        let told = String(decoding: OpenAIStreamEncoderTests.bytes(events), as: UTF8.self)
        #expect(told.contains(#""refusal":"I must""#) && told.contains(#""refusal":" not.""#))
    }

    @Test func `a stream that says the same a thousand times is no error`() throws {
        let chunks = (0..<1_000).map { _ in StreamFeed.chunk(#"{"content":"ha ha "}"#) }
        let events = try StreamFeed.events(
            StreamFeed.stream(chunks + [StreamFeed.chunk("{}", finish: #""stop""#)])
        )
        #expect(try ChatResponse(collecting: events).text == String(repeating: "ha ha ", count: 1_000))
    }

    @Test func `of several choices each keeps its own reason, from the server to the client`() throws {
        let reasons = ["stop", "length", "content_filter"]
        var chunks = reasons.indices.map { StreamFeed.chunk(#"{"role":"assistant","content":"\#($0)"}"#, index: $0) }
        chunks += reasons.indices.map { StreamFeed.chunk("{}", finish: "\"\(reasons[$0])\"", index: $0) }
        let events = try StreamFeed.events(StreamFeed.stream(chunks), choices: 3)
        let told = OpenAIStreamEncoderTests.bytes(events)
        for (index, reason) in reasons.enumerated() {
            let end = #"{"index":\#(index),"delta":{},"logprobs":null,"finish_reason":"\#(reason)"}"#
            #expect(String(decoding: told, as: UTF8.self).contains(end))
        }
        let again = try StreamFeed.events(told, choices: 3)
        #expect(try ChatResponse(collecting: again).choices.map(\.finishReason) == [.stop, .length, .contentFilter])
    }

    @Test func `a stream keeps its date and fingerprint, and a chunk without a reason says null`() throws {
        let chunk = StreamFeed.chunk(#"{"role":"assistant","content":"x"}"#, more: #","system_fingerprint":"fp_1""#)
        let events = try StreamFeed.events(StreamFeed.stream([chunk, StreamFeed.chunk("{}", finish: #""stop""#)]))
        let lines = String(decoding: OpenAIStreamEncoderTests.bytes(events), as: UTF8.self).split(separator: "\n\n")
        for line in lines.dropLast() {
            #expect(line.contains(#""created":9"#) && line.contains(#""system_fingerprint":"fp_1""#), "\(line)")
        }
        #expect(lines.filter { $0.contains(#""finish_reason":null"#) }.count >= 1)
    }

    @Test func `words for an end that failed are errors, and the provider's own word is always exposed`() throws {
        for (word, reason) in [
            ("model_length", FinishReason.length), ("eos_token", .stop), ("sensitive", .contentFilter),
        ] {
            let text = StreamFeed.stream([StreamFeed.chunk(#"{"content":"x"}"#, finish: "\"\(word)\"")])
            let choice = try ChatResponse(collecting: StreamFeed.events(text)).choices[0]
            #expect(choice.finishReason == reason && choice.nativeFinishReason == word)
        }
        for word in ["network_error", "insufficient_system_resource", "abort", "error"] {
            let error = #expect(throws: ProviderError.self) {
                try StreamFeed.events(StreamFeed.stream([StreamFeed.chunk(#"{"content":"x"}"#, finish: "\"\(word)\"")]))
            }
            #expect(error?.isRetryable == true)
        }
    }

    @Test func `a safety system's words are content policy, within a 400`() {
        let words = "Your request was rejected as a result of our safety system."
        let body = #"{"error":{"message":"\#(words)","type":"invalid_request_error","param":null,"code":null}}"#
        for (status, kind) in [(400, ProviderError.Kind.contentPolicy), (500, .internalError), (403, .permission)] {
            #expect(OpenAIErrorTests.error(status, body).kind == kind)
        }
    }

    @Test func `the provider's words, field and code reach the client unchanged`() {
        let body =
            #"{"error":{"message":"no \"x\" here","type":"invalid_request_error","param":"x[0]","code":"bad_x"}}"#
        let told = OpenAIErrorTests.error(400, body).openAIBody
        #expect(GoldenFiles.sorted(told) == GoldenFiles.sorted(body))
    }
}
