/// Why a candidate ended, and what that means.
enum GeminiFinish: Sendable, Equatable {
    case reason(FinishReason)
    case failure(ProviderError.Kind)

    private static let rows: [(native: String, meaning: GeminiFinish)] = [
        ("STOP", .reason(.stop)),
        ("MAX_TOKENS", .reason(.length)),
        ("CONTINUATION", .reason(.length)),
        ("SAFETY", .reason(.contentFilter)),
        ("RECITATION", .reason(.contentFilter)),
        ("LANGUAGE", .reason(.contentFilter)),
        ("BLOCKLIST", .reason(.contentFilter)),
        ("PROHIBITED_CONTENT", .reason(.contentFilter)),
        ("SPII", .reason(.contentFilter)),
        ("MODEL_ARMOR", .reason(.contentFilter)),
        ("ESCALATION", .reason(.contentFilter)),
        ("PUP_LIMITED_DISABLED", .reason(.contentFilter)),
        ("IMAGE_SAFETY", .reason(.contentFilter)),
        ("IMAGE_PROHIBITED_CONTENT", .reason(.contentFilter)),
        ("IMAGE_RECITATION", .reason(.contentFilter)),
        ("IMAGE_OTHER", .reason(.contentFilter)),
        ("NO_IMAGE", .reason(.contentFilter)),
        ("OTHER", .reason(.contentFilter)),
        ("MALFORMED_FUNCTION_CALL", .failure(.badGateway)),
        ("MALFORMED_RESPONSE", .failure(.badGateway)),
        ("UNEXPECTED_TOOL_CALL", .failure(.badGateway)),
        ("TOO_MANY_TOOL_CALLS", .failure(.badGateway)),
        // The request's fault: the same request fails again.
        ("MISSING_THOUGHT_SIGNATURE", .failure(.badRequest)),
    ]

    /// Words that are newer than we are: see `FinishWord`. Nearly all that Google ever added are blocks, and what has
    /// no word yet is OTHER there: none of it is called a clean stop.
    static func of(_ native: String) -> GeminiFinish {
        if let row = Self.rows.first(where: { $0.native == native }) { return row.meaning }
        return FinishWord.isFailure(native) ? .failure(FinishWord.kind(native)) : .reason(.contentFilter)
    }
}
