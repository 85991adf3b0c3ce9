import SluiceWire

/// Why Cohere's answer ended, and what that means.
enum CohereFinish: Sendable, Equatable {
    case reason(FinishReason)
    case failure(ProviderError.Kind)

    private static let rows: [(native: String, meaning: CohereFinish)] = [
        ("COMPLETE", .reason(.stop)),
        ("STOP_SEQUENCE", .reason(.stop)),
        ("MAX_TOKENS", .reason(.length)),
        ("ERROR_LIMIT", .reason(.length)),
        ("TOOL_CALL", .reason(.toolCalls)),
        ("ERROR_TOXIC", .reason(.contentFilter)),
        ("ERROR", .failure(.internalError)),
        ("USER_CANCEL", .failure(.cancelled)),
        ("TIMEOUT", .failure(.timeout)),
    ]

    /// Words that are newer than we are: see `FinishWord`.
    static func of(_ native: String) -> CohereFinish {
        if let row = Self.rows.first(where: { $0.native == native }) { return row.meaning }
        // As ERROR itself.
        if native.hasPrefix("ERROR") { return .failure(.internalError) }
        return FinishWord.isFailure(native) ? .failure(FinishWord.kind(native)) : .reason(.stop)
    }
}

/// `usage` in OpenAI's terms: what the model read and wrote, not what is billed.
enum CohereUsage {
    static func read(_ value: JSONValue) -> ChatUsage? {
        let tokens = value["tokens"] ?? value["billed_units"]
        guard let tokens, tokens.kind == .object else { return nil }
        var usage = ChatUsage(
            promptTokens: Self.count(tokens["input_tokens"]) ?? 0,
            completionTokens: Self.count(tokens["output_tokens"]) ?? 0
        )
        usage.cachedTokens = Self.count(value["cached_tokens"])
        return usage
    }

    /// Counts come as numbers with a fraction.
    static func count(_ value: JSONValue?) -> Int? {
        guard let number = value?.double, number >= 0 else { return nil }
        return Int(exactly: number.rounded()) ?? Int.max
    }
}
