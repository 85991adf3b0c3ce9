import SluiceBasics
import SluiceWire
import Testing

@testable import SluiceProviders

struct BedrockStreamTests {
    private func event(_ name: String, _ payload: String) throws -> [UInt8] {
        try BedrockAnswer.event(name, Array(payload.utf8))
    }

    private func decode(_ bytes: [UInt8]) -> (events: [ChatStreamEvent], error: ProviderError?) {
        BedrockAnswer.decode([bytes], BedrockAnswer.call())
    }

    @Test func `golden answers as streams are the same answers`() throws {
        for golden in BedrockAnswer.all() {
            let (events, error) = BedrockAnswer.decode([try golden.bytes()], golden.call)
            #expect(error == nil)
            let collected = try ChatResponse(collecting: events)
            let response = HTTPClientResponse(status: 200, body: golden.response)
            #expect(collected == (try BedrockHandler().answer(response, to: golden.call)), "\(golden.name)")
        }
    }

    @Test func `the order of a stream's events`() throws {
        let answers = BedrockAnswer.all()
        for golden in answers {
            let events = BedrockAnswer.decode([try golden.bytes()], golden.call).events
            guard case .start(let start) = events.first else {
                Issue.record("\(golden.name) does not start")
                continue
            }
            #expect(start == ChatStreamStart(id: "req_1", model: "anthropic.claude-v2", created: 7))
            #expect(events.last == .done)
            let finishes = events.indices.filter { if case .finish = events[$0] { true } else { false } }
            let usages = events.indices.filter { if case .usage = events[$0] { true } else { false } }
            #expect(finishes == [events.count - 3])
            #expect(usages == [events.count - 2])
        }
    }

