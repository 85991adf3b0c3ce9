import SluiceProviders
import Testing

/// A Responses request as a chat.
struct ResponsesRequestTests {
    private func read(_ body: String) throws -> ChatRequest { try ResponsesFace.request(Array(body.utf8)) }

    private func refused(_ body: String) -> InvalidRequest? {
        #expect(throws: InvalidRequest.self) { try self.read(body) }
    }

    @Test func `a string is what a user says`() throws {
        let request = try self.read(#"{"model":"m","input":"hi","instructions":"be brief"}"#)
        #expect(request == ChatRequest(model: "m", messages: [.system("be brief"), .user("hi")]))
    }

    @Test func `every parameter that chat knows is passed`() throws {
        let request = try self.read(
            """
            {"model":"m","input":"hi","max_output_tokens":40,"temperature":0.5,"top_p":0.9,"top_logprobs":3,
            "parallel_tool_calls":false,"user":"u","safety_identifier":"s","metadata":{"a":"b"},
            "service_tier":"flex","prompt_cache_key":"k","prompt_cache_retention":"24h","stream":true,
            "reasoning":{"effort":"high","summary":"auto"},"text":{"verbosity":"low","format":{"type":"json_object"}},
            "store":false,"truncation":"auto","max_tool_calls":2,"background":false,"newer":{"x":[1]},"top_k":7}
            """
        )
        var expected = ChatRequest(model: "m", messages: [.user("hi")])
        expected.maximumCompletionTokens = 40
        expected.temperature = 0.5
        expected.topP = 0.9
        expected.topK = 7
        expected.topLogprobs = 3
        expected.logprobs = true
        expected.parallelToolCalls = false
        expected.user = "u"
        expected.safetyIdentifier = "s"
        expected.metadata = ["a": "b"]
        expected.serviceTier = "flex"
        expected.promptCacheKey = "k"
        expected.promptCacheRetention = "24h"
        expected.isStream = true
        expected.includesUsage = true
        expected.reasoningEffort = "high"
        expected.verbosity = "low"
        expected.responseFormat = .jsonObject
        expected.additional = [JSONField("newer", ["x": [1]])]
        #expect(request == expected)
    }

    @Test func `log probabilities can be asked for by name`() throws {
        let request = try self.read(#"{"model":"m","input":"x","include":["message.output_text.logprobs"]}"#)
        #expect(request.logprobs == true)
    }

    @Test func `a turn of reasoning, text and calls is one message`() throws {
        let request = try self.read(
            """
            {"model":"m","input":[
            {"role":"user","content":"weather?"},
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"look it up"}],
             "encrypted_content":"signature.abc"},
            {"type":"message","role":"assistant","id":"msg_1","status":"completed",
             "content":[{"type":"output_text","text":"Let me see.","annotations":[]}]},
            {"type":"function_call","id":"fc_1","call_id":"c1","name":"weather","arguments":"{}"},
            {"type":"function_call","call_id":"c2","name":"time","arguments":"{\\"z\\":1}"},
            {"type":"function_call_output","call_id":"c1","output":"sunny"},
            {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"noon"}]}]}
            """
        )
        var turn = ChatMessage.assistant("Let me see.")
        turn.reasoning = [ReasoningBlock(text: "look it up", signature: "abc")]
        turn.toolCalls = [
            ToolCall(id: "c1", name: "weather", arguments: "{}"),
            ToolCall(id: "c2", name: "time", arguments: #"{"z":1}"#),
        ]
        let expected: [ChatMessage] = [
            .user("weather?"), turn, .tool("sunny", answering: "c1"), .tool("noon", answering: "c2"),
        ]
        #expect(request.messages == expected)
    }

    @Test func `reasoning between calls stays in their message`() throws {
        let request = try self.read(
            """
            {"model":"m","input":[
            {"type":"reasoning","id":"r","summary":[],"encrypted_content":"redacted.xyz"},
            {"type":"function_call","call_id":"c1","name":"a","arguments":"{}"},
            {"type":"reasoning","id":"r2","summary":[{"type":"summary_text","text":"and"}]},
            {"type":"function_call","call_id":"c2","name":"b","arguments":"{}"},
            {"type":"function_call_output","call_id":"c1","output":""},
            {"type":"function_call_output","call_id":"c2","output":"2"}]}
            """
        )
        #expect(request.messages.count == 3)
        #expect(
            request.messages.first?.reasoning == [
                ReasoningBlock(text: "", redacted: "xyz"), ReasoningBlock(text: "and"),
            ]
        )
        #expect(request.messages.first?.toolCalls.count == 2)
    }

    @Test func `two messages of the assistant stay two`() throws {
        let request = try self.read(
            """
            {"model":"m","input":[{"role":"assistant","content":"one"},
            {"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"t"}]},
            {"role":"assistant","content":"two"},{"role":"user","content":"go"},
            {"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"cut off"}]}]}
            """
        )
        var second = ChatMessage.assistant("two")
        second.reasoning = [ReasoningBlock(text: "t")]
        #expect(request.messages == [.assistant("one"), second, .user("go")])
    }

    @Test func `images, files and sound`() throws {
        let request = try self.read(
            """
            {"model":"m","input":[{"role":"user","content":[
            {"type":"input_image","detail":"low","image_url":"data:image/png;base64,iVBO"},
            {"type":"input_image","image_url":"https://h/x.png"},
            {"type":"input_image","file_id":"file_1"},
            {"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"},
            {"type":"input_file","filename":"A.PDF","file_data":"JVBE"},
            {"type":"input_file","file_url":"https://h/x.pdf"},
            {"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}},
            {"type":"input_text","text":"see","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]}
            """
        )
        let parts: [ContentPart] = [
            .image(.base64("iVBO", type: "image/png"), detail: "low"),
            .image(.url("https://h/x.png")),
            .image(.fileID("file_1")),
            .file(.base64("JVBE", type: "application/pdf"), name: "a.pdf"),
            .file(.base64("JVBE", type: "application/pdf"), name: "A.PDF"),
            .file(.url("https://h/x.pdf")),
            ContentPart(.audio(data: "UklG", format: "wav")),
            ContentPart(.text("see"), cacheMark: CacheMark(timeToLive: "1h")),
        ]
        #expect(request.messages == [.user(parts)])
    }

    @Test func `flat tools and their choice`() throws {
        let request = try self.read(
            """
            {"model":"m","input":"x","tools":[
            {"type":"function","name":"f","description":"d","strict":true,"parameters":{"type":"object"}},
            {"type":"custom","name":"c","format":{"type":"grammar","syntax":"regex","definition":"a+"}}],
            "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"}]}}
            """
        )
        #expect(
            request.tools == [
                ChatTool(
                    name: "f",
                    description: "d",
                    kind: .function(parameters: ["type": "object"], isStrict: true)
                ),
                ChatTool(
                    name: "c",
                    kind: .custom(format: ["type": "grammar", "grammar": ["definition": "a+", "syntax": "regex"]])
                ),
            ]
        )
        #expect(request.toolChoice == .allowed(["f"], isRequired: true))
    }

    @Test(arguments: [
        (#""auto""#, ToolChoice.auto), (#""none""#, .none), (#""required""#, .required),
        (#"{"type":"function","name":"f"}"#, .function("f")), (#"{"type":"custom","name":"c"}"#, .custom("c")),
    ])
    func `every choice of tools`(_ json: String, _ choice: ToolChoice) throws {
        #expect(try self.read(#"{"model":"m","input":"x","tool_choice":\#(json)}"#).toolChoice == choice)
    }

    @Test func `a schema of the answer`() throws {
        let request = try self.read(
            """
            {"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n","strict":true,
            "schema":{"type":"object"}}}}
            """
        )
        let schema: JSONText = ["type": "object"]
        #expect(
            request.responseFormat == .jsonSchema(name: "n", description: nil, schema: schema, isStrict: true)
        )
    }

    @Test(arguments: [
        (#""previous_response_id":"resp_1""#, "previous_response_id"),
        (#""conversation":"conv_1""#, "conversation"),
        (#""background":true"#, "background"),
        (#""prompt":{"id":"p"}"#, "prompt"),
        (#""tools":[{"type":"web_search"}]"#, "tools[0].type"),
        (#""tools":[{"type":"function","name":"f"},{"type":"mcp","server_label":"x"}]"#, "tools[1].type"),
        (#""tool_choice":{"type":"file_search"}"#, "tool_choice.type"),
        (#""input":[{"type":"item_reference","id":"msg_1"}]"#, "input[0].id"),
        (#""input":[{"id":"msg_1"}]"#, "input[0].id"),
        (#""input":[{"type":"computer_call_output","call_id":"c"}]"#, "input[0].type"),
        (#""messages":[]"#, "messages"),
        (#""max_tokens":5"#, "max_tokens"),
        (#""n":2"#, "n"),
        (#""reasoning":{"mode":"pro"}"#, "reasoning.mode"),
        (#""context_management":[{"type":"compaction"}]"#, "context_management"),
    ])
    func `what cannot be served is refused by its name`(_ field: String, _ name: String) {
        let input = field.hasPrefix(#""input""#) ? "" : #""input":"x","#
        let error = self.refused("{\"model\":\"m\",\(input)\(field)}")
        #expect(error?.param == name)
        #expect(error?.code == "unsupported_parameter")
        #expect(error?.message.contains("'\(name)'") == true)
    }

    @Test(arguments: [
        (#"{"model":"m"}"#, "input"), (#"{"input":"x"}"#, "model"), (#"{"model":"m","input":[]}"#, "input"),
        (#"{"model":"m","input":7}"#, "input"), (#"{"model":"m","input":"x","stream":"yes"}"#, "stream"),
        (#"{"model":"m","input":"x","max_output_tokens":0}"#, "max_output_tokens"),
        (#"{"model":"m","input":"x","max_output_tokens":1.5}"#, "max_output_tokens"),
        (#"{"model":"m","input":[{"role":"tool","content":"x"}]}"#, "input[0].role"),
        (#"{"model":"m","input":[{"role":"user"}]}"#, "input[0].content"),
        (#"{"model":"m","input":[{"role":"user","content":[{"type":"x"}]}]}"#, "input[0].content[0].type"),
        (#"{"model":"m","input":[{"type":"function_call","name":"f","arguments":""}]}"#, "input[0].call_id"),
        (#"{"model":"m","input":[{"type":"function_call_output","output":""}]}"#, "input[0].call_id"),
        (#"{"model":"m","input":"x","tool_choice":"any"}"#, "tool_choice"),
        (#"{"model":"m","input":"x","text":{"format":{"type":"xml"}}}"#, "text.format.type"),
        (#"{"model":"m","input":"x","include":[1]}"#, "include[0]"),
        (#"{"model":"m","input":[3]}"#, "input[0]"),
    ])
    func `errors name the field`(_ body: String, _ name: String) {
        #expect(self.refused(body)?.param == name)
    }

    @Test func `what is no JSON object`() {
        #expect(self.refused("[1]")?.code == "invalid_type")
        #expect(self.refused("{")?.code == "invalid_json")
    }
}
