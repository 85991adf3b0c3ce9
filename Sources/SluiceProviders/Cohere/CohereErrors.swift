import SluiceWire

/// Cohere's `{"message": "…", "id": "…"}`.
enum CohereErrors {
    static func requestID(_ headers: HTTPFields) -> String? {
        headers["x-debug-trace-id"] ?? ProviderRequestID.read(headers)
    }

    static func failure(_ response: HTTPClientResponse, now: Int, provider: String) -> ProviderError {
        let read = try? JSON.read(response.body) { root in
            (message: root["message"]?.string, id: root["id"]?.string)
        }
        let message = read?.message ?? "the provider answered with status \(response.status)"
        // 498 is a token that is not valid there.
        let kind: ProviderError.Kind =
            response.status == 498
            ? .authentication : ErrorTable.kind(status: response.status, words: [], message: message)
        return ProviderError(
            kind,
            KeyScrubber.scrub(message),
            provider: provider,
            status: response.status,
            code: kind == .contextWindowExceeded ? "context_length_exceeded" : nil,
            requestID: Self.requestID(response.headers) ?? read?.id,
            retryAfter: RetryAfter.read(response.headers, now: now)
        )
    }

    /// - Parameter word: the finish reason, if there is one.
    static func inStream(_ message: String, _ word: String?, provider: String) -> ProviderError {
        var kind = ProviderError.Kind.internalError
        if let word, case .failure(let own) = CohereFinish.of(word) { kind = own }
        return ProviderError(kind, KeyScrubber.scrub(message), provider: provider, code: word)
    }
}
