extension CompletionClient {
    /// The whole answer to a conversation. What is not said is left to the provider.
    ///
    /// - Parameters:
    ///   - model: `provider/model`, a name of the configuration, or a well-known name such as `gpt-…`.
    ///   - maximumTokens: upper bound on the answer's tokens, reasoning included.
    ///   - choiceCount: number of answers, OpenAI's `n`.
    ///   - temperature: 0…2 in OpenAI's scale.
    ///   - frequencyPenalty: -2…2.
    ///   - presencePenalty: -2…2.
    ///   - topLogprobs: 0…20; asks for `logprobs` too.
    ///   - reasoningEffort: `none`, `minimal`, `low`, `medium`, `high`, …
    ///   - metadata: an object of strings.
    ///   - additional: what has no name here, passed on as it is.
    /// - Throws: ``ProviderError``, whoever the provider is.
    public func completion(
        model: String,
        messages: [ChatMessage],
        tools: [ChatTool] = [],
        toolChoice: ToolChoice? = nil,
        parallelToolCalls: Bool? = nil,
        responseFormat: ResponseFormat? = nil,
        maximumTokens: Int? = nil,
        stop: [String] = [],
        choiceCount: Int? = nil,
        verbosity: String? = nil,
        modalities: [String] = [],
        temperature: Double? = nil,
        topP: Double? = nil,
        topK: Int? = nil,
        frequencyPenalty: Double? = nil,
        presencePenalty: Double? = nil,
        seed: Int? = nil,
        logitBias: JSONText? = nil,
        logprobs: Bool? = nil,
        topLogprobs: Int? = nil,
        reasoningEffort: String? = nil,
        thinking: Thinking? = nil,
        user: String? = nil,
        safetyIdentifier: String? = nil,
        metadata: JSONText? = nil,
        serviceTier: String? = nil,
        store: Bool? = nil,
        promptCacheKey: String? = nil,
        promptCacheRetention: String? = nil,
        additional: [JSONField] = [],
        options: CompletionOptions = CompletionOptions()
    ) async throws(ProviderError) -> ChatResponse {
        var request = ChatRequest(model: model, messages: messages)
        request.tools = tools
        request.toolChoice = toolChoice
        request.parallelToolCalls = parallelToolCalls
        request.responseFormat = responseFormat
        request.maximumCompletionTokens = maximumTokens
        request.stop = stop
        request.choiceCount = choiceCount
        request.verbosity = verbosity
        request.modalities = modalities
        request.temperature = temperature
        request.topP = topP
        request.topK = topK
        request.frequencyPenalty = frequencyPenalty
        request.presencePenalty = presencePenalty
        request.seed = seed
        request.logitBias = logitBias
        request.logprobs = topLogprobs == nil ? logprobs : logprobs ?? true
        request.topLogprobs = topLogprobs
        request.reasoningEffort = reasoningEffort
        request.thinking = thinking
        request.user = user
        request.safetyIdentifier = safetyIdentifier
        request.metadata = metadata
        request.serviceTier = serviceTier
        request.store = store
        request.promptCacheKey = promptCacheKey
        request.promptCacheRetention = promptCacheRetention
        request.additional = additional
        return try await self.completion(request, options: options)
    }

    /// The answer to a conversation, as it comes. The parameters are those of
    /// ``completion(_:options:)``'s other form.
    public func stream(
        model: String,
        messages: [ChatMessage],
        tools: [ChatTool] = [],
        toolChoice: ToolChoice? = nil,
        parallelToolCalls: Bool? = nil,
        responseFormat: ResponseFormat? = nil,
        maximumTokens: Int? = nil,
        stop: [String] = [],
        choiceCount: Int? = nil,
        verbosity: String? = nil,
        modalities: [String] = [],
        temperature: Double? = nil,
        topP: Double? = nil,
        topK: Int? = nil,
        frequencyPenalty: Double? = nil,
        presencePenalty: Double? = nil,
        seed: Int? = nil,
        logitBias: JSONText? = nil,
        logprobs: Bool? = nil,
        topLogprobs: Int? = nil,
        reasoningEffort: String? = nil,
        thinking: Thinking? = nil,
        user: String? = nil,
        safetyIdentifier: String? = nil,
        metadata: JSONText? = nil,
        serviceTier: String? = nil,
        store: Bool? = nil,
        promptCacheKey: String? = nil,
        promptCacheRetention: String? = nil,
        additional: [JSONField] = [],
        options: CompletionOptions = CompletionOptions()
    ) -> ChatStream {
        var request = ChatRequest(model: model, messages: messages)
        request.tools = tools
        request.toolChoice = toolChoice
        request.parallelToolCalls = parallelToolCalls
        request.responseFormat = responseFormat
        request.maximumCompletionTokens = maximumTokens
        request.stop = stop
        request.choiceCount = choiceCount
        request.verbosity = verbosity
        request.modalities = modalities
        request.temperature = temperature
        request.topP = topP
        request.topK = topK
        request.frequencyPenalty = frequencyPenalty
        request.presencePenalty = presencePenalty
        request.seed = seed
        request.logitBias = logitBias
        request.logprobs = topLogprobs == nil ? logprobs : logprobs ?? true
        request.topLogprobs = topLogprobs
        request.reasoningEffort = reasoningEffort
        request.thinking = thinking
        request.user = user
        request.safetyIdentifier = safetyIdentifier
        request.metadata = metadata
        request.serviceTier = serviceTier
        request.store = store
        request.promptCacheKey = promptCacheKey
        request.promptCacheRetention = promptCacheRetention
        request.additional = additional
        return self.stream(request, options: options)
    }
}
