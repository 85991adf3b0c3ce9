import SluiceWire
import Testing

@testable import SluiceProviders

/// A case of `answers.json`: an answer whole and as a stream, and what both are in OpenAI's words.
struct BedrockAnswer: Sendable {
    var name = ""
    var response: [UInt8] = []
    /// Names of events and their payloads.
    var events: [(name: String, payload: [UInt8])] = []
    var choice: JSONText?
    var usage: JSONText?
    var call: PreparedCall

    static func call() -> PreparedCall {
        let request = ChatRequest(model: "anthropic.claude-v2", messages: [])
        let endpoint = ProviderEndpoint(baseURL: "http://x", credential: .none)
        let call = ProviderCall(request: request, endpoint: endpoint, now: 7, requestID: "req_1")
        return PreparedCall(url: "http://x", headers: HTTPFields(), body: [], for: call)
    }

    static func all() -> [BedrockAnswer] {
        JSONMembers.elements(BedrockGolden.read("answers.json")[...]).map { element in
            var answer = BedrockAnswer(call: Self.call())
            for member in JSONMembers.scan(element) {
                switch member.name {
                case "name": answer.name = JSONMembers.string(member.value) ?? ""
                case "response": answer.response = Array(member.value)
                case "choice": answer.choice = JSONText(parsing: Array(member.value))
                case "usage": answer.usage = JSONText(parsing: Array(member.value))
                case "formatTool": answer.call.formatTool = JSONMembers.string(member.value)
                case "toolNames":
                    for name in JSONMembers.scan(member.value) {
                        answer.call.toolNames[name.name] = JSONMembers.string(name.value)
                    }
                case "stream":
                    for event in JSONMembers.elements(member.value) {
                        let parts = JSONMembers.elements(event)
                        guard let name = parts.first, let payload = parts.last else { continue }
                        answer.events.append((JSONMembers.string(name) ?? "", Array(payload)))
                    }
                default: break
                }
            }
            return answer
        }
    }

    /// The stream's bytes.
    func bytes() throws -> [UInt8] { try self.events.flatMap { try Self.event($0.name, $0.payload) } }

    static func event(_ name: String, _ payload: [UInt8]) throws -> [UInt8] {
        try EventStreamMessage(
            headers: [
                EventStreamHeader(":event-type", .string(name)),
                EventStreamHeader(":content-type", .string("application/json")),
                EventStreamHeader(":message-type", .string("event")),
            ],
            payload: payload
        ).encoded()
    }

    static func exception(_ name: String, _ payload: String) throws -> [UInt8] {
        try EventStreamMessage(
            headers: [
                EventStreamHeader(":exception-type", .string(name)),
                EventStreamHeader(":content-type", .string("application/json")),
                EventStreamHeader(":message-type", .string("exception")),
            ],
            payload: Array(payload.utf8)
        ).encoded()
    }

    /// What comes out of pieces, up to an error.
    static func decode(
        _ pieces: [[UInt8]],
        _ call: PreparedCall,
        _ headers: HTTPFields = HTTPFields()
    ) -> (events: [ChatStreamEvent], error: ProviderError?) {
        var decoder = BedrockHandler().decoder(headers, for: call)
        var events: [ChatStreamEvent] = []
        do throws(ProviderError) {
            for piece in pieces { try decoder.feed(piece) { events.append($0) } }
            try decoder.finish { events.append($0) }
            return (events, nil)
        } catch {
            return (events, error)
        }
    }
}

struct BedrockAnswerTests {
    private func answer(_ body: [UInt8], status: Int = 200) throws -> ChatResponse {
        let headers = HTTPFields([("x-amzn-RequestId", "aws-1")])
        let response = HTTPClientResponse(status: status, headers: headers, body: body)
        return try BedrockHandler().answer(response, to: BedrockAnswer.call())
    }

    private func member(_ name: String, of body: [UInt8]) -> ArraySlice<UInt8>? {
        JSONMembers.scan(body).first { $0.name == name }?.value
    }

