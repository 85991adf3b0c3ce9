import SluiceWire

/// The bodies of errors, in the shapes of OpenAI and of the servers that follow it.
enum OpenAIErrorBody {
    /// Larger bodies are not parsed.
    static let maximumBytes = 256 << 10
    /// Longer messages are cut.
    static let maximumMessageBytes = 4096

    /// What an error object says.
    struct Statement {
        var message: String?
        var code: String?
        var type: String?
        var parameter: String?
        /// A status that is stated inside.
        var status: Int?

        var words: [String] { [self.code, self.type].compactMap { $0 } }
    }

    /// Whether the member `error` reports one: some servers always send it, null or empty.
    static func isError(_ value: JSONValue) -> Bool {
        switch value.kind {
        case .object: value.count > 0
        case .string: (value.stringByteCount ?? 0) > 0
        default: false
        }
    }

    static func statement(_ body: [UInt8]) -> Statement? {
        guard body.count <= Self.maximumBytes else { return nil }
        return (try? JSON.read(body) { root in Self.statement(root) }) ?? nil
    }

    /// - Parameter root: the whole body: an object around `error`, the error itself, or a list of one.
    static func statement(_ root: JSONValue) -> Statement? {
        if root.kind == .array {
            var first: Statement?
            root.forEachElement { value in
                first = Self.statement(value)
                return false
            }
            return first
        }
        if let text = root.string { return Statement(message: text) }
        guard root.kind == .object else { return nil }
        if let error = root["error"], Self.isError(error) {
            if let text = error.string {
                var statement = Statement(message: text)
                statement.code = Self.word(root["code"])
                return statement
            }
            return Self.read(error)
        }
        return Self.read(root)
    }

    static func read(_ error: JSONValue) -> Statement {
        var statement = Statement()
        statement.message = Self.message(error)
        statement.code = Self.word(error["code"])
        statement.type = Self.word(error["type"])
        statement.parameter = error["param"]?.string
        // Azure tells the cause of a refusal in an inner error.
        if let inner = error["innererror"] ?? error["inner_error"], let word = Self.word(inner["code"]) {
            statement.type = word
        }
        let stated = error["code"]?.int ?? error["status"]?.int ?? error["status_code"]?.int
        statement.status = (stated ?? statement.code.flatMap { Int($0) }).flatMap {
            (400..<600).contains($0) ? $0 : nil
        }
        return statement
    }

    private static func message(_ error: JSONValue) -> String? {
        if let text = error.string { return text }
        // OpenRouter says what the provider behind it said, which its own message does not.
        if let raw = error["metadata"]?["raw"]?.string, !raw.isEmpty, let text = error["message"]?.string {
            return "\(text): \(raw)"
        }
        if let text = error["message"]?.string { return text }
        if let inner = error["message"], inner.kind == .object || inner.kind == .array {
            return Self.message(inner) ?? inner.text.text
        }
        guard let detail = error["detail"] else { return error["msg"]?.string }
        return detail.string ?? (detail.isNull ? nil : detail.text.text)
    }

    private static func word(_ value: JSONValue?) -> String? {
        guard let value else { return nil }
        if let text = value.string { return text.isEmpty ? nil : text }
        return value.int.map { String($0) }
    }
}

extension ProviderError {
    /// What an answer with a status other than success means. Never fails: what cannot be understood is told by its
    /// status.
    ///
    /// - Parameter now: seconds since 1970, for dates in headers.
    package init(openAI response: HTTPClientResponse, provider: String, now: Int) {
        let statement = OpenAIErrorBody.statement(response.body)
        let message = Self.message(statement, response)
        self.init(
            ErrorTable.kind(status: response.status, words: statement?.words ?? [], message: message),
            message,
            provider: provider,
            status: response.status,
            code: statement.flatMap { $0.code ?? $0.type },
            parameter: statement?.parameter,
            requestID: ProviderRequestID.read(response.headers),
            retryAfter: RetryAfter.read(response.headers, now: now)
        )
        switch response.headers["x-should-retry"] {
        case "true" where self.kind != .budget: self.isRetryable = true
        case "false": self.isRetryable = false
        default: break
        }
    }

    /// An error inside an answer or a stream whose status said success.
    ///
    /// - Parameter root: what stands around it.
    package init(openAIError error: JSONValue, inside root: JSONValue, provider: String) {
        let statement = OpenAIErrorBody.read(error)
        let message = Self.clean(statement.message ?? "the provider reported an error without a message")
        let words = statement.words
        let kind =
            statement.status.map { ErrorTable.kind(status: $0, words: words, message: message) }
            ?? ErrorTable.kind(words: words, message: message)
        self.init(
            kind,
            message,
            provider: provider,
            code: statement.code ?? statement.type,
            parameter: statement.parameter,
            requestID: root["request_id"]?.string
        )
    }

    private static func message(_ statement: OpenAIErrorBody.Statement?, _ response: HTTPClientResponse) -> String {
        if let message = statement?.message, !message.isEmpty { return Self.clean(message) }
        let isText = response.headers["content-type"].map { $0.hasPrefix("text/plain") } ?? false
        let text = String(decoding: response.body.prefix(OpenAIErrorBody.maximumMessageBytes), as: UTF8.self)
        guard isText, !text.isEmpty else { return "the provider answered with status \(response.status)" }
        return Self.clean(text)
    }

    private static func clean(_ message: String) -> String {
        let isLong = message.utf8.count > OpenAIErrorBody.maximumMessageBytes
        return KeyScrubber.scrub(isLong ? String(message.prefix(OpenAIErrorBody.maximumMessageBytes)) + "…" : message)
    }
}
