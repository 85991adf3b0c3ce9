/// The parameters of a request that a provider may or may not have; the raw value is OpenAI's name.
package enum ChatParameter: String, Sendable, CaseIterable {
    case tools
    case toolChoice = "tool_choice"
    case parallelToolCalls = "parallel_tool_calls"
    case responseFormat = "response_format"
    case maximumTokens = "max_tokens"
    case maximumCompletionTokens = "max_completion_tokens"
    case stop
    case choiceCount = "n"
    case verbosity
    case modalities
    case temperature
    case topP = "top_p"
    case topK = "top_k"
    case frequencyPenalty = "frequency_penalty"
    case presencePenalty = "presence_penalty"
    case seed
    case logitBias = "logit_bias"
    case logprobs
    case topLogprobs = "top_logprobs"
    case reasoningEffort = "reasoning_effort"
    case thinking
    case user
    case safetyIdentifier = "safety_identifier"
    case metadata
    case serviceTier = "service_tier"
    case store
    case promptCacheKey = "prompt_cache_key"
    case promptCacheRetention = "prompt_cache_retention"

    /// Whether a request asks for something by it: a value that is everybody's default asks for nothing.
    func isAsked(in request: ChatRequest) -> Bool {
        switch self {
        case .tools: !request.tools.isEmpty
        case .toolChoice: request.toolChoice != nil && request.toolChoice != .auto
        case .parallelToolCalls: request.parallelToolCalls == false
        case .responseFormat: request.responseFormat != nil && request.responseFormat != .text
        case .maximumTokens: request.maximumTokens != nil
        case .maximumCompletionTokens: request.maximumCompletionTokens != nil
        case .stop: !request.stop.isEmpty
        case .choiceCount: (request.choiceCount ?? 1) != 1
        case .verbosity: request.verbosity != nil
        case .modalities: !request.modalities.isEmpty && request.modalities != ["text"]
        case .temperature: request.temperature != nil
        case .topP: request.topP != nil
        case .topK: request.topK != nil
        case .frequencyPenalty: (request.frequencyPenalty ?? 0) != 0
        case .presencePenalty: (request.presencePenalty ?? 0) != 0
        case .seed: request.seed != nil
        case .logitBias: request.logitBias != nil && request.logitBias != .emptyObject
        case .logprobs: request.logprobs == true
        case .topLogprobs: (request.topLogprobs ?? 0) != 0
        case .reasoningEffort: request.reasoningEffort != nil
        case .thinking: request.thinking != nil
        // Who asks changes nothing about the answer: left out without a word.
        case .user, .safetyIdentifier: false
        case .metadata: request.metadata != nil
        case .serviceTier: request.serviceTier != nil && request.serviceTier != "auto"
        case .store: request.store == true
        case .promptCacheKey: request.promptCacheKey != nil
        case .promptCacheRetention: request.promptCacheRetention != nil
        }
    }

    /// Exchanges this parameter of two requests.
    func swap(_ first: inout ChatRequest, _ second: inout ChatRequest) {
        switch self {
        case .tools: Swift.swap(&first.tools, &second.tools)
        case .toolChoice: Swift.swap(&first.toolChoice, &second.toolChoice)
        case .parallelToolCalls: Swift.swap(&first.parallelToolCalls, &second.parallelToolCalls)
        case .responseFormat: Swift.swap(&first.responseFormat, &second.responseFormat)
        case .maximumTokens: Swift.swap(&first.maximumTokens, &second.maximumTokens)
        case .maximumCompletionTokens: Swift.swap(&first.maximumCompletionTokens, &second.maximumCompletionTokens)
        case .stop: Swift.swap(&first.stop, &second.stop)
        case .choiceCount: Swift.swap(&first.choiceCount, &second.choiceCount)
        case .verbosity: Swift.swap(&first.verbosity, &second.verbosity)
        case .modalities: Swift.swap(&first.modalities, &second.modalities)
        case .temperature: Swift.swap(&first.temperature, &second.temperature)
        case .topP: Swift.swap(&first.topP, &second.topP)
        case .topK: Swift.swap(&first.topK, &second.topK)
        case .frequencyPenalty: Swift.swap(&first.frequencyPenalty, &second.frequencyPenalty)
        case .presencePenalty: Swift.swap(&first.presencePenalty, &second.presencePenalty)
        case .seed: Swift.swap(&first.seed, &second.seed)
        case .logitBias: Swift.swap(&first.logitBias, &second.logitBias)
        case .logprobs: Swift.swap(&first.logprobs, &second.logprobs)
        case .topLogprobs: Swift.swap(&first.topLogprobs, &second.topLogprobs)
        case .reasoningEffort: Swift.swap(&first.reasoningEffort, &second.reasoningEffort)
        case .thinking: Swift.swap(&first.thinking, &second.thinking)
        case .user: Swift.swap(&first.user, &second.user)
        case .safetyIdentifier: Swift.swap(&first.safetyIdentifier, &second.safetyIdentifier)
        case .metadata: Swift.swap(&first.metadata, &second.metadata)
        case .serviceTier: Swift.swap(&first.serviceTier, &second.serviceTier)
        case .store: Swift.swap(&first.store, &second.store)
        case .promptCacheKey: Swift.swap(&first.promptCacheKey, &second.promptCacheKey)
        case .promptCacheRetention: Swift.swap(&first.promptCacheRetention, &second.promptCacheRetention)
        }
    }
}

/// Several parameters, to be made once and kept.
package struct ChatParameters: Sendable, Equatable, ExpressibleByArrayLiteral {
    private let members: [ChatParameter]
    /// All others: what a request is screened for.
    let absent: [ChatParameter]

    package init(arrayLiteral elements: ChatParameter...) { self.init(elements) }

    package init(_ elements: some Sequence<ChatParameter>) {
        let wanted = Set(elements)
        self.members = ChatParameter.allCases.filter(wanted.contains)
        self.absent = ChatParameter.allCases.filter { !wanted.contains($0) }
    }

    package static let all = ChatParameters(ChatParameter.allCases)

    package func contains(_ element: ChatParameter) -> Bool { self.members.contains(element) }

    package func union(_ other: ChatParameters) -> ChatParameters { ChatParameters(self.members + other.members) }

    package func subtracting(_ other: ChatParameters) -> ChatParameters {
        ChatParameters(self.members.filter { !other.contains($0) })
    }
}
