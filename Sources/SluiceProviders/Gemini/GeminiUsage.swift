import SluiceWire

/// `usageMetadata` in OpenAI's terms.
enum GeminiUsage {
    static func read(_ value: JSONValue) -> ChatUsage {
        let thoughts = value["thoughtsTokenCount"]?.int
        // What Google's own tools put into the prompt is billed as prompt and not counted in it.
        let prompt = Self.sum(value["promptTokenCount"]?.int, value["toolUsePromptTokenCount"]?.int)
        var usage = ChatUsage(
            promptTokens: prompt,
            completionTokens: Self.sum(value["candidatesTokenCount"]?.int, thoughts)
        )
        usage.cachedTokens = value["cachedContentTokenCount"]?.int
        usage.reasoningTokens = thoughts
        usage.audioPromptTokens = Self.audio(value["promptTokensDetails"])
        usage.audioCompletionTokens = Self.audio(value["candidatesTokensDetails"])
        usage.statedTotal = value["totalTokenCount"]?.int
        return usage
    }

    private static func sum(_ one: Int?, _ other: Int?) -> Int {
        let (sum, overflow) = max(0, one ?? 0).addingReportingOverflow(max(0, other ?? 0))
        return overflow ? Int.max : sum
    }

    private static func audio(_ details: JSONValue?) -> Int? {
        var found: Int?
        details?.forEachElement { detail in
            if detail["modality"]?.string == "AUDIO" { found = detail["tokenCount"]?.int }
            return found == nil
        }
        return found
    }
}
