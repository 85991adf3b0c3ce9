import SluiceProviders
import SluiceWire
import Testing

@Suite("OpenAI requests")
struct OpenAIRequestTests {
    @Test("a request loses nothing on its way through", arguments: ["request-every-parameter", "request-functions"])
    func lossless(name: String) throws {
        let golden = GoldenFiles.read("openai/\(name).json")
        let request = try ChatRequest(openAI: golden)
        #expect(GoldenFiles.sorted(request.openAIBody()) == GoldenFiles.sorted(golden))
        #expect(try ChatRequest(openAI: request.openAIBody()) == request)
    }

    @Test("every parameter has its place")
    func places() throws {
        let request = try ChatRequest(openAI: GoldenFiles.read("openai/request-every-parameter.json"))
        #expect(
            request.messages.map(\.role) == [
                .developer, .system, .user, .assistant, .tool, .tool, .tool, .assistant, .user,
            ]
        )
        #expect(
            request.messages[2].content[2].kind
                == .image(
                    .base64("iVBORw0KGgoAAAANSUhEUg==", type: "image/png"),
                    detail: nil
                )
        )
        #expect(
            request.messages[3].reasoning == [
                ReasoningBlock(text: "Let me look.", signature: "c2ln"), ReasoningBlock(text: "", redacted: "b3BhcXVl"),
            ]
        )
        #expect(request.messages[3].toolCalls.map(\.isCustom) == [false, true, false])
        #expect(request.messages[3].toolCalls[2].signature == "dGhvdWdodA==")
        #expect(request.messages[6].isError)
        #expect(request.toolChoice == .allowed(["look", "run"], isRequired: true))
        #expect(request.tokenLimit == 200)
        #expect(request.thinking == .enabled(budgetTokens: 2048))
        #expect(
            request.additional.map(\.name) == [
                "audio", "prediction", "web_search_options", "moderation", "prompt_cache_options", "something_new",
            ]
        )
    }

    @Test("functions become tools, and their calls and answers are tied together")
    func functions() throws {
        let request = try ChatRequest(openAI: GoldenFiles.read("openai/request-functions.json"))
        #expect(request.usesFunctions)
        #expect(request.tools.map(\.name) == ["weather"])
        #expect(request.toolChoice == .function("weather"))
        #expect(request.messages[1].toolCalls.first?.id == request.messages[2].toolCallID)
    }

    @Test(
        "an error names the field by its path",
        arguments: [
            (#"{"messages":[]}"#, "model", "missing_required_parameter"),
            (#"{"model":"m"}"#, "messages", "missing_required_parameter"),
            (#"{"model":7,"messages":[]}"#, "model", "invalid_type"),
            (#"{"model":"m","messages":{}}"#, "messages", "invalid_type"),
            (#"{"model":"m","messages":[{"role":"user","content":"a"},7]}"#, "messages[1]", "invalid_type"),
            (#"{"model":"m","messages":[{"content":"a"}]}"#, "messages[0].role", "missing_required_parameter"),
            (#"{"model":"m","messages":[{"role":"boss","content":"a"}]}"#, "messages[0].role", "invalid_value"),
            (#"{"model":"m","messages":[{"role":"user","content":7}]}"#, "messages[0].content", "invalid_type"),
            (
                #"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
                "messages[0].content[0].image_url", "missing_required_parameter"
            ),
            (
                #"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}"#,
                "messages[0].content[0].image_url.url", "invalid_type"
            ),
            (
                #"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1"}]}]}"#,
                "messages[0].tool_calls[0].function", "missing_required_parameter"
            ),
            (#"{"model":"m","messages":[],"temperature":"hot"}"#, "temperature", "invalid_type"),
            (#"{"model":"m","messages":[],"max_tokens":1.5}"#, "max_tokens", "invalid_type"),
            (#"{"model":"m","messages":[],"stop":["a",1]}"#, "stop[1]", "invalid_type"),
            (
                #"{"model":"m","messages":[],"tools":[{"type":"function"}]}"#, "tools[0].function",
                "missing_required_parameter"
            ),
            (
                #"{"model":"m","messages":[],"tools":[{"type":"function","function":{"parameters":{}}}]}"#,
                "tools[0].function.name", "missing_required_parameter"
            ),
            (#"{"model":"m","messages":[],"tool_choice":"maybe"}"#, "tool_choice", "invalid_value"),
            (
                #"{"model":"m","messages":[],"stream_options":{"include_usage":1}}"#, "stream_options.include_usage",
                "invalid_type"
            ),
            (
                #"{"model":"m","messages":[],"thinking":{"type":"enabled","budget_tokens":"x"}}"#,
                "thinking.budget_tokens", "invalid_type"
            ),
        ]
    )
    func faults(body: String, param: String, code: String) {
        #expect {
            try ChatRequest(openAI: Array(body.utf8))
        } throws: { error in
            guard let error = error as? InvalidRequest else { return false }
            return error.param == param && error.code == code && error.message.contains(param)
        }
    }

    @Test("what is not JSON, or not an object, is refused", arguments: ["", "{", "[]", "7", #""text""#])
    func notAnObject(body: String) {
        #expect(throws: InvalidRequest.self) { try ChatRequest(openAI: Array(body.utf8)) }
    }

    @Test("a null parameter says nothing")
    func nulls() throws {
        let text =
            #"{"model":"m","messages":[{"role":"user","content":null}],"temperature":null,"tools":null,"stop":null}"#
        let request = try ChatRequest(openAI: Array(text.utf8))
        #expect(request == ChatRequest(model: "m", messages: [ChatMessage(role: .user, content: [])]))
    }

    @Test("an image may be an address alone, and arguments may be an object")
    func lenient() throws {
        let text =
            #"{"model":"m","stop":"x","messages":[{"role":"user","content":[{"type":"image_url","image_url":"#
            + #""https://a/b.png"}]},{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","#
            + #""arguments":{"a":1}}}]}]}"#
        let request = try ChatRequest(openAI: Array(text.utf8))
        #expect(request.messages[0].content == [.image(.url("https://a/b.png"))])
        #expect(request.messages[1].toolCalls.first?.arguments == #"{"a":1}"#)
        #expect(request.stop == ["x"])
    }

    @Test(
        "the type of inline data is what the data is, not what it is called",
        arguments: [
            ("data:image/jpeg;base64,iVBORw0KGgoAAAANSUhEUg==", "image/png"),
            ("data:;base64,/9j/4AAQSkZJRg==", "image/jpeg"),
            ("data:application/octet-stream;base64,R0lGODlhAQABAAAAACw=", "image/gif"),
            ("data:image/png;charset=utf-8;base64,UklGRiQAAABXRUJQVlA4IA==", "image/webp"),
            ("DATA:image/svg+xml;base64,PHN2Zz48L3N2Zz4=", "image/svg+xml"),
            ("data:text/plain,hello%20you", "text/plain"),
        ]
    )
    func mediaTypes(address: String, type: String) throws {
        let found = try #require(MediaType.dataURL(address))
        #expect(found.type == type)
        if type == "text/plain" { #expect(found.base64 == "aGVsbG8geW91") }
    }

    @Test("base64 survives, whatever its length, and other texts are refused")
    func base64() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            #expect(Base64.decode(Base64.encode(bytes).utf8) == bytes)
        }
        #expect(Base64.encode(Array("any carnal pleas".utf8)) == "YW55IGNhcm5hbCBwbGVhcw==")
        #expect(Base64.decode("a$b=".utf8) == nil)
        #expect(Base64.decode("_-8".utf8) == [0xFF, 0xEF])
    }
}
