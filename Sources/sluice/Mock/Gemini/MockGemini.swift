import SluiceWire

/// Google's Gemini API.
struct MockGemini: MockDialect {
    let call: MockGeminiCall

    func authenticate(_ request: HTTPRequest, _ style: MockStyle, epoch: Int64) throws(MockRefusal) {
        try Self.authenticate(request, style, isVertex: self.call.isVertex)
    }

    static func authenticate(_ request: HTTPRequest, _ style: MockStyle, isVertex: Bool) throws(MockRefusal) {
        let key = isVertex ? nil : request.headers["x-goog-api-key"] ?? request.parameter("key")
        guard let given = key ?? Self.bearer(request), !given.isEmpty else {
            throw isVertex
                ? MockRefusal(401, "Request is missing required authentication credential.")
                : MockRefusal(403, "Method doesn't allow unregistered callers. Please use API Key or other form.")
        }
        guard style.key == nil || style.key == given else {
            throw key == nil
                ? MockRefusal(401, "Request had invalid authentication credentials.")
                : MockRefusal(400, "API key not valid. Please pass a valid API key.", kind: "API_KEY_INVALID")
        }
    }

    func read(_ request: HTTPRequest) throws(MockRefusal) -> MockAsk {
        let root = try Self.document(request, "Invalid JSON payload received. Expected an object")
        return try MockGeminiReader(call: self.call).read(root)
    }

    func contextExceeded(_ ask: MockAsk) -> MockRefusal {
        .invalid("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).")
    }

    // MARK: Errors

    private static func word(_ status: Int) -> String {
        switch status {
        case 401: "UNAUTHENTICATED"
        case 403: "PERMISSION_DENIED"
        case 404: "NOT_FOUND"
        case 409: "ABORTED"
        case 429: "RESOURCE_EXHAUSTED"
        case 499: "CANCELLED"
        case 501: "UNIMPLEMENTED"
        case 503: "UNAVAILABLE"
        case 504: "DEADLINE_EXCEEDED"
        case 400..<500: "INVALID_ARGUMENT"
        default: "INTERNAL"
        }
    }

    private static func error(_ refusal: MockRefusal, retryAfter: Int) -> MockJSON {
        var details: [MockJSON] = []
        if refusal.kind == "API_KEY_INVALID" {
            details = [
                [
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com", "metadata": ["service": "generativelanguage.googleapis.com"],
                ]
            ]
        } else if refusal.status == 429 {
            details = [
                [
                    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                    "violations": [["quotaMetric": "generativelanguage.googleapis.com/generate_requests"]],
                ],
                ["@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": .string("\(retryAfter)s")],
            ]
        }
        var error: MockJSON = [
            "code": .int(refusal.status), "message": .string(refusal.message),
            "status": .string(Self.word(refusal.status)),
        ]
        if !details.isEmpty { error = error.adding(["details": .array(details)]) }
        return ["error": error]
    }

    func refuse(_ refusal: MockRefusal, number: Int, retryAfter: Int) -> HTTPResponse {
        let error = Self.error(refusal, retryAfter: retryAfter)
        // A stream that is an array is one also when it fails.
        let isArray = self.call.isStream && !self.call.isEvents
        return self.answer(refusal.status, isArray ? [error] : error, self.headers(number: number))
    }

    func headers(number: Int) -> HTTPFields { HTTPFields([("Server-Timing", "gfet4t7; dur=12")]) }

    // MARK: Answers

    static func signature(_ name: String) -> String { MockSignature.of("call of \(name)") }

    private func finish(_ script: MockScript) -> String {
        if let finish = script.style.finish { return finish }
        return switch script.end {
        case .length: "MAX_TOKENS"
        case .refused, .blocked: "SAFETY"
        default: "STOP"
        }
    }

    private func part(_ call: MockScript.Call, isFirst: Bool) -> MockJSON {
        let part: MockJSON = [
            "functionCall": ["id": .string(call.id), "name": .string(call.name), "args": call.arguments]
        ]
        return isFirst ? part.adding(["thoughtSignature": .string(Self.signature(call.name))]) : part
    }

    private func thoughts(_ text: String) -> MockJSON { ["text": .string(text), "thought": true] }

