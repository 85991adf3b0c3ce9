import SluiceBasics
import SluiceWire
import Testing

@testable import SluiceProviders

/// Nothing that comes from outside may end the program, and what is refused is refused with a word.
@Suite struct AnthropicHostileTests {
    private let handler = AnthropicHandler()

    private static let rounds = 40
    private static let tokens = [
        "null", "true", "-1", "1e400", "9223372036854775807", "\"\"", "[]", "{}", "\"index\":-5", "\"\\u0000\"",
        "\"type\"",
    ].map { Array($0.utf8) }

    /// Some bytes changed, left out, doubled, or replaced by another value.
    private func spoilt(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: place)
            case 2: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 20)], at: place)
            case 3: bytes.removeLast(bytes.count - place)
            default:
                // A whole value, so that the document often stays JSON.
                guard let colon = bytes[place...].firstIndex(of: UInt8(ascii: ":")) else { continue }
                let end = bytes[colon...].firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "}") }
                let token = Self.tokens[Int.random(in: 0..<Self.tokens.count, using: &random)]
                bytes.replaceSubrange((colon + 1)..<(end ?? bytes.count), with: token)
            }
        }
        return bytes
    }

    @Test(arguments: [Int.min, -1, 0, 1, Int.max])
    func `no limit of an answer overflows beside thinking`(limit: Int) throws {
        var request = ChatRequest(model: "claude-sonnet-4-5", messages: [.user("A")])
        request.maximumTokens = limit
        request.reasoningEffort = "low"
        #expect(throws: Never.self) { try JSONTree(self.handler.prepare(.anthropic(request)).body) }
    }

    @Test(arguments: AnthropicGolden.names("face-request-") + AnthropicGolden.names("face-refused-"))
    func `no request ends the face`(name: String) throws {
        let body = try #require(AnthropicGolden.members(name)["anthropic"]).bytes
        var random = SeededRandom(seed: 7)
        for _ in 0..<Self.rounds {
            let spoilt = self.spoilt(body, &random)
            guard let request = try? AnthropicFace.request(spoilt, headers: HTTPFields()) else { continue }
            // What has been taken can be told, and told to Anthropic or refused with a word.
            #expect(throws: Never.self) { try ChatRequest(openAI: request.openAIBody()) }
            if let prepared = try? self.handler.prepare(.anthropic(request)) {
                #expect(throws: Never.self) { try JSONTree(prepared.body) }
            }
        }
    }

    @Test(arguments: AnthropicGolden.names("answer-"))
    func `no answer and no stream ends the provider`(name: String) throws {
        let golden = try AnthropicGolden.members(name)
        let call = try self.handler.prepare(.anthropic(ChatRequest(model: "m", messages: [.user("A")])))
        let message = try #require(golden["message"]).bytes
        let stream = anthropicStream(try #require(golden["events"]).list)
        var random = SeededRandom(seed: 11)
        for _ in 0..<Self.rounds {
            let response = HTTPClientResponse(status: 200, body: self.spoilt(message, &random))
            if let answer = try? self.handler.answer(response, to: call) {
                #expect(throws: Never.self) { try JSONTree(AnthropicFace.answer(answer)) }
            }
            _ = self.handler.failure(HTTPClientResponse(status: 400, body: response.body), now: 0)
            var decoder = self.handler.decoder(HTTPFields(), for: call)
            var encoder = AnthropicStreamEncoder()
            var told: [UInt8] = []
            try? decoder.feed(self.spoilt(stream, &random)) { encoder.encode($0, into: &told) }
            try? decoder.finish { encoder.encode($0, into: &told) }
            var parser = SSEParser()
            var events: [SSEEvent] = []
            try parser.feed(told) { events.append($0) }
            for event in events { #expect(throws: Never.self) { try JSONTree(event.data) } }
        }
    }

    @Test func `a request of any depth is refused or taken`() {
        let deep = String(repeating: "[", count: 5_000)
        let body = Array(#"{"model":"m","max_tokens":1,"messages":[],"x":\#(deep)"#.utf8)
        #expect(throws: InvalidRequest.self) { try AnthropicFace.request(body, headers: HTTPFields()) }
    }
}
