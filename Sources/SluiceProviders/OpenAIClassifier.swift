import SluiceCore
import SluiceWire

/// What a backend's answer means for the request that it answers.
package enum OpenAIClassifier {
    /// - Parameter now: seconds since 1970, for dates in headers.
    package static func classify(_ response: HTTPClientResponse, now: Int) -> AttemptResult {
        switch Self.verdict(response, now: now) {
        case .success(let status, let usage, _):
            return .success(status: status, usage: usage, limits: Self.limits(response.headers, now: now))
        case .failure(var failure):
            failure.limits = Self.limits(response.headers, retryAfter: failure.retryAfter, now: now)
            return .failure(failure)
        }
    }

    /// What the backend says about its limits with an answer, or the head of one.
    package static func limits(_ headers: HTTPFields, retryAfter: Duration? = nil, now: Int) -> ProviderObservation? {
        let (nanoseconds, overflow) = Int64(now).multipliedReportingOverflow(by: 1_000_000_000)
        return ProviderLimits.read(headers, retryAfter: retryAfter, nowNanoseconds: overflow ? .max : nanoseconds)
    }

    private static func verdict(_ response: HTTPClientResponse, now: Int) -> AttemptResult {
        guard (200..<300).contains(response.status) else {
            var failure = Self.failure(status: response.status, headers: response.headers, now: now)
            if failure.failureClass == .rateLimited && Self.saysQuotaIsUsedUp(response.body) {
                failure.failureClass = .providerRejected
                failure.message = "the backend answered with status \(response.status): the account's quota is used up"
            }
            if failure.failureClass == .invalidRequest { failure.refusal = Self.refusal(response) }
            return .failure(failure)
        }
        guard Self.isJSON(response.headers) else {
            let type = response.headers["content-type"] ?? "no content type"
            return .failure(
                AttemptFailure(
                    .malformedResponse,
                    status: response.status,
                    message: "the backend answered with \(type.prefix(80)) where JSON was expected"
                )
            )
        }
        return Self.readBody(response)
    }

    /// A limit that no waiting lifts: OpenAI answers 429 here too, told apart by `insufficient_quota`.
    private static func saysQuotaIsUsedUp(_ body: [UInt8]) -> Bool {
        guard body.count <= Self.maximumErrorBytes else { return false }
        let isUsedUp = try? JSON.read(body) { root in
            root["error"].map { Self.words($0).contains("insufficient_quota") }
        }
        return isUsedUp == true
    }

    /// Larger bodies of error answers are not looked into.
    private static let maximumErrorBytes = 64 << 10

    private static func isJSON(_ headers: HTTPFields) -> Bool {
        guard let type = headers.bytes(of: "content-type") else { return false }
        return Bytes.contains(type, "json")
    }

    private static func readBody(_ response: HTTPClientResponse) -> AttemptResult {
        do {
            return try JSON.read(response.body) { root in
                guard root.kind == .object else {
                    return .failure(
                        AttemptFailure(
                            .malformedResponse,
                            status: response.status,
                            message: "the backend answered with JSON that is not an object"
                        )
                    )
                }
                if let error = root["error"], !error.isNull, !Self.holdsAnswer(root) {
                    return .failure(Self.failure(inside: error, status: response.status))
                }
                return .success(status: response.status, usage: Self.usage(root))
            }
        } catch {
            return .failure(
                AttemptFailure(
                    .malformedResponse,
                    status: response.status,
                    message: "the backend's answer is not valid JSON"
                )
            )
        }
    }

    /// `usage` in the words of chat completions or of responses.
    package static func usage(of root: JSONValue) -> TokenUsage? { Self.usage(root) }

    static func usage(_ root: JSONValue) -> TokenUsage? {
        guard let usage = root["usage"], usage.kind == .object else { return nil }
        let prompt = usage["prompt_tokens"]?.int ?? usage["input_tokens"]?.int
        let completion = usage["completion_tokens"]?.int ?? usage["output_tokens"]?.int
        guard prompt != nil || completion != nil else { return nil }
        // Whoever adds them up need not fear what a backend says.
        let bounded = { (count: Int?) in min(1 << 40, max(0, count ?? 0)) }
        let count = { (value: JSONValue?) in bounded(value?.int) }
        let read = count(usage["cache_read_input_tokens"])
        let written = count(usage["cache_creation_input_tokens"])
        let details = usage["prompt_tokens_details"] ?? usage["input_tokens_details"]
        let spoken = usage["completion_tokens_details"] ?? usage["output_tokens_details"]
        // Anthropic counts what its cache took or gave beside the rest of the prompt, others as a part of it.
        let isApart = usage["prompt_tokens"] == nil && details == nil
        return TokenUsage(
            prompt: bounded(prompt) + (isApart ? read + written : 0),
            completion: bounded(completion),
            cached: max(read, count(details?["cached_tokens"])),
            cacheWritten: max(written, count(details?["cache_write_tokens"])),
            reasoning: count(spoken?["reasoning_tokens"] ?? spoken?["thinking_tokens"]),
            model: Self.model(root)
        )
    }

    /// Longest name of a model that is taken from an answer, in bytes.
    private static let longestModel = 256

    private static func model(_ root: JSONValue) -> String? {
        guard let model = root["model"], (1...Self.longestModel).contains(model.stringByteCount ?? 0) else {
            return nil
        }
        return model.string
    }

    /// Whether there is something for the client beside the error.
    private static func holdsAnswer(_ root: JSONValue) -> Bool {
        (root["choices"]?.count ?? 0) > 0 || (root["output"]?.count ?? 0) > 0 || (root["data"]?.count ?? 0) > 0
    }

    /// The machine-readable words of an error: `code`, which is the more exact, then `type`.
    private static func words(_ error: JSONValue) -> [String] {
        [error["code"]?.string, error["type"]?.string].compactMap { $0 }
    }

    /// An error object inside an answer whose status says success.
    static func failure(inside error: JSONValue, status: Int) -> AttemptFailure {
        let words = Self.words(error)
        let number = error["code"]?.int ?? error["status"]?.int ?? words.lazy.compactMap { Int($0) }.first
        if let number, (400..<600).contains(number) {
            var failure = Self.failure(status: number, headers: HTTPFields(), now: 0)
            failure.message = "the backend reported error \(number) inside an answer with status \(status)"
            return failure
        }
        let message = error["message"]?.string ?? ""
        return AttemptFailure(
            words.lazy.compactMap { Self.failureClass(word: $0) }.first ?? .serverError,
            status: status,
            message: "the backend reported an error inside an answer with status \(status)",
            refusal: FallbackClass(ErrorTable.kind(words: words, message: message))
        )
    }

    /// What a word in `code` or `type` says; `nil` when it says nothing about whether another attempt could help.
    private static func failureClass(word: String) -> FailureClass? {
        switch word {
        case "insufficient_quota": .providerRejected
        case "rate_limit_exceeded", "rate_limit_error", "requests", "tokens": .rateLimited
        case "overloaded_error": .overloaded
        case "context_length_exceeded", "content_policy_violation", "content_filter", "invalid_request_error",
            "invalid_prompt":
            .invalidRequest
        case "authentication_error", "invalid_api_key", "permission_error": .authentication
        case "not_found_error", "model_not_found": .routeOrModel
        default: nil
        }
    }

    /// What a status that is not a success means.
    package static func failure(status: Int, headers: HTTPFields, now: Int) -> AttemptFailure {
        let wait = RetryAfter.read(headers, now: now)
        let failureClass: FailureClass =
            switch status {
            case 401, 403: .authentication
            case 404: .routeOrModel
            case 429: .rateLimited
            case 503, 529: wait == nil ? .serverError : .overloaded
            // 408, 409 and 425: too slow for the backend, in the way of something there, too early for it; 424 and 498:
            // what it stands on failed, or has no room. It may well take the same request again.
            case 408, 409, 424, 425, 498, 500...: .serverError
            case 400, 413, 415, 422: .invalidRequest
            // Redirects are not followed: they would take the key elsewhere.
            case 300..<500: .providerRejected
            default: .malformedResponse
            }
        return AttemptFailure(
            failureClass,
            status: status,
            retryAfter: wait,
            message: "the backend answered with status \(status)"
        )
    }

    package static func classify(_ error: HTTPClientError) -> AttemptFailure {
        let failureClass: FailureClass =
            switch error.kind {
            case .connectRefused: .connectRefused
            case .connectTimeout: .connectTimeout
            case .resolve, .connect, .tls, .invalidURL, .tooManyTransfers: .connectError
            case .timeout: error.sent ? .readTimeout : .connectTimeout
            case .reset: error.sent ? .reset : .connectError
            case .malformed: .malformedResponse
            case .responseTooLarge: .responseTooLarge
            case .cancelled, .shutdown: .cancelled
            }
        return AttemptFailure(failureClass, message: error.message)
    }

    /// The backend's headers that mean something to the client.
    package static func passedHeaders(_ headers: HTTPFields, contentType: Bool = true) -> HTTPFields {
        var passed = HTTPFields()
        // With room for what the gateway adds.
        passed.reserve(fields: 12, bytes: 384)
        headers.forEach { name, value in
            if Self.passes(name, contentType: contentType) { passed.append(name: name, value: value) }
        }
        return passed
    }

    private static func passes(_ name: ArraySlice<UInt8>, contentType: Bool) -> Bool {
        switch name.first.map({ $0 | 0x20 }) {
        case UInt8(ascii: "c"): contentType && Bytes.equals(name, "content-type")
        case UInt8(ascii: "x"):
            Bytes.hasPrefix(name, "x-ratelimit-") || Bytes.equals(name, "x-request-id")
                || Bytes.equals(name, "x-sluice-dropped-params")
        case UInt8(ascii: "a"): Bytes.hasPrefix(name, "anthropic-ratelimit-")
        case UInt8(ascii: "o"): Bytes.hasPrefix(name, "openai-")
        case UInt8(ascii: "r"):
            Bytes.equals(name, "retry-after") || Bytes.equals(name, "retry-after-ms")
                || Bytes.equals(name, "request-id")
        default: false
        }
    }
}
