/// OpenAI's rules for its own models, by their names.
package enum OpenAIModelRules {
    /// Whether the model reasons: the o series and GPT-5 but for its chat variant.
    package static func isReasoning(_ model: String) -> Bool {
        let name = Self.family(model)
        if name.hasPrefix("gpt-5") { return !name.hasPrefix("gpt-5-chat") && !name.contains("-chat-latest") }
        guard let first = name.utf8.first, first == UInt8(ascii: "o"), let digit = name.utf8.dropFirst().first else {
            return false
        }
        return (48...57).contains(digit)
    }

    /// Whether it is known not to reason, so that asking for it would be refused.
    package static func isPlain(_ model: String) -> Bool {
        let name = Self.family(model)
        return name.hasPrefix("gpt-3") || name.hasPrefix("gpt-4") || name.hasPrefix("chatgpt-4o")
    }

    /// The word for the least reasoning that a model which reasons can be asked for; `nil`: it always does.
    static func leastEffort(_ model: String) -> String? {
        let name = Self.family(model)
        guard name.hasPrefix("gpt-5"), !name.contains("-pro"), !name.contains("-codex") else { return nil }
        return name.hasPrefix("gpt-5.") ? "none" : "minimal"
    }

    /// Fine-tuned models are named after what they were made of: `ft:gpt-4o-mini:org::id`.
    private static func family(_ model: String) -> Substring {
        let name = model.hasPrefix("ft:") ? model.dropFirst(3) : model[...]
        return name.lastIndex(of: "/").map { name[name.index(after: $0)...] } ?? name
    }

    private static let reasoning = ChatParameters.all.subtracting([
        .temperature, .topP, .frequencyPenalty, .presencePenalty, .logprobs, .topLogprobs, .logitBias,
    ])
    private static let withoutStop = ChatParameters.all.subtracting([.stop])
    private static let plain = ChatParameters.all.subtracting([.reasoningEffort])

    /// - Parameter model: what decides; the deployment's name may hide it.
    static func apply(_ request: inout ChatRequest, model: String, _ screen: inout ParameterScreen) {
        if Self.isPlain(model) {
            screen.screen(&request, supports: Self.plain, members: nil)
            return
        }
        guard Self.isReasoning(model) else { return }
        if request.maximumCompletionTokens == nil { request.maximumCompletionTokens = request.maximumTokens }
        request.maximumTokens = nil
        for index in request.messages.indices where request.messages[index].role == .system {
            request.messages[index].role = .developer
        }
        let family = Self.family(model)
        if family.hasPrefix("o3") || family.hasPrefix("o4") {
            screen.screen(&request, supports: Self.withoutStop, members: nil)
        }
        // The only values that they take.
        if request.temperature == 1 { request.temperature = nil }
        if request.topP == 1 { request.topP = nil }
        // From GPT-5.1 on a model that is told not to reason is like the others.
        let isPlainNow = request.reasoningEffort == "none" && !model.hasPrefix("o")
        if !isPlainNow { screen.screen(&request, supports: Self.reasoning, members: nil) }
    }
}
