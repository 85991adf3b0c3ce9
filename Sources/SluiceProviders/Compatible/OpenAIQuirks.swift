/// What is different at a server that speaks OpenAI's chat completions, as data.
package struct OpenAIQuirks: Sendable, Equatable {
    /// Under which name the bound on the answer's tokens is sent.
    package enum TokenLimit: Sendable, Equatable {
        case asGiven
        case completion
        case maximum
    }

    /// How reasoning is asked for.
    package enum ReasoningRequest: Sendable, Equatable {
        /// `reasoning_effort`; a budget of tokens becomes the nearest word.
        case effort
        /// `thinking` as it is, `reasoning_effort` too.
        case thinking
        /// OpenRouter's `reasoning: {effort, max_tokens}`.
        case object
    }

    package var dialect = OpenAIDialect.plain
    package var parameters = Self.common {
        didSet { self.screenedParameters = Self.screened(self.parameters) }
    }
    /// With both names of the bound on tokens, which is told under the one that is known. Made once: requests are
    /// screened by it.
    private(set) var screenedParameters = Self.screened(Self.common)
    package var reasoningRequest = ReasoningRequest.effort
    package var tokenLimit = TokenLimit.maximum
    /// Whether the role `developer` is known; else it becomes `system`.
    package var keepsDeveloper = false
    /// Whether `functions` are known; else they become `tools`.
    package var keepsFunctions = false
    /// Whether text has to be one string.
    package var flattensContent = false
    /// Whether messages may carry `name`.
    package var keepsNames = true
    /// Whether `stream_options` is known. Usage then comes when it is asked for; else by itself or not at all.
    package var takesStreamOptions = true
    /// Whether a JSON schema can be asked for; else it becomes any JSON object.
    package var takesSchemas = true
    /// Goes before a model's name without a slash.
    package var modelPath: String?
    /// Goes behind an address without a path.
    package var basePath: String?
    /// OpenAI's own rules for its models that reason.
    package var hasReasoningModels = false
    /// Models that reason know neither penalties nor stop sequences, and are named so.
    package var strictModels: [String] = []
    /// Sources come in `citations` and `search_results` beside the choices.
    package var hasSources = false
    /// `completion_tokens` leaves reasoning out.
    package var countsReasoningApart = false
    /// Whether answers are as OpenAI gives them, so that clients can be given their bytes.
    package var answersPlainly = true
    /// Whether requests are taken as they are, extensions and all.
    package var takesEverything = false

    package init() {}

    private static func screened(_ parameters: ChatParameters) -> ChatParameters {
        parameters.union([.maximumTokens, .maximumCompletionTokens])
    }

    /// What nearly every server knows.
    package static let common = ChatParameters.all.subtracting([
        .topK, .thinking, .store, .metadata, .serviceTier, .verbosity, .modalities, .promptCacheKey,
        .promptCacheRetention,
    ])
}

extension OpenAIQuirks {
    private static func with(_ change: (inout OpenAIQuirks) -> Void) -> OpenAIQuirks {
        var quirks = OpenAIQuirks()
        change(&quirks)
        return quirks
    }

    package static let openAI = Self.with {
        $0.parameters = ChatParameters.all.subtracting([.topK, .thinking])
        $0.tokenLimit = .asGiven
        $0.keepsDeveloper = true
        $0.keepsFunctions = true
        $0.hasReasoningModels = true
    }

    package static let groq = Self.with {
        $0.dialect.reasoning = .reasoning
        $0.parameters = Self.common.union([.serviceTier])
            .subtracting([.choiceCount, .logprobs, .topLogprobs, .logitBias])
        $0.tokenLimit = .completion
        // Usage comes by itself, in `x_groq`.
        $0.takesStreamOptions = false
        $0.answersPlainly = false
    }

