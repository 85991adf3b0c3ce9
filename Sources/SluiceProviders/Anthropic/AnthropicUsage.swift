import SluiceWire

/// What an answer has used, as Anthropic counts: what was read from or written to a cache is not among
/// `input_tokens`.
struct AnthropicUsage: Sendable, Equatable {
    var input = 0
    var output = 0
    var cacheRead: Int?
    var cacheWrite: Int?
    var thinking: Int?
    var tier: String?
    /// Whether the provider has said anything.
    var isKnown = false

    /// Later counts replace earlier ones: those of a stream are totals. What is not mentioned stays.
    mutating func read(_ usage: JSONValue?) {
        guard let usage, usage.kind == .object else { return }
        self.isKnown = true
        if let count = Self.count(usage["input_tokens"]) { self.input = count }
        if let count = Self.count(usage["output_tokens"]) { self.output = count }
        if let count = Self.count(usage["cache_read_input_tokens"]) { self.cacheRead = count }
        if let count = Self.count(usage["cache_creation_input_tokens"]) { self.cacheWrite = count }
        if let count = Self.count(usage["output_tokens_details"]?["thinking_tokens"]) { self.thinking = count }
        if let tier = usage["service_tier"]?.string { self.tier = tier }
    }

    private static func count(_ value: JSONValue?) -> Int? {
        guard let count = value?.int else { return nil }
        return min(max(0, count), 1 << 40)
    }

    /// `nil`: the provider has said nothing.
    var chat: ChatUsage? {
        guard self.isKnown else { return nil }
        var usage = ChatUsage(
            promptTokens: self.input + (self.cacheRead ?? 0) + (self.cacheWrite ?? 0),
            completionTokens: self.output
        )
        usage.cachedTokens = self.cacheRead
        usage.cacheWriteTokens = self.cacheWrite
        usage.reasoningTokens = self.thinking
        return usage
    }

    /// In OpenAI's words.
    var serviceTier: String? { self.tier == "standard" ? "default" : self.tier }
}