    @Test func `golden answers, whole`() throws {
        let cases = BedrockAnswer.all()
        #expect(cases.count == 6)
        for golden in cases {
            let response = HTTPClientResponse(status: 200, body: golden.response)
            let answer = try BedrockHandler().answer(response, to: golden.call)
            let body = answer.openAIBody()
            let choice = self.member("choices", of: body).flatMap { JSONMembers.elements($0).first } ?? []
            #expect(String(decoding: choice, as: UTF8.self) == golden.choice?.text, "\(golden.name)")
            let usage = self.member("usage", of: body) ?? []
            #expect(String(decoding: usage, as: UTF8.self) == golden.usage?.text, "\(golden.name)")
            #expect(answer.id == "req_1")
            #expect(answer.model == "anthropic.claude-v2")
            #expect(answer.created == 7)
        }
    }

    @Test func `citations say where in the text they belong, and what else there is passes`() throws {
        let answer = try self.answer(BedrockGolden.read("citations.json"))
        #expect(answer.text == "As they say, Römer lived here.")
        let citations = answer.choices.first?.citations ?? []
        #expect(citations.count == 2)
        #expect(citations.first?.title == "Guide")
        #expect(citations.first?.quote == "The Romans lived here.")
        #expect(citations.first?.range == 13..<29)
        #expect(citations.last?.url == "https://example.org/rome")
        #expect(answer.serviceTier == "flex")
        #expect(answer.requestID == "aws-1")
        #expect(answer.additional == [JSONField("trace", ["guardrail": ["actionReason": "No action."]])])
    }

    @Test(arguments: [
        ("end_turn", FinishReason.stop), ("stop_sequence", .stop), ("max_tokens", .length), ("tool_use", .toolCalls),
        ("guardrail_intervened", .contentFilter), ("content_filtered", .contentFilter),
        ("model_context_window_exceeded", .length), ("something_new", .stop),
    ])
    func `stop reasons`(word: String, reason: FinishReason) throws {
        let body = #"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"\#(word)"}"#
        let choice = try self.answer(Array(body.utf8)).choices.first
        #expect(choice?.finishReason == reason)
        #expect(choice?.nativeFinishReason == word)
        #expect(choice?.content == nil)
    }

    @Test(arguments: ["malformed_model_output", "malformed_tool_use"])
    func `what a model has spoilt is an error, never a stop`(word: String) throws {
        let body = #"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"\#(word)"}"#
        let error = #expect(throws: ProviderError.self) { try self.answer(Array(body.utf8)) }
        #expect(error?.code == word)
        #expect(error?.isRetryable == true)
        let stream =
            try BedrockAnswer.event("messageStart", Array(#"{"role":"assistant"}"#.utf8))
            + BedrockAnswer.event("messageStop", Array(#"{"stopReason":"\#(word)"}"#.utf8))
        #expect(BedrockAnswer.decode([stream], BedrockAnswer.call()).error?.code == word)
    }

    @Test(arguments: ["", "[]", "{", "{}", #"{"output":{}}"#, #"{"output":{"message":{"content":[]}}}"#])
    func `an answer that is none is an error`(body: String) {
        let error = #expect(throws: ProviderError.self) { try self.answer(Array(body.utf8)) }
        #expect(error?.kind == .badGateway)
        #expect(error?.code == "malformed_response")
    }

    @Test func `counts that overflow or are negative do no harm`() throws {
        let most = Int.max
        let body =
            #"{"output":{"message":{"content":[]}},"stopReason":"end_turn","usage":{"inputTokens":\#(most),"#
            + #""outputTokens":-5,"totalTokens":0,"cacheReadInputTokens":\#(most)}}"#
        let usage = try self.answer(Array(body.utf8)).usage
        #expect(usage?.promptTokens == .max)
        #expect(usage?.completionTokens == 0)
    }

    @Test func `a drawn image is given as a data URL`() throws {
        let body =
            #"{"output":{"message":{"content":[{"image":{"format":"png","source":{"bytes":"iVBO"}}}]}},"#
            + #""stopReason":"end_turn"}"#
        let additional = try self.answer(Array(body.utf8)).choices.first?.additional ?? []
        let image: JSONText = ["type": "image_url", "image_url": ["url": "data:image/png;base64,iVBO"]]
        #expect(additional == [JSONField("images", [image])])
    }
}