    private func usage(_ script: MockScript) -> MockJSON {
        let choices = max(1, script.ask.choices)
        let output = script.textTokens * choices
        return [
            "promptTokenCount": .int(script.promptTokens), "candidatesTokenCount": .int(output),
            "totalTokenCount": .int(script.promptTokens + output + script.reasoningTokens),
            "cachedContentTokenCount": script.cachedTokens > 0 ? .int(script.cachedTokens) : nil,
            "thoughtsTokenCount": script.reasoningTokens > 0 ? .int(script.reasoningTokens) : nil,
            "promptTokensDetails": [["modality": "TEXT", "tokenCount": .int(script.promptTokens)]],
        ]
    }

    private func response(_ script: MockScript, _ candidates: [MockJSON]) -> MockJSON {
        var response: MockJSON = [:]
        if script.end == .blocked {
            response = ["promptFeedback": ["blockReason": "PROHIBITED_CONTENT"]]
        } else {
            response = ["candidates": .array(candidates)]
        }
        return response.adding([
            "usageMetadata": self.usage(script).withoutNulls, "modelVersion": .string(self.call.model),
            "responseId": .string("mock-response-\(script.number)"),
        ])
    }

    private func candidate(_ index: Int, _ parts: [MockJSON], finish: String?, _ script: MockScript) -> MockJSON {
        var candidate: MockJSON = [
            "content": ["parts": .array(parts), "role": "model"], "finishReason": .text(finish), "index": .int(index),
        ]
        if let finish, finish == "SAFETY" {
            let rating: MockJSON = ["category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": true]
            candidate = candidate.adding(["safetyRatings": [rating]])
        }
        if finish != nil && script.hasCitations {
            let source: MockJSON = [
                "startIndex": 0, "endIndex": .int(script.citedText.utf8.count), "uri": "https://example.com/source",
                "title": "A source",
            ]
            candidate = candidate.adding(["citationMetadata": ["citationSources": [source]]])
        }
        return candidate.withoutNulls
    }

    func whole(_ script: MockScript) -> MockJSON {
        var parts: [MockJSON] = []
        if !script.reasoning.isEmpty { parts.append(self.thoughts(script.reasoning.joined())) }
        if !script.text.isEmpty { parts.append(["text": .string(script.text.joined())]) }
        parts += script.calls.enumerated().map { self.part($0.element, isFirst: $0.offset == 0) }
        let candidates = (0..<script.ask.choices).map {
            self.candidate($0, parts, finish: self.finish(script), script)
        }
        return self.response(script, candidates)
    }

    // MARK: Stream

    var ping: [UInt8] { self.call.isEvents ? SSEWriter.comment("keep-alive") : [] }

    var brokenOff: [UInt8] {
        let error = Self.error(MockRefusal(503, "The model is overloaded. Please try again later."), retryAfter: 1)
        return self.framed(error)
    }

    private func framed(_ response: MockJSON) -> [UInt8] {
        guard self.call.isEvents else { return response.bytes }
        // Google ends its lines as HTTP does.
        return Array("data: ".utf8) + response.bytes + Array("\r\n\r\n".utf8)
    }

    func frames(_ script: MockScript) -> MockFrames {
        var parts: [[MockJSON]] = script.reasoning.map { [self.thoughts($0)] }
        parts += script.text.map { [["text": .string($0)]] }
        parts += script.calls.enumerated().map { [self.part($0.element, isFirst: $0.offset == 0)] }
        var responses = parts.map { parts in
            self.response(
                script,
                (0..<script.ask.choices).map { self.candidate($0, parts, finish: nil, script) }
            )
        }
        let closing = (0..<script.ask.choices).map {
            self.candidate($0, [["text": ""]], finish: self.finish(script), script)
        }
        var frames = MockFrames()
        if self.call.isEvents {
            frames.pieces = responses.map { self.framed($0) }
            frames.end = [self.framed(self.response(script, closing))]
            return frames
        }
        frames.contentType = "application/json"
        responses.append(self.response(script, closing))
        let separated = responses.enumerated().map { Array(($0.offset == 0 ? "[" : ",\r\n").utf8) + $0.element.bytes }
        frames.pieces = Array(separated.dropLast())
        frames.end = Array(separated.suffix(1)) + [Array("]".utf8)]
        return frames
    }
}
