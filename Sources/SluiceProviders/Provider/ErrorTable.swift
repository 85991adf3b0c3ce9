import SluiceWire

/// From a status and a provider's machine words to the kind of an error. The status decides; words refine what it
/// leaves open.
package enum ErrorTable {
    /// - Parameters:
    ///   - words: the error's `code`, then its `type`, whatever of them there is.
    ///   - message: only looked into for 400 and 422.
    package static func kind(status: Int, words: [String], message: String) -> ProviderError.Kind {
        switch status {
        case 400, 422: return words.lazy.compactMap(Self.refined).first ?? ErrorWords.kind(message) ?? .badRequest
        case 401: return .authentication
        case 402: return .budget
        case 403: return .permission
        case 404, 410: return .notFound
        case 408, 504, 522, 524: return .timeout
        case 413: return .payloadTooLarge
        // 498: Groq has no capacity for this tier now.
        case 425, 498, 503, 529: return .serviceUnavailable
        case 429: return words.contains(where: Self.isQuota) ? .budget : .rateLimit
        case 424: return .internalError
        case 499: return .cancelled
        case 501: return .badRequest
        case 502, 520, 521, 523, 525...527: return .badGateway
        case 500...: return .internalError
        case 400..<500: return .badRequest
        default: return .badGateway
        }
    }

    /// The kind of an error that came without a status, inside an answer or a stream.
    package static func kind(words: [String], message: String) -> ProviderError.Kind {
        let number = words.lazy.compactMap { Int($0) }.first { (400..<600).contains($0) }
        if let number { return Self.kind(status: number, words: words, message: message) }
        if let kind = words.lazy.compactMap({ Self.refined($0) ?? Self.plain($0) }).first {
            return kind == .badRequest ? ErrorWords.kind(message) ?? .badRequest : kind
        }
        return ErrorWords.kind(message) ?? .internalError
    }

    package static func isQuota(_ word: String) -> Bool {
        word == "insufficient_quota" || word == "billing_hard_limit_reached" || word == "billing_not_active"
            || word == "insufficient_balance" || word == "exceeded_current_quota_error"
    }

    /// Words that are more exact than 400.
    private static func refined(_ word: String) -> ProviderError.Kind? {
        switch word {
        case "context_length_exceeded", "context_window_exceeded", "request_too_large_for_context",
            "exceed_context_size_error":
            .contextWindowExceeded
        case "content_policy_violation", "content_filter", "ResponsibleAIPolicyViolation", "moderation_blocked",
            "content_filter_error":
            .contentPolicy
        case "unsupported_parameter", "unknown_parameter": .unsupportedParameter
        case "model_not_found", "model_not_active", "model_decommissioned", "DeploymentNotFound": .notFound
        case "invalid_api_key", "incorrect_api_key": .authentication
        default: Self.isQuota(word) ? .budget : nil
        }
    }

    /// Words that say no more than a status would.
    private static func plain(_ word: String) -> ProviderError.Kind? {
        switch word {
        case "invalid_request_error", "invalid_prompt", "bad_request", "BadRequestError": .badRequest
        case "authentication_error", "AuthenticationError": .authentication
        case "permission_error", "permission_denied": .permission
        case "not_found_error", "NotFoundError": .notFound
        case "rate_limit_exceeded", "rate_limit_error", "requests", "tokens", "too_many_requests": .rateLimit
        case "overloaded_error", "overloaded", "service_unavailable", "unavailable_error": .serviceUnavailable
        case "timeout_error", "timeout", "request_timeout": .timeout
        case "request_too_large": .payloadTooLarge
        case "bad_gateway": .badGateway
        default: nil
        }
    }
}

/// The provider's own name of a request.
package enum ProviderRequestID {
    private static let names = [
        "x-request-id", "request-id", "apim-request-id", "x-ms-request-id", "x-amzn-requestid", "x-goog-request-id",
        "x-generation-id", "nvcf-reqid", "cf-ray",
    ]
    /// Longer ones are cut.
    private static let maximumBytes = 256

    package static func read(_ headers: HTTPFields) -> String? {
        for name in Self.names {
            if let value = headers[name], !value.isEmpty { return String(value.prefix(Self.maximumBytes)) }
        }
        return nil
    }
}
