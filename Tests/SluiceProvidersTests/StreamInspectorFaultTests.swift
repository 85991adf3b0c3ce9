import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceWire
import Testing

struct StreamInspectorFaultTests {
    private static let content = #"data: {"choices":[{"delta":{"content":"hi"}}]}"# + "\n\n"

    private func feed(_ text: String, size: Int = .max, limit: Int = 1 << 20) -> StreamInspector {
        var inspector = StreamInspector(status: 200, maximumEventBytes: limit)
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: min(size, bytes.count)) {
            inspector.feed(Array(bytes[start..<min(start + min(size, bytes.count), bytes.count)]))
        }
        return inspector
    }

    @Test(arguments: [1, 3, 17, 4096])
    func `reads what went wrong with a response, wherever it stands`(size: Int) {
        let failed = """
            event: response.failed
            data: {"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded"}}}


            """
        #expect(self.feed(failed, size: size).failure?.failureClass == .rateLimited)
        // Without the event's name, as some proxies send it.
        let unnamed = #"data: {"type":"response.failed","response":{"error":{"code":"server_error"}}}"# + "\n\n"
        #expect(self.feed(unnamed, size: size).failure?.failureClass == .serverError)
        let error = "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}\n\n"
        #expect(self.feed(error, size: size).failure?.failureClass == .rateLimited)
        #expect(self.feed(Self.content + "event: error\ndata: not even JSON\n\n", size: size).failure != nil)
    }

    @Test(arguments: [1, 3, 17, 4096])
    func `a response is content at its first delta and done at its last event`(size: Int) {
        let created = #"data: {"type":"response.created","response":{"error":null,"usage":null,"output":[]}}"# + "\n\n"
        let delta = #"data: {"type":"response.output_text.delta","delta":"x"}"# + "\n\n"
        let completed =
            #"data: {"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":4}}}"#
            + "\n\n"
        #expect(!self.feed(created, size: size).hasContent)
        #expect(self.feed(created + delta, size: size).hasContent)
        let whole = self.feed(created + delta + completed, size: size)
        #expect(whole.isDone)
        #expect(whole.failure == nil)
        #expect(whole.usage == TokenUsage(prompt: 3, completion: 4))
    }

    @Test func `an event above the limit is a failure before content, and passes after it`() {
        let large = "data: {\"x\":\"" + String(repeating: "a", count: 4_000) + "\"}\n\n"
        #expect(self.feed(large, size: 100, limit: 1_000).failure?.failureClass == .malformedResponse)
        let later = self.feed(Self.content + large + Self.content + "data: [DONE]\n\n", size: 100, limit: 1_000)
        #expect(later.failure == nil)
        #expect(later.isDone)
    }

    @Test(arguments: 0..<6)
    func `says the same however a stream is cut`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let events = [
            #"data: {"choices":[{"delta":{"role":"assistant"}}]}"#, ": ping", Self.content, Self.content,
            #"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#, "data: [DONE]",
            #"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            #"data: {"error":{"type":"overloaded_error"}}"#,
            #"data: {"choices":[{"delta":{"content":"\"usage\" \"error\""}}]}"#,
        ]
        for _ in 0..<60 {
            let text = (0..<8).map { _ in events[Int.random(in: 0..<events.count, using: &random)] + "\n\n" }.joined()
            let whole = self.feed(text)
            for size in [1, 2, 13, 50] {
                let cut = self.feed(text, size: size)
                #expect(cut.hasContent == whole.hasContent && cut.isDone == whole.isDone)
                #expect(cut.usage == whole.usage)
                #expect(cut.failure?.failureClass == whole.failure?.failureClass)
            }
        }
    }
}
