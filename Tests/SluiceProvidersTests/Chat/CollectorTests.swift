import SluiceWire
import Testing

@testable import SluiceProviders

struct CollectorTests {
    private func collected(_ fields: [JSONField]) throws -> [JSONField] {
        let events = fields.map { ChatStreamEvent.other(choice: 0, $0) } + [.done]
        return try ChatResponse(collecting: events).choices.first?.additional ?? []
    }

    @Test func `strings go on, lists get longer, objects are merged, names are repeated`() throws {
        let fields = try self.collected([
            JSONField("audio", ["id": "a", "data": "QUJD", "n": 1, "list": [], "deep": ["t": "x"]]),
            JSONField("images", [1]),
            JSONField("audio", ["id": "a", "data": "REVG", "n": 2, "list": [3], "deep": ["t": "y", "u": nil]]),
            JSONField("images", [2, "]"]),
            JSONField("audio", ["list": [4], "expires_at": 5]),
            JSONField("text", "a\"b"), JSONField("text", nil), JSONField("text", "c"), JSONField("text", "d"),
        ])
        let audio: JSONText = [
            "id": "a", "data": "QUJDREVG", "n": 2, "list": [3, 4], "deep": ["t": "xy", "u": nil], "expires_at": 5,
        ]
        #expect(fields == [JSONField("audio", audio), JSONField("images", [1, 2, "]"]), JSONField("text", "cd")])
    }

    @Test func `speech in many pieces is put together quickly`() throws {
        let piece = String(repeating: "QUJD", count: 250)
        let events =
            (0..<20_000).map { _ in ChatStreamEvent.other(choice: 0, JSONField("audio", ["data": .string(piece)])) }
            + [.done]
        var length = 0
        let time = try ContinuousClock().measure {
            length = try ChatResponse(collecting: events).choices[0].additional[0].value.bytes.count
        }
        #expect(length == 20_000 * 1_000 + #"{"data":""}"#.utf8.count)
        #expect(time < .seconds(30))
    }

    @Test func `log probabilities of many pieces`() throws {
        let pieces: [JSONText] = [
            ["content": [1], "refusal": nil], ["content": [2, 3], "refusal": nil], ["content": nil, "refusal": [4]],
        ]
        #expect(JSONPieces.logprobs(pieces) == ["content": [1, 2, 3], "refusal": [4]])
    }

    @Test func `an answer larger than the bound is no answer`() throws {
        var collector = ChatResponseCollector(maximumBytes: 1_000)
        for _ in 0..<100 { collector.take(.content(choice: 0, "0123456789")) }
        collector.take(.done)
        let error = #expect(throws: ProviderError.self) { try collector.response(provider: "p") }
        #expect(error?.code == "response_too_large")
        #expect(error?.isRetryable == false)
        var small = ChatResponseCollector(maximumBytes: 1_000)
        for _ in 0..<10 { small.take(.content(choice: 0, "0123456789")) }
        small.take(.done)
        #expect(try small.response().choices.first?.content?.utf8.count == 100)
    }

    @Test func `choices without end are no answer`() throws {
        var collector = ChatResponseCollector()
        for index in 0..<2_000 { collector.take(.content(choice: index, "")) }
        collector.take(.done)
        #expect(throws: ProviderError.self) { try collector.response() }
    }
}