    package static let mistral = Self.with {
        $0.dialect.seedName = "random_seed"
        $0.dialect.requiredWord = "any"
        $0.dialect.reasoning = .parts
        $0.parameters = Self.common.union([.topK, .metadata, .promptCacheKey, .serviceTier])
            .subtracting([.logitBias, .user])
        $0.keepsNames = false
        $0.takesStreamOptions = false
        $0.answersPlainly = false
    }

    package static let deepSeek = Self.with {
        $0.dialect.reasoning = .content
        $0.parameters = Self.common.union([.thinking])
            .subtracting([.choiceCount, .seed, .logitBias, .parallelToolCalls, .user])
        $0.reasoningRequest = .thinking
        $0.flattensContent = true
        $0.takesSchemas = false
        $0.answersPlainly = false
    }

    package static let together = Self.with {
        $0.parameters = Self.common.union([.topK])
        $0.answersPlainly = false
    }

    package static let openRouter = Self.with {
        $0.dialect.reasoning = .reasoning
        $0.dialect.writesCacheMarks = true
        $0.dialect.takesFileAddresses = true
        $0.parameters = ChatParameters.all.subtracting([.store, .promptCacheRetention])
        $0.reasoningRequest = .object
        $0.tokenLimit = .asGiven
        $0.keepsDeveloper = true
        $0.answersPlainly = false
    }

    package static let fireworks = Self.with {
        $0.dialect.requiredWord = "any"
        $0.dialect.reasoning = .content
        $0.parameters = Self.common.union([.topK])
        $0.modelPath = "accounts/fireworks/models/"
    }

    package static let xAI = Self.with {
        $0.parameters = Self.common.subtracting([.logitBias])
        $0.tokenLimit = .completion
        $0.strictModels = ["grok-4", "grok-3-mini", "grok-code"]
        $0.countsReasoningApart = true
        $0.answersPlainly = false
    }

    package static let perplexity = Self.with {
        $0.parameters = Self.common.union([.topK]).subtracting([
            .tools, .toolChoice, .parallelToolCalls, .choiceCount, .seed, .logitBias, .logprobs, .topLogprobs, .user,
        ])
        $0.takesStreamOptions = false
        $0.hasSources = true
        $0.answersPlainly = false
    }

    package static let cerebras = Self.with {
        $0.parameters = Self.common.union([.serviceTier, .promptCacheKey])
        $0.tokenLimit = .completion
        $0.keepsDeveloper = true
        $0.answersPlainly = false
    }

    package static let nvidia = Self.with {
        $0.parameters = Self.common.union([.topK])
        $0.answersPlainly = false
    }

    package static let moonshot = Self.with {
        $0.dialect.reasoning = .content
        $0.parameters = Self.common.union([.thinking, .promptCacheKey]).subtracting([.seed, .logitBias])
        $0.reasoningRequest = .thinking
        $0.answersPlainly = false
    }

    package static let ollama = Self.with {
        $0.dialect.reasoning = .reasoning
        $0.parameters = Self.common.subtracting([.choiceCount, .logitBias, .parallelToolCalls, .toolChoice])
        $0.basePath = "/v1"
        $0.answersPlainly = false
    }

    /// Hosted servers that keep to the format.
    package static let plainServer = Self.with { $0.parameters = Self.common.union([.topK]) }

    /// vLLM, SGLang, llama.cpp, LM Studio: they take extensions and leave unknown members alone.
    package static let vLLM = Self.with {
        $0.dialect.reasoning = .content
        $0.parameters = .all
        $0.tokenLimit = .asGiven
        $0.keepsDeveloper = true
        $0.takesEverything = true
    }

    /// Another gateway, which takes what we take.
    package static let gateway = Self.with {
        $0.dialect = .canonical
        $0.parameters = .all
        $0.reasoningRequest = .thinking
        $0.tokenLimit = .asGiven
        $0.keepsDeveloper = true
        $0.keepsFunctions = true
        $0.takesEverything = true
    }
}
