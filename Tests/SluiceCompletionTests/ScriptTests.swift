import SluiceCompletion
import Testing

/// Tests of programs that use the library, without a network.
struct ScriptTests {
    private func client(_ script: CompletionScript) -> CompletionClient {
        var configuration = CompletionConfiguration()
        configuration.script = script
        return CompletionClient(configuration)
    }

    @Test func `answers in order, requests noted, pauses at once`() async throws {
        let script = CompletionScript([
            .failure(ProviderError(.rateLimit, "slow down", retryAfter: .seconds(30))), .text("Hello!"),
            .toolCalls([ToolCall(id: "c", name: "f", arguments: "{}")]),
        ])
        let client = self.client(script)
        #expect(try await client.completion(model: "any", messages: [.user("Hi")]).text == "Hello!")
        let second = try await client.stream(model: "any", messages: [.user("Hi")]).collected()
        #expect(second.toolCalls.map(\.name) == ["f"] && second.choices.first?.finishReason == .toolCalls)
        #expect(script.requests.count == 3)
        #expect(script.pauses.count == 1 && script.pauses.first ?? .zero >= .seconds(30))
    }

    @Test func `time-outs, cut streams and the end of the script`() async throws {
        let script = CompletionScript([
            .delay(.seconds(700)), .events([.content(choice: 0, "Hel")]),
            .choose { request in .text("You said: \(request.messages.last?.text ?? "")") },
            .embedding([[1, 2]]),
        ])
        let client = self.client(script)
        let late = await #expect(throws: ProviderError.self) { try await client.completion(model: "m", messages: []) }
        #expect(late?.kind == .timeout)
        var text = ""
        let cut = await #expect(throws: ProviderError.self) {
            for try await event in client.stream(model: "m", messages: []) { text += event.text ?? "" }
        }
        #expect(cut?.code == "stream_truncated" && text == "Hel")
        #expect(try await client.completion(model: "m", messages: [.user("x")]).text == "You said: x")
        #expect(try await client.embedding(model: "e", texts: ["x"]).vectors == [[1, 2]])
        await #expect(throws: ProviderError.self) { try await client.completion(model: "m", messages: []) }
    }
}
