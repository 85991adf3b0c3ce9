import SluiceBasics
import SluiceCompletion
import SluiceTransport
import SluiceWire
import Testing

@testable import sluice

/// The library against the simulated backend, through sockets.
@Suite(.serialized)
struct CompletionLibraryTests {
    private static func withMock(
        _ behaviour: MockBehaviour = MockBehaviour(),
        _ body: (CompletionClient) async throws -> Void
    ) async throws {
        let reactors = try ReactorGroup(count: 1)
        try reactors.start()
        let backend = MockBackend(
            behaviour,
            seed: 7,
            clock: SystemClock(),
            sleep: { try await reactors.sleep(for: $0) }
        )
        let server = try HTTPServer(
            configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0),
            reactors: reactors,
            handler: backend
        )
        var configuration = CompletionConfiguration()
        configuration.usesEnvironment = false
        for (provider, path) in Self.addresses {
            configuration.providers[provider] = ProviderSettings(
                baseURL: "http://127.0.0.1:\(server.port)\(path)",
                apiKey: provider == "bedrock" ? nil : "key",
                bearerToken: provider == "bedrock" ? "token" : nil
            )
        }
        try await body(CompletionClient(configuration))
        await server.stop(grace: .milliseconds(100))
    }

    private static let addresses = [
        "openai": "/v1", "vllm": "/v1", "azure": "", "anthropic": "", "gemini": "/v1beta", "bedrock": "", "cohere": "",
    ]

    @Test(arguments: Self.addresses.keys.sorted())
    func `whole and streamed, the same from every provider`(provider: String) async throws {
        try await Self.withMock { client in
            let messages: [ChatMessage] = [.system("Be brief."), .user("Hello")]
            let whole = try await client.completion(model: "\(provider)/mock", messages: messages)
            #expect(!whole.text.isEmpty)
            #expect(whole.choices.first?.finishReason == .stop)
            #expect(whole.usage?.completionTokens ?? 0 > 0)
            let streamed = try await client.stream(model: "\(provider)/mock", messages: messages).collected()
            #expect(!streamed.text.isEmpty)
            #expect(streamed.choices.first?.finishReason == .stop)
            #expect(streamed.usage?.completionTokens ?? 0 > 0)
        }
    }

    @Test func `embeddings`() async throws {
        try await Self.withMock { client in
            let answer = try await client.embedding(model: "openai/mock", texts: ["one", "two"])
            #expect(answer.vectors.count == 2)
        }
    }
}
