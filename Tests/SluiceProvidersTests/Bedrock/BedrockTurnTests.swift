import SluiceWire
import Testing

@testable import SluiceProviders

/// Requests that would have no turn, and answers that are the same whole and as streams.
struct BedrockTurnTests {
    private func body(_ messages: [ChatMessage]) throws -> String {
        let request = ChatRequest(model: BedrockRequestTests.model, messages: messages)
        return String(
            decoding: try BedrockHandler().prepare(BedrockRequestTests.call(request)).body,
            as: UTF8.self
        )
    }

    @Test func `instructions alone: the last becomes the question`() throws {
        let body = try self.body([.system("Be kind."), .developer("Say hello.")])
        #expect(body.contains(#""messages":[{"role":"user","content":[{"text":"Say hello."}]}]"#))
        #expect(body.contains(#""system":[{"text":"Be kind."}]"#))
    }

    @Test(arguments: [" ", "\u{00A0}", "\n\u{3000}"])
    func `an answer begun with space alone is left out`(text: String) throws {
        let body = try self.body([.user("Hi"), .assistant(text)])
        #expect(body.contains(#""messages":[{"role":"user","content":[{"text":"Hi"}]}]"#))
        let trimmed = try self.body([.user("Hi"), .assistant("So" + text), .assistant(text)])
        #expect(trimmed.contains(#"{"role":"assistant","content":[{"text":"So"}]}]"#))
    }

    @Test(arguments: [[ChatMessage.user(" ")], [.system("Be kind."), .user("")], [.system(" ")], []])
    func `a request in which nobody says anything is refused with a word`(messages: [ChatMessage]) {
        let error = #expect(throws: ProviderError.self) { try self.body(messages) }
        #expect(error?.kind == .badRequest)
        #expect(error?.parameter == "messages")
    }

    @Test func `a prefill of a no-break space is left out for Anthropic`() throws {
        func body(_ messages: [ChatMessage]) throws -> String {
            let request = ChatRequest(model: "claude-sonnet-4-5", messages: messages)
            return String(decoding: try AnthropicHandler().prepare(.anthropic(request)).body, as: UTF8.self)
        }
        let body1 = try body([.user("Hi"), .assistant("\u{00A0}")])
        #expect(body1.contains(#""messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]"#))
        let body2 = try body([.user("Hi"), .assistant("So "), .assistant(" ")])
        #expect(body2.contains(#""text":"So"}"#))
        for messages in [[ChatMessage.system("S"), .user(" ")], [.user(" "), .assistant(" ")]] {
            #expect(throws: ProviderError.self) { try body(messages) }
        }
    }

    // MARK: Answers

    private func stream(_ events: [(String, String)], _ call: PreparedCall) throws -> ChatResponse {
        let bytes = try events.flatMap { try BedrockAnswer.event($0.0, Array($0.1.utf8)) }
        let (events, error) = BedrockAnswer.decode([bytes], call)
        #expect(error == nil)
        return try ChatResponse(collecting: events)
    }

    private func whole(_ content: String, _ stop: String, _ call: PreparedCall) throws -> ChatResponse {
        let body = #"{"output":{"message":{"role":"assistant","content":\#(content)}},"stopReason":"\#(stop)"}"#
        return try BedrockHandler().answer(HTTPClientResponse(status: 200, body: Array(body.utf8)), to: call)
    }

    @Test func `what a citation is about is told by streams too`() throws {
        let call = BedrockAnswer.call()
        let citation = #"{"title":"T","sourceContent":[{"text":"q"}]}"#
        let whole = try self.whole(
            #"[{"text":"Sö: "},{"citationsContent":{"content":[{"text":"it is"}],"citations":[\#(citation)]}}]"#,
            "end_turn",
            call
        )
        let streamed = try self.stream(
            [
                ("messageStart", #"{"role":"assistant"}"#),
                ("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"Sö: "}}"#),
                ("contentBlockStop", #"{"contentBlockIndex":0}"#),
                ("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"text":"it"}}"#),
                ("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"citation":\#(citation)}}"#),
                ("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"text":" is"}}"#),
                ("contentBlockStop", #"{"contentBlockIndex":1}"#),
                ("messageStop", #"{"stopReason":"end_turn"}"#),
            ],
            call
        )
        #expect(whole.choices[0].citations.map(\.range) == [4..<9])
        #expect(streamed == whole)
    }

    @Test func `an answer by a tool without input is an empty object, whole and as a stream`() throws {
        var call = BedrockAnswer.call()
        call.formatTool = "answer"
        let whole = try self.whole(#"[{"toolUse":{"toolUseId":"t","name":"answer"}}]"#, "tool_use", call)
        let streamed = try self.stream(
            [
                ("messageStart", #"{"role":"assistant"}"#),
                (
                    "contentBlockStart",
                    #"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"answer"}}}"#
                ),
                ("contentBlockStop", #"{"contentBlockIndex":0}"#),
                ("messageStop", #"{"stopReason":"tool_use"}"#),
            ],
            call
        )
        #expect(whole.choices[0].content == "{}")
        #expect(streamed == whole)
    }

    @Test func `more than 1024 calls in a stream are refused`() throws {
        var bytes: [UInt8] = []
        for index in 0..<1_025 {
            let start = #"{"toolUseId":"t\#(index)","name":"f"}"#
            bytes += try BedrockAnswer.event(
                "contentBlockStart",
                Array(#"{"contentBlockIndex":\#(index),"start":{"toolUse":\#(start)}}"#.utf8)
            )
            bytes += try BedrockAnswer.event("contentBlockStop", Array(#"{"contentBlockIndex":\#(index)}"#.utf8))
        }
        #expect(BedrockAnswer.decode([bytes], BedrockAnswer.call()).error?.code == "malformed_response")
    }
}
