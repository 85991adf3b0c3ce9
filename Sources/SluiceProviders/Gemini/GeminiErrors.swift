import SluiceWire

/// Google's `{"error": {"code", "message", "status", "details": […]}}`.
enum GeminiErrors {
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
                ErrorTable.kind(status: response.status, words: [], message: ""),
                "the provider answered with status \(response.status)",
                provider: provider,
                status: response.status
            )
        error.requestID = error.requestID ?? ProviderRequestID.read(response.headers)
        error.retryAfter = error.retryAfter ?? RetryAfter.read(response.headers, now: now)
        return error
    }

    /// - Parameter status: of the answer; `nil`: it was a success before this came.
    static func read(_ value: JSONValue, status: Int?, provider: String) -> ProviderError {
        let message = value["message"]?.string ?? "the provider gave no reason"
        let word = value["status"]?.string
        let details = Details(value["details"])
        let code = status ?? value["code"]?.int ?? Self.status(ofWord: word) ?? 500
        var kind = ErrorTable.kind(status: code, words: [details.reason, word].compactMap(\.self), message: message)
        // A bad key is a bad argument there; the reason tells it apart.
        if code == 400, details.reason == "API_KEY_INVALID" || details.reason == "API_KEY_EXPIRED" {
            kind = .authentication
        }
        return ProviderError(
            kind,
            KeyScrubber.scrub(message),
            provider: provider,
            status: status,
            code: kind == .contextWindowExceeded ? "context_length_exceeded" : details.reason ?? word,
            parameter: details.field,
            requestID: details.requestID,
            retryAfter: details.retryAfter
        )
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
