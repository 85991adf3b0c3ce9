import SluiceWire

/// Google's `{"error": {"code", "message", "status", "details": […]}}`.
enum GeminiErrors {
    /// What a 400 says when the prompt is too long for the model.
    private static let contextPhrases = [
        "exceeds the maximum number of tokens", "input token count", "exceeds the context window", "input is too long",
    ]

    static func failure(_ response: HTTPClientResponse, now: Int, provider: String) -> ProviderError {
        let read = try? JSON.read(response.body) { root -> ProviderError? in
            var error = root["error"]
            // Streams that were asked for without SSE, and their errors, are lists.
            root.forEachElement { element in
                error = error ?? element["error"]
                return error == nil
            }
            guard let error, error.kind == .object else { return nil }
            return Self.read(error, status: response.status, provider: provider)
        }
        var error =
            (read ?? nil)
            ?? ProviderError(
                StatusKinds.kind(response.status),
                "the provider answered with status \(response.status)",
                provider: provider,
                status: response.status
            )
        error.requestID = error.requestID ?? Self.requestID(response.headers)
        error.retryAfter = error.retryAfter ?? RetryAfter.read(response.headers, now: now)
        return error
    }

    static func requestID(_ headers: HTTPFields) -> String? { headers["x-request-id"] ?? headers["x-goog-request-id"] }

    /// - Parameter status: of the answer; `nil`: it was a success before this came.
    static func read(_ value: JSONValue, status: Int?, provider: String) -> ProviderError {
        let message = value["message"]?.string ?? "the provider gave no reason"
        let word = value["status"]?.string
        let details = Details(value["details"])
        let code = status ?? value["code"]?.int ?? Self.status(ofWord: word) ?? 500
        var kind = StatusKinds.kind(code)
        if code == 400 {
            // A bad key is a bad argument there; the reason tells it apart.
            if details.reason == "API_KEY_INVALID" || details.reason == "API_KEY_EXPIRED" {
                kind = .authentication
            } else if Self.mentions(message, Self.contextPhrases) {
                kind = .contextWindowExceeded
            }
        }
        return ProviderError(
            kind,
            SecretText.scrubbed(message),
            provider: provider,
            status: status,
            code: kind == .contextWindowExceeded ? "context_length_exceeded" : details.reason ?? word,
            parameter: details.field,
            requestID: details.requestID,
            retryAfter: details.retryAfter
        )
    }

    private static func mentions(_ message: String, _ phrases: [String]) -> Bool {
        let bytes = Array(message.utf8)[...]
        return phrases.contains { Bytes.contains(bytes, $0) }
    }

    /// For errors that come without a number.
    private static func status(ofWord word: String?) -> Int? {
        switch word {
        case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE": 400
        case "UNAUTHENTICATED": 401
        case "PERMISSION_DENIED": 403
        case "NOT_FOUND": 404
        case "ABORTED", "ALREADY_EXISTS": 409
        case "RESOURCE_EXHAUSTED": 429
        case "CANCELLED": 499
        case "UNIMPLEMENTED": 501
        case "UNAVAILABLE": 503
        case "DEADLINE_EXCEEDED": 504
        default: nil
        }
    }

    private struct Details {
        var reason: String?
        var field: String?
        var requestID: String?
        var retryAfter: Duration?

        init(_ details: JSONValue?) {
            details?.forEachElement { detail in
                self.reason = self.reason ?? detail["reason"]?.string
                self.requestID = self.requestID ?? detail["requestId"]?.string
                if let delay = detail["retryDelay"]?.string { self.retryAfter = Self.duration(delay) }
                detail["fieldViolations"]?.forEachElement { violation in
                    self.field = self.field ?? violation["field"]?.string
                    return self.field == nil
                }
                return true
            }
        }

        /// Seconds and a fraction, then `s`.
        private static func duration(_ text: String) -> Duration? {
            guard text.hasSuffix("s"), let seconds = Double(text.dropLast()), seconds >= 0, seconds < 1e9 else {
                return nil
            }
            return .seconds(seconds)
        }
    }
}
