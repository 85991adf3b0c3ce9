import Glibc
import SluiceCompletion
import Testing

/// The snippets of the articles, compiled and run.
struct DocumentationTests {
    struct CallPrinter: CompletionObserver {
        func didEnd(_ report: CompletionReport) {
            print(report.model, report.outcome ?? "", report.attempts, report.completionTokens ?? 0)
        }
    }

    /// Compiled only: it would call the provider.
    func ask() async throws {
        let client = CompletionClient()
        let answer = try await client.completion(
            model: "anthropic/claude-sonnet-4-5",
            messages: [.system("Be brief."), .user("Why is the sky blue?")],
            maximumTokens: 200
        )
        print(answer.text, answer.usage?.totalTokens ?? 0)
    }

    private func client(_ lines: CompletionScript.Line...) -> CompletionClient {
        var configuration = CompletionConfiguration()
        configuration.script = CompletionScript(lines)
        configuration.retries = .never
        return CompletionClient(configuration)
    }

    private func lookUp(_ arguments: String) async -> String { "sunny" }

    @Test func `streams, JSON, embeddings, blocking calls`() async throws {
        let client = self.client(.text("Once."), .text("Hi."), .embedding([[1], [2]]), .text("Hi."))
        let model = "any"
        for try await event in client.stream(model: "openai/gpt-4o", messages: [.user("Tell me a story.")]) {
            if let text = event.text { print(text, terminator: "") }
        }
        let json: JSONText = [
            "model": "openai/gpt-4o", "messages": [["role": "user", "content": "Hi"]], "brand_new_option": true,
        ]
        let result: JSONText = try await client.completion(rawJSON: json)
        #expect(result.text.contains("Hi."))
        let embeddings = try await client.embedding(model: "openai/text-embedding-3-small", texts: ["one", "two"])
        print(embeddings.vectors.count)
        let greeting = try client.blocking.completion(model: model, messages: [.user("Hi")])
        #expect(greeting.text == "Hi.")
    }

    @Test func `tools`() async throws {
        let client = self.client(.toolCalls([ToolCall(id: "c", name: "weather", arguments: "{}")]), .text("Sunny."))
        let model = "any"
        let weather = ChatTool.function(
            "weather",
            description: "The weather in a city",
            parameters: ["type": "object", "properties": ["city": ["type": "string"]], "required": ["city"]]
        )
        var messages: [ChatMessage] = [.user("What is the weather in Oslo?")]
        var reply = try await client.completion(model: model, messages: messages, tools: [weather])
        while let choice = reply.choices.first, !choice.toolCalls.isEmpty {
            messages.append(choice.message)
            for call in choice.toolCalls {
                messages.append(.tool(await lookUp(call.arguments), answering: call.id))
            }
            reply = try await client.completion(model: model, messages: messages, tools: [weather])
        }
        #expect(reply.text == "Sunny." && messages.count == 3)
    }

    @Test func `errors`() async throws {
        let client = self.client(.failure(ProviderError(.contextWindowExceeded, "too long")))
        let model = "any"
        var conversation: [ChatMessage] = [.user("one"), .user("two")]
        do {
            _ = try await client.completion(model: model, messages: conversation)
        } catch {
            switch error.kind {
            case .contextWindowExceeded: conversation.removeFirst()
            case .rateLimit: print("again in", error.retryAfter ?? .seconds(1))
            default: print(error.provider, error.status ?? 0, error.message)
            }
        }
        #expect(conversation.count == 1)
    }

    @Test func `configuration`() async throws {
        let key = "k"
        var configuration = CompletionConfiguration()
        configuration.providers["openai"] = ProviderSettings(apiKey: key)
        configuration.providers["vllm"] = ProviderSettings(baseURL: "http://gpu-1:8000/v1")
        configuration.models["fast"] = ModelSettings("groq/llama-3.3-70b-versatile")
        configuration.retries.attempts = 5
        configuration.timeout = .seconds(120)
        configuration.attemptTimeout = .seconds(30)
        configuration.observers = [CallPrinter()]
        configuration.script = CompletionScript([.text("x")])
        _ = try await CompletionClient(configuration).completion(model: "fast", messages: [])
    }

    @Test func `a script`() async throws {
        let script = CompletionScript([
            .failure(ProviderError(.rateLimit, "slow down", retryAfter: .seconds(20))),
            .text("Blue light is scattered most."),
        ])
        var configuration = CompletionConfiguration()
        configuration.script = script
        let client = CompletionClient(configuration)
        let answer = try await client.completion(model: "any", messages: [.user("Why is the sky blue?")])
        #expect(answer.text == "Blue light is scattered most.")
        #expect(script.requests.count == 2)
        #expect(script.pauses.first ?? .zero >= .seconds(20))
        script.append(.events([.content(choice: 0, "Blue li")]))
        let error = await #expect(throws: ProviderError.self) {
            for try await event in client.stream(model: "any", messages: []) { print(event.text ?? "") }
        }
        #expect(error?.code == "stream_truncated")
    }

    // MARK: What is printed is what is compiled

    private static let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()

    private static func lines(_ path: String) -> [String] {
        guard let file = fopen("\(Self.root)/\(path)", "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in String(line.drop { $0 == " " }) }
    }

    @Test(arguments: [("CallModels", 9), ("TestWithoutANetwork", 3)])
    func `every snippet of the articles stands in a test`(article: String, count: Int) {
        let lines = Self.lines("Sources/SluiceCompletion/SluiceCompletion.docc/\(article).md")
        let code = Self.lines("Tests/SluiceCompletionTests/Documentation/DocumentationTests.swift")
        let blocks = lines.split { $0.hasPrefix("```") }.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        #expect(blocks.count == count)
        for block in blocks {
            let wanted = Array(block)
            let isThere = code.indices.contains { code[$0...].starts(with: wanted) }
            #expect(isThere, "\(article): \(wanted.joined(separator: "\n"))")
        }
    }
}
