import SluiceWire

/// Anthropic's answers that no model makes: models, and tokens that are only counted.
enum MockAnthropicLists {
    static func answer(_ request: HTTPRequest, _ style: MockStyle) -> HTTPResponse? {
        if request.path == "/v1/messages/count_tokens", request.method == .post { return Self.count(request, style) }
        guard request.method == .get, request.headers.contains("anthropic-version") else { return nil }
        let dialect = MockAnthropic()
        if request.path == "/v1/models" {
            let body: MockJSON = [
                "data": [Self.model("claude-mock")], "has_more": false, "first_id": "claude-mock",
                "last_id": "claude-mock",
            ]
            return dialect.answer(200, body, dialect.headers(number: 0))
        }
        guard request.path.hasPrefix("/v1/models/") else { return nil }
        return dialect.answer(200, Self.model(String(request.path.dropFirst(11))), dialect.headers(number: 0))
    }

    private static func model(_ id: String) -> MockJSON {
        [
            "type": "model", "id": .string(id), "display_name": "Claude Mock", "created_at": "2026-01-01T00:00:00Z",
            "max_input_tokens": 200_000, "max_tokens": 64_000,
        ]
    }

    private static func count(_ request: HTTPRequest, _ style: MockStyle) -> HTTPResponse {
        let dialect = MockAnthropic()
        do throws(MockRefusal) {
            try dialect.authenticate(request, style, epoch: 0)
            guard let version = request.headers["anthropic-version"] else {
                throw .invalid("anthropic-version: header is required")
            }
            let root = try MockAnthropic.document(request, "The request body is not valid JSON")
            let ask = try MockAnthropicReader(version: version, isCount: true).read(root)
            return dialect.answer(200, ["input_tokens": .int(ask.promptTokens)], dialect.headers(number: 0))
        } catch {
            return dialect.refuse(error, number: 0, retryAfter: 1)
        }
    }
}