    @Test func `any split of the bytes gives the same events, byte by byte and in random pieces`() throws {
        var random = SeededRandom(seed: 11)
        for golden in BedrockAnswer.all() {
            var streams = [try golden.bytes()]
            streams.append(try golden.bytes() + BedrockAnswer.exception("throttlingException", #"{"message":"no"}"#))
            for _ in 0..<4 {
                var broken = streams[0]
                broken[Int.random(in: 0..<broken.count, using: &random)] ^= 0x10
                streams.append(broken)
            }
            for stream in streams {
                let whole = BedrockAnswer.decode([stream], golden.call)
                let single = BedrockAnswer.decode(stream.map { [$0] }, golden.call)
                #expect(single.events == whole.events)
                #expect(single.error == whole.error)
                for _ in 0..<5 {
                    var pieces: [[UInt8]] = []
                    var rest = stream[...]
                    while !rest.isEmpty {
                        let count = Int.random(in: 1...90, using: &random)
                        pieces.append(Array(rest.prefix(count)))
                        rest = rest.dropFirst(count)
                    }
                    let cut = BedrockAnswer.decode(pieces, golden.call)
                    #expect(cut.events == whole.events)
                    #expect(cut.error == whole.error)
                }
            }
        }
    }

    @Test func `a stream cut off before messageStop is an error, wherever it is cut`() throws {
        for golden in BedrockAnswer.all() {
            let end = golden.events.firstIndex { $0.name == "messageStop" } ?? 0
            let complete = try golden.events[...end].flatMap { try BedrockAnswer.event($0.name, $0.payload) }
            let bytes = try golden.bytes()
            for count in bytes.indices {
                let (events, error) = BedrockAnswer.decode([Array(bytes.prefix(count))], golden.call)
                if count == complete.count {
                    #expect(error == nil)
                    #expect(events.last == .done)
                } else {
                    #expect(error?.code == "stream_truncated", "\(golden.name) cut at \(count)")
                    #expect(error?.isRetryable == true)
                    #expect(events.last != .done)
                }
            }
        }
    }

    @Test func `a wrong checksum is an error`() throws {
        let golden = try #require(BedrockAnswer.all().first)
        var bytes = try golden.bytes()
        bytes[bytes.count - 1] ^= 1
        let (events, error) = BedrockAnswer.decode([bytes], golden.call)
        #expect(error?.kind == .badGateway)
        #expect(error?.code == "malformed_response")
        #expect(error?.message.contains("checksum") == true)
        #expect(events.last != .done)
    }

    @Test(arguments: [
        ("throttlingException", 429, ProviderError.Kind.rateLimit), ("validationException", 400, .badRequest),
        ("internalServerException", 500, .internalError), ("modelStreamErrorException", 424, .badGateway),
        ("serviceUnavailableException", 503, .serviceUnavailable), ("accessDeniedException", 403, .permission),
        ("modelTimeoutException", 408, .timeout), ("newException", 500, .internalError),
    ])
    func `an exception in mid-stream is an error with its status`(
        name: String,
        status: Int,
        kind: ProviderError.Kind
    ) throws {
        let start = try self.event("messageStart", #"{"role":"assistant"}"#)
        let text = try self.event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#)
        let exception = try BedrockAnswer.exception(name, #"{"message":"Too bad"}"#)
        let (events, error) = BedrockAnswer.decode(
            [start + text + exception + text],
            BedrockAnswer.call(),
            HTTPFields([("x-amzn-requestid", "aws-2")])
        )
        #expect(events.last == .content(choice: 0, "Hi"))
        #expect(error?.status == status)
        #expect(error?.kind == kind)
        #expect(error?.code == name)
        #expect(error?.message == "Too bad")
        #expect(error?.requestID == "aws-2")
        #expect(error?.isRetryable == kind.isRetryable)
    }

    @Test func `an error without an exception is an error too`() throws {
        let bytes = try EventStreamMessage(
            headers: [
                EventStreamHeader(":message-type", .string("error")),
                EventStreamHeader(":error-code", .string("InternalFailure")),
                EventStreamHeader(":error-message", .string("went wrong")),
            ]
        ).encoded()
        let error = self.decode(bytes).error
        #expect(error?.status == 500)
        #expect(error?.code == "InternalFailure")
        #expect(error?.message == "went wrong")
    }

    @Test func `unknown kinds of messages are skipped`() throws {
        let golden = try #require(BedrockAnswer.all().first)
        let unknown =
            try self.event("somethingNew", "no json")
            + EventStreamMessage(headers: [EventStreamHeader(":message-type", .string("new"))]).encoded()
        let events = try golden.events.flatMap { unknown + (try BedrockAnswer.event($0.name, $0.payload)) } + unknown
        #expect(self.decode(events).events == self.decode(try golden.bytes()).events)
    }

    @Test func `what contradicts the stream so far is an error`() throws {
        let start = try self.event("messageStart", #"{"role":"assistant"}"#)
        let stop = try self.event("messageStop", #"{"stopReason":"end_turn"}"#)
        let text = try self.event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#)
        let input = try self.event("contentBlockDelta", #"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"{"}}}"#)
        let broken = try self.event("contentBlockDelta", "{")
        let silent = try self.event("messageStop", "{}")
        for stream in [start + stop + text, start + input, start + broken + stop, start + silent, start + stop + stop] {
            #expect(self.decode(stream).error?.code == "malformed_response")
        }
        #expect(self.decode(text + stop).error == nil)
    }

    @Test func `a stream whose first event is not messageStart begins all the same`() throws {
        let usage = #"{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}"#
        let stream = try self.event("metadata", usage) + self.event("messageStop", #"{"stopReason":"end_turn"}"#)
        let events = self.decode(stream).events
        #expect(events.first == .start(ChatStreamStart(id: "req_1", model: "anthropic.claude-v2", created: 7)))
        #expect(events.count == 4)
    }

    @Test func `a block that is left open ends with the message`() throws {
        let stream =
            try self.event(
                "contentBlockStart",
                #"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}"#
            )
            + self.event("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"reasoningContent":{"text":"Hm"}}}"#)
            + self.event("messageStop", #"{"stopReason":"tool_use"}"#)
        let events = self.decode(stream).events
        #expect(events.contains(.toolArguments(choice: 0, index: 0, "{}")))
        #expect(events.contains(.reasoningSignature(choice: 0, "")))
    }

    @Test func `blocks that are opened without end are refused`() throws {
        let stream = try (0..<300).flatMap { index in
            let start = #"{"toolUse":{"toolUseId":"a","name":"f"}}"#
            return try self.event("contentBlockStart", #"{"contentBlockIndex":\#(index),"start":\#(start)}"#)
        }
        #expect(self.decode(stream).error?.code == "malformed_response")
    }

    @Test func `citations and images in a stream`() throws {
        let stream =
            try self.event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"citation":{"title":"T"}}}"#)
            + self.event("contentBlockStart", #"{"contentBlockIndex":1,"start":{"image":{"format":"webp"}}}"#)
            + self.event(
                "contentBlockDelta",
                #"{"contentBlockIndex":1,"delta":{"image":{"source":{"bytes":"UklG"}}}}"#
            ) + self.event("messageStop", #"{"stopReason":"end_turn"}"#)
        let choice = try ChatResponse(collecting: self.decode(stream).events).choices.first
        #expect(choice?.citations.first?.title == "T")
        let image: JSONText = ["type": "image_url", "image_url": ["url": "data:image/webp;base64,UklG"]]
        #expect(choice?.additional == [JSONField("images", [image])])
    }
}
