import SluiceBasics
import SluiceTransport

/// A ``CompletionClient`` for programs without `async`. Each call holds up its thread until the answer is there.
///
/// Safe from any thread of the program's own. An observer is called on the library's thread and must not use it; it
/// would wait for itself, and gets an error instead.
public struct BlockingCompletionClient: Sendable {
    let client: CompletionClient

    public func completion(
        _ request: ChatRequest,
        options: CompletionOptions = CompletionOptions()
    ) throws(ProviderError) -> ChatResponse {
        let client = self.client
        return try Self.wait { () async throws(ProviderError) in
            try await client.completion(request, options: options)
        }
    }

    public func completion(
        model: String,
        messages: [ChatMessage],
        options: CompletionOptions = CompletionOptions()
    ) throws(ProviderError) -> ChatResponse {
        try self.completion(ChatRequest(model: model, messages: messages), options: options)
    }

    /// OpenAI's JSON in, OpenAI's JSON out.
    public func completion(
        rawJSON json: JSONText,
        options: CompletionOptions = CompletionOptions()
    ) throws(ProviderError) -> JSONText {
        let client = self.client
        return try Self.wait { () async throws(ProviderError) in
            try await client.completion(rawJSON: json, options: options)
        }
    }

    /// Calls `body` with each event of a stream, on the library's thread: it must come back soon.
    ///
    /// - Parameter body: answers whether to go on. With `false` the transfer is closed.
    public func stream(
        _ request: ChatRequest,
        options: CompletionOptions = CompletionOptions(),
        _ body: @escaping @Sendable (ChatStreamEvent) -> Bool
    ) throws(ProviderError) {
        let stream = self.client.stream(request, options: options)
        try Self.wait { () async throws(ProviderError) in
            var iterator = stream.makeAsyncIterator()
            while let event = try await iterator.next() {
                guard body(event) else { return }
            }
        }
    }

    public func embedding(
        _ request: EmbeddingRequest,
        options: CompletionOptions = CompletionOptions()
    ) throws(ProviderError) -> EmbeddingResponse {
        let client = self.client
        return try Self.wait { () async throws(ProviderError) in
            try await client.embedding(request, options: options)
        }
    }

    /// Runs `operation` on the library's thread and waits for it.
    private static func wait<Success: Sendable>(
        _ operation: @escaping @Sendable () async throws(ProviderError) -> Success
    ) throws(ProviderError) -> Success {
        guard !CompletionReactor.shared.isCurrent else {
            throw ProviderError(
                .badRequest,
                "a blocking call from the thread that would have to do its work; use the asynchronous form",
                code: "blocking_call"
            )
        }
        let group = try CompletionReactor.shared.group()
        let result = Lock<Result<Success, ProviderError>?>(nil)
        group.runAndWait {
            let outcome: Result<Success, ProviderError>
            do throws(ProviderError) {
                outcome = .success(try await operation())
            } catch {
                outcome = .failure(error)
            }
            result.withLock { $0 = outcome }
        }
        guard let outcome = result.withLock({ $0 }) else {
            throw ProviderError(.internalError, "the call ended without a result")
        }
        return try outcome.get()
    }
}
