import SluiceWire
import Testing

@testable import SluiceProviders

struct GeminiHostileTests {
    private func prepared(_ tools: [ChatTool], _ model: String = "gemini-2.0-flash") throws -> PreparedCall {
        var request = ChatRequest(model: model, messages: [.user("Hi")])
        request.tools = tools
        return try GeminiTestSupport.prepared(request)
    }

    // MARK: Names

    @Test func `two long names that are spelled alike end in two names, not in a loop`() throws {
        let names = ["查询北京市今天的天气情况并返回详细的预报信息一", "查询上海市今天的天气情况并返回详细的预报信息二"]
        let call = try self.prepared(names.map { ChatTool.function($0) })
        #expect(call.toolNames.count == 2)
        #expect(Set(call.toolNames.values) == Set(names))
        #expect(call.toolNames.keys.allSatisfy { $0.utf8.count <= 64 })
        let body = String(decoding: call.body, as: UTF8.self)
        for name in call.toolNames.keys { #expect(body.contains("\"name\":\"\(name)\"")) }
    }

    @Test func `a changed name is none that another tool has`() throws {
        let call = try self.prepared(["a b", "a_b", "a_b_2", "a?b"].map { ChatTool.function($0) })
        #expect(call.toolNames == ["a_b_3": "a b", "a_b_4": "a?b"])
    }

    // MARK: Schemas

    private func parameters(_ schema: JSONText) throws -> String {
        let body = String(decoding: try self.prepared([.function("f", parameters: schema)]).body, as: UTF8.self)
        let start = try #require(body.firstRange(of: #""parameters":"#)?.upperBound)
        let end = try #require(body.firstRange(of: #"}]}],"generationConfig""#)?.lowerBound)
        return String(body[start..<end])
    }

    @Test func `a schema that contains itself is written once`() throws {
        let schema = try #require(
            JSONText(
                parsing: ##"{"$defs":{"Node":{"type":"object","properties":{"l":{"$ref":"#/$defs/Node"},"##
                    + ##""r":{"$ref":"#/$defs/Node"}}}},"type":"object","##
                    + ##""properties":{"root":{"$ref":"#/$defs/Node"}}}"##
            )
        )
        #expect(
            try self.parameters(schema)
                == #"{"type":"object","properties":{"root":{"type":"object","properties":{"#
                + #""l":{"type":"object"},"r":{"type":"object"}}}}}"#
        )
    }

    @Test func `a schema that is its own member is written once`() throws {
        let schema = try #require(
            JSONText(parsing: ##"{"type":"object","properties":{"a":{"$ref":"#"},"b":{"type":"string"}}}"##)
        )
        #expect(
            try self.parameters(schema)
                == #"{"type":"object","properties":{"a":{"type":"object"},"b":{"type":"string"}}}"#
        )
    }

    @Test func `a definition that is used twice is written twice`() throws {
        let schema = try #require(
            JSONText(
                parsing: ##"{"$defs":{"S":{"type":"integer"}},"type":"object","properties":{"##
                    + ##""a":{"$ref":"#/$defs/S"},"b":{"$ref":"#/$defs/S"}}}"##
            )
        )
        #expect(
            try self.parameters(schema)
                == #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}"#
        )
    }

    /// Every definition names the next twice: written out, 2 to the power of 20 of them.
    private func doubling(_ padding: Int = 0) -> JSONText {
        var json = JSONWriter()
        json.object { json in
            json.field("type", "object")
            json.object("properties") { $0.object("a") { $0.field("$ref", "#/$defs/D0") } }
            json.object("$defs") { json in
                for index in 0..<20 {
                    json.object("D\(index)") { json in
                        json.field("type", "object")
                        json.field("description", String(repeating: "x", count: padding))
                        json.object("properties") { json in
                            for name in ["l", "r"] { json.object(name) { $0.field("$ref", "#/$defs/D\(index + 1)") } }
                        }
                    }
                }
                json.object("D20") { $0.field("type", "string") }
            }
        }
        return JSONText(trusted: json.bytes)
    }

    @Test(arguments: [0, 200_000])
    func `a schema that doubles with every definition is refused and its tool named`(padding: Int) throws {
        let error = #expect(throws: ProviderError.self) {
            _ = try self.prepared([.function("bomb", parameters: self.doubling(padding))])
        }
        #expect(error?.kind == .badRequest)
        #expect(error?.message.contains("the tool 'bomb'") == true)
        // Later models take references.
        _ = try self.prepared([.function("bomb", parameters: self.doubling())], "gemini-2.5-flash")
    }

    @Test func `all schemas of a request have one budget`() throws {
        var json = JSONWriter()
        json.object { json in
            json.field("type", "object")
            json.object("properties") { json in
                for index in 0..<2_000 { json.object("p\(index)") { $0.field("type", "string") } }
            }
        }
        let schema = JSONText(trusted: json.bytes)
        _ = try self.prepared((0..<8).map { ChatTool.function("t\($0)", parameters: schema) })
        let error = #expect(throws: ProviderError.self) {
            _ = try self.prepared((0..<9).map { ChatTool.function("t\($0)", parameters: schema) })
        }
        #expect(error?.message.contains("the tool 't8'") == true)
    }

    // MARK: Streams

    private func decoded(_ events: [String], choices: Int) throws -> DecodedStream {
        var request = ChatRequest(model: "gemini-2.5-flash", messages: [.user("Hi")])
        request.choiceCount = choices
        let call = try GeminiTestSupport.prepared(request)
        return DecodedStream(
            GeminiHandler.keyed.decoder(HTTPFields(), for: call),
            [GeminiTestSupport.stream(events)]
        )
    }

    private static func candidate(_ index: Int) -> String {
        #"{"candidates":[{"index":\#(index),"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}"#
    }

    @Test func `a stream of two choices that is cut off before the second begins is an error`() throws {
        let cut = try self.decoded([Self.candidate(0)], choices: 2)
        #expect(cut.error?.code == "stream_truncated")
        let whole = try self.decoded([Self.candidate(0), Self.candidate(1)], choices: 2)
        #expect(whole.error == nil)
        #expect(try whole.response.choices.count == 2)
    }

    @Test func `a refused prompt of two choices is whole`() throws {
        let blocked = try self.decoded([#"{"promptFeedback":{"blockReason":"SAFETY"}}"#], choices: 2)
        #expect(blocked.error == nil)
        #expect(try blocked.response.choices.map(\.finishReason) == [.contentFilter])
    }

    @Test func `sources in every event of a long answer are placed quickly and rightly`() throws {
        let text = String(repeating: "é", count: 400)
        let events = (1...1_200).map { index in
            #"{"candidates":[{"content":{"parts":[{"text":"\#(text)"}]},"groundingMetadata":{"groundingChunks":["#
                + #"{"web":{"uri":"https://a"}}],"groundingSupports":[{"segment":{"startIndex":\#((index - 1) * 800),"#
                + #""endIndex":\#(index * 800)},"groundingChunkIndices":[0]}]}"#
                + (index == 1_200 ? #","finishReason":"STOP"}]}"# : "}]}")
        }
        var stream = DecodedStream(GeminiHandler.keyed.decoder(HTTPFields(), for: try GeminiTestSupport.prepared()), [])
        let time = try ContinuousClock().measure { stream = try self.decoded(events, choices: 1) }
        #expect(time < .seconds(20))
        #expect(try stream.response.choices[0].citations.map(\.range) == [479_600..<480_000])
    }
}
