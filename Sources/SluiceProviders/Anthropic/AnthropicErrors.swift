import SluiceWire

/// What Anthropic's refusals mean: the status says it, words tell apart what one status means.
enum AnthropicErrors {
    /// Longer messages are cut.
    private static let maximumMessageBytes = 4_096

    /// An answer with a status other than success.
    static func read(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        var statement = Statement()
        _ = try? JSON.read(response.body) { statement = Statement($0) }
        let message = statement.message ?? "the provider answered with status \(response.status)"
        var error = ProviderError(
            ErrorTable.kind(status: response.status, words: statement.words, message: message),
            message,
            provider: AnthropicBody.provider,
            status: response.status,
            code: statement.words.first,
            requestID: ProviderRequestID.read(response.headers) ?? statement.requestID,
            retryAfter: RetryAfter.read(response.headers, now: now)
        )
        Self.refine(&error)
        switch response.headers["x-should-retry"] {
        case "true" where error.kind != .budget: error.isRetryable = true
        case "false": error.isRetryable = false
        default: break
        }
        return error
    }

    /// An error inside a stream, or one under a status of success: its type says which status it would have had.
    static func reported(_ root: JSONValue) -> ProviderError {
        let statement = Statement(root)
        let message = statement.message ?? "the provider reported an error without a message"
        let status = Self.statuses.first { $0.type == statement.type }?.status ?? 500
        var error = ProviderError(
            ErrorTable.kind(status: status, words: statement.words, message: message),
            message,
            provider: AnthropicBody.provider,
            status: status,
            code: statement.words.first,
            requestID: statement.requestID
        )
        Self.refine(&error)
        return error
    }

    private static let statuses: [(type: String, status: Int)] = [
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("billing_error", 402),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("conflict_error", 409),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("timeout_error", 504),
        ("overloaded_error", 529),
    ]

    /// An empty account answers with 400.
    private static func refine(_ error: inout ProviderError) {
        guard error.kind == .badRequest else { return }
        guard Bytes.contains(Array(error.message.utf8)[...], "credit balance is too low") else { return }
        error.kind = .budget
        error.isRetryable = false
    }

    /// What the body of an error says.
    private struct Statement {
        var message: String?
        var type: String?
        var requestID: String?
        /// Its machine words, the most exact first.
        var words: [String] = []

        init() {}

        init(_ root: JSONValue) {
            let error = root["error"]
            self.type = error?["type"]?.string
            self.requestID = root["request_id"]?.string
            self.words = [error?["details"]?["error_code"]?.string, self.type].compactMap { $0 }
            guard let text = (error?["message"] ?? root["message"])?.string, !text.isEmpty else { return }
            let isLong = text.utf8.count > AnthropicErrors.maximumMessageBytes
            let cut = isLong ? String(text.prefix(AnthropicErrors.maximumMessageBytes)) + "…" : text
            self.message = KeyScrubber.scrub(cut)
        }
    }
}
