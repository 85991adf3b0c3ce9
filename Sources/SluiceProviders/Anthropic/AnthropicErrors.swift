import SluiceWire

/// What Anthropic's refusals mean: the status says it, words tell apart what one status means.
enum AnthropicErrors {
    static func read(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        var error = ProviderError(
            Self.kind(response.status),
            "Anthropic answered with status \(response.status).",
            provider: AnthropicBody.provider,
            status: response.status,
            requestID: response.headers["request-id"],
            retryAfter: RetryAfter.read(response.headers, now: now)
        )
        _ = try? JSON.read(response.body) { root in Self.read(root, into: &error) }
        if error.kind == .badRequest, response.status == 400 { Self.refine(&error) }
        error.isRetryable = error.kind.isRetryable
        if let advice = response.headers["x-should-retry"] {
            if advice == "true" { error.isRetryable = true }
            if advice == "false" { error.isRetryable = false }
        }
        return error
    }

    /// An error inside a stream, or one under a status of success.
    static func reported(_ root: JSONValue) -> ProviderError {
        let type = root["error"]?["type"]?.string ?? ""
        let status = Self.statuses.first { $0.type == type }?.status ?? 500
        var error = ProviderError(
            Self.kind(status),
            "Anthropic reported an error.",
            provider: AnthropicBody.provider,
            status: status
        )
        Self.read(root, into: &error)
        if error.kind == .badRequest { Self.refine(&error) }
        error.isRetryable = error.kind.isRetryable
        return error
    }

    /// What each status means, and what it is called in a body.
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

    private static func kind(_ status: Int) -> ProviderError.Kind {
        switch status {
        case 401: .authentication
        case 402: .budget
        case 403: .permission
        case 404: .notFound
        case 408, 504: .timeout
        case 413: .payloadTooLarge
        case 429: .rateLimit
        case 499: .cancelled
        case 502: .badGateway
        case 503, 529: .serviceUnavailable
        case 400..<500: .badRequest
        default: .internalError
        }
    }

    private static func read(_ root: JSONValue, into error: inout ProviderError) {
        let body = root["error"]
        if let message = (body?["message"] ?? root["message"])?.string, !message.isEmpty {
            error.message = Self.scrubbed(message)
        }
        error.code = (body?["details"]?["error_code"] ?? body?["type"])?.string ?? error.code
        error.requestID = error.requestID ?? root["request_id"]?.string
    }

    /// Within a refused request: too long, or about something that is not allowed.
    private static func refine(_ error: inout ProviderError) {
        let words = Array(error.message.utf8)[...]
        if Self.tooLong.contains(where: { Bytes.contains(words, $0) }) {
            error.kind = .contextWindowExceeded
            error.code = "context_length_exceeded"
        } else if Bytes.contains(words, "content filtering policy") {
            error.kind = .contentPolicy
            error.code = "content_policy_violation"
        } else if Bytes.contains(words, "credit balance is too low") {
            error.kind = .budget
            error.code = "insufficient_quota"
        }
    }

    private static let tooLong = [
        "prompt is too long", "exceed context limit", "input is too long", "exceeds the maximum number of tokens",
    ]

    /// Without anything that looks like a key.
    static func scrubbed(_ message: String) -> String {
        guard message.contains("sk-") else { return message }
        var result = ""
        var rest = message[...]
        while let start = rest.firstRange(of: "sk-")?.lowerBound {
            let before = rest.utf8[..<start].last ?? result.utf8.last
            result += rest[..<start]
            let tail = rest[start...]
            let end = tail.utf8.firstIndex { !AnthropicToolNames.isLetter($0) } ?? tail.endIndex
            // Words such as `task-force` hold none.
            let isKey = before.map { !AnthropicToolNames.isLetter($0) } ?? true
            result += isKey ? "sk-***" : tail[..<end]
            rest = tail[end...]
        }
        return result + rest
    }
}
