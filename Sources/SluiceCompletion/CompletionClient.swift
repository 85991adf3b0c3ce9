import SluiceBasics

/// One way to call every provider.
///
/// ```swift
/// let client = CompletionClient()
/// let answer = try await client.completion(model: "anthropic/claude-sonnet-4-5", messages: [.user("Hello!")])
/// print(answer.text)
/// ```
///
/// A client is cheap and can be shared by any number of tasks. All clients of a process share one thread for their
/// input and output, which the first call starts.
public final class CompletionClient: Sendable {
    let core: CompletionCore

    public convenience init(_ configuration: CompletionConfiguration = CompletionConfiguration()) {
        let shell: any CompletionShell
        if let script = configuration.script {
            shell = ScriptShell(script: script)
        } else {
            shell = SystemShell(network: configuration.network)
        }
        var random = SystemRandomNumberGenerator()
        self.init(configuration, shell: shell, seed: random.next())
    }

    package init(_ configuration: CompletionConfiguration, shell: any CompletionShell, seed: UInt64) {
        self.core = CompletionCore(configuration, shell: shell, seed: seed)
    }

    // MARK: Chat

    /// The whole answer to a request.
    ///
    /// - Throws: ``ProviderError``, whoever the provider is. Cancelling the task closes the transfer and throws
    ///   ``ProviderError/Kind-swift.enum/cancelled``.
    public func completion(
        _ request: ChatRequest,
        options: CompletionOptions = CompletionOptions()
    ) async throws(ProviderError) -> ChatResponse {
        try await self.core.completion(request, options)
    }

    /// The answer to a request, as it comes.
    public func stream(_ request: ChatRequest, options: CompletionOptions = CompletionOptions()) -> ChatStream {
        var request = request
        request.includesUsage = true
        return ChatStream(core: self.core, request: request, options: options)
    }

    // MARK: JSON

    /// For what is newer than this library: OpenAI's JSON in, OpenAI's JSON out. Members that have no name here are
    /// passed on as they are.
    ///
    /// - Parameter json: the body of `POST /v1/chat/completions`.
    public func completion(
        rawJSON json: JSONText,
        options: CompletionOptions = CompletionOptions()
    ) async throws(ProviderError) -> JSONText {
        let response = try await self.core.completion(Self.request(json), options)
        return JSONText(trusted: response.openAIBody())
    }

    /// As the other, as it comes.
    ///
    /// - Throws: if the text is no request; what goes wrong later is thrown by the stream.
    public func stream(
        rawJSON json: JSONText,
        options: CompletionOptions = CompletionOptions()
    ) throws(ProviderError) -> ChatStream {
        self.stream(try Self.request(json), options: options)
    }

    private static func request(_ json: JSONText) throws(ProviderError) -> ChatRequest {
        do {
            return try ChatRequest(openAI: json.bytes)
        } catch {
            throw ProviderError(.badRequest, error.message, code: error.code, parameter: error.param)
        }
    }

    // MARK: Embeddings

    public func embedding(
        _ request: EmbeddingRequest,
        options: CompletionOptions = CompletionOptions()
    ) async throws(ProviderError) -> EmbeddingResponse {
        try await self.core.embedding(request, options)
    }

    /// - Parameter dimensions: length of the vectors; `nil`: the model's own.
    public func embedding(
        model: String,
        texts: [String],
        dimensions: Int? = nil,
        options: CompletionOptions = CompletionOptions()
    ) async throws(ProviderError) -> EmbeddingResponse {
        var request = EmbeddingRequest(model: model, texts: texts)
        request.dimensions = dimensions
        return try await self.core.embedding(request, options)
    }

    // MARK: Synchronous programs

    /// The same calls for programs without `async`: they hold up the calling thread until the answer is there.
    public var blocking: BlockingCompletionClient { BlockingCompletionClient(client: self) }
}
