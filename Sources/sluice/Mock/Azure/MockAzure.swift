import SluiceWire

/// OpenAI's chat completions as Azure has them: strictly checked, and with the verdicts of its filters.
struct MockAzure: MockDialect {
    let call: MockAzureCall

    func authenticate(_ request: HTTPRequest, _ style: MockStyle, epoch: Int64) throws(MockRefusal) {
        let key = request.headers["api-key"] ?? Self.bearer(request)
        guard let key, !key.isEmpty, style.key == nil || style.key == key else {
            throw MockRefusal(
                401,
                "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
                    + "for an active subscription and use a correct regional API endpoint for your resource.",
                kind: "401"
            )
        }
    }

    func read(_ request: HTTPRequest) throws(MockRefusal) -> MockAsk {
        if self.call.deployment != nil {
            guard let version = request.parameter("api-version"), Self.isDate(version) else {
                throw MockRefusal(404, "Resource not found", kind: "404")
            }
        }
        return try MockAzureReader(call: self.call).read(
            try Self.document(request, "We could not parse the JSON body of your request.")
        )
    }

    /// `2024-10-21`, `2024-08-01-preview`.
    private static func isDate(_ text: String) -> Bool {
        let parts = text.split(separator: "-", maxSplits: 3)
        return parts.count >= 3 && zip(parts, [4, 2, 2]).allSatisfy { $0.count == $1 && $0.allSatisfy(\.isNumber) }
    }

    func block(_ ask: MockAsk) throws(MockRefusal) {
        throw MockRefusal(
            400,
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
                + "modify your prompt and retry.",
            kind: "content_filter",
            parameter: "prompt"
        )
    }

    func contextExceeded(_ ask: MockAsk) -> MockRefusal {
        MockRefusal(
            400,
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens. "
                + "Please reduce the length of the messages.",
            kind: "context_length_exceeded",
            parameter: "messages"
        )
    }

    // MARK: Errors

    private static func code(_ status: Int) -> String? {
        switch status {
        case 400: nil
        case 403: "AuthorizationFailed"
        case 404: "DeploymentNotFound"
        case 408: "Timeout"
        default: String(status)
        }
    }

    private static func type(_ status: Int) -> String {
        status == 400 || status == 404 || status == 422 ? "invalid_request_error" : "server_error"
    }

    func refuse(_ refusal: MockRefusal, number: Int, retryAfter: Int) -> HTTPResponse {
        var headers = self.headers(number: number)
        if refusal.status == 429 || refusal.status == 503 { headers.append("retry-after", String(retryAfter)) }
        if refusal.status == 429 { headers.append("retry-after-ms", String(retryAfter * 1000)) }
        var error: MockJSON = [
            "message": .string(refusal.message), "code": .text(refusal.kind ?? Self.code(refusal.status)),
        ]
        // What Azure's own gateway says has neither type nor parameter.
        if refusal.status < 500 && refusal.status != 401 && refusal.status != 429 {
            error = error.adding([
                "type": .string(Self.type(refusal.status)), "param": .text(refusal.parameter),
            ])
        }
        if refusal.kind == "content_filter" {
            error = error.adding([
                "status": 400,
                "innererror": [
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": ["violence": ["filtered": true, "severity": "high"]],
                ],
            ])
        }
        return self.answer(refusal.status, ["error": error], headers)
    }

    func headers(number: Int) -> HTTPFields {
        HTTPFields([("x-request-id", "mock-\(number)"), ("apim-request-id", "mock-\(number)"), ("x-ms-region", "Mock")])
    }

    // MARK: Answers

    private static let verdicts: MockJSON = [
        "hate": ["filtered": false, "severity": "safe"], "violence": ["filtered": false, "severity": "safe"],
    ]
    private static let promptVerdicts: MockJSON = [["prompt_index": 0, "content_filter_results": Self.verdicts]]

    private func finish(_ script: MockScript) -> String {
        if let finish = script.style.finish { return finish }
        return switch script.end {
        case .length: "length"
        case .calls: "tool_calls"
        case .blocked: "content_filter"
        default: "stop"
        }
    }

    private func usage(_ script: MockScript) -> MockJSON {
        let output = script.textTokens * script.ask.choices + script.reasoningTokens
        return [
            "prompt_tokens": .int(script.promptTokens), "completion_tokens": .int(output),
            "total_tokens": .int(script.promptTokens + output),
            "prompt_tokens_details": ["cached_tokens": .int(script.cachedTokens), "audio_tokens": 0],
            "completion_tokens_details": [
                "reasoning_tokens": .int(script.reasoningTokens), "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            ],
        ]
    }

    private func logProbabilities(_ pieces: [String], _ script: MockScript) -> MockJSON {
        guard script.ask.wantsLogProbabilities, !pieces.isEmpty else { return nil }
        return [
            "content": .array(
                pieces.map { piece in
                    [
                        "token": .string(piece), "logprob": -0.25, "bytes": .array(piece.utf8.map { .int(Int($0)) }),
                        "top_logprobs": [],
                    ]
                }
            ),
            "refusal": nil,
        ]
    }

    private func annotations(_ script: MockScript) -> MockJSON {
        let citation: MockJSON = [
            "start_index": 0, "end_index": .int(script.citedText.count), "url": "https://example.com/source",
            "title": "A source",
        ]
        return script.hasCitations ? [["type": "url_citation", "url_citation": citation]] : []
    }

    func whole(_ script: MockScript) -> MockJSON {
        let text = MockJSON.string(script.text.joined())
        let isRefused = script.end == .refused
        var message: MockJSON = [
            "role": "assistant", "content": script.text.isEmpty || isRefused ? nil : text,
            "refusal": isRefused ? text : nil, "annotations": self.annotations(script),
        ]
        if !script.reasoning.isEmpty {
            message = message.adding(["reasoning_content": .string(script.reasoning.joined())])
        }
        if !script.calls.isEmpty {
            let calls = script.calls.map { call in
                MockJSON.object([.init(name: "id", value: .string(call.id))]).adding([
                    "type": "function",
                    "function": ["name": .string(call.name), "arguments": .string(call.arguments.text)],
                ])
            }
            message = message.adding(["tool_calls": .array(calls)])
        }
        let choices = (0..<script.ask.choices).map { index -> MockJSON in
            [
                "index": .int(index), "message": message, "finish_reason": .string(self.finish(script)),
                "logprobs": self.logProbabilities(script.text, script), "content_filter_results": Self.verdicts,
            ]
        }
        return self.head(script, "chat.completion").adding([
            "choices": .array(choices), "usage": self.usage(script), "prompt_filter_results": Self.promptVerdicts,
        ])
    }

    private func head(_ script: MockScript, _ object: String) -> MockJSON {
        [
            "id": .string("chatcmpl-mock\(script.number)"), "object": .string(object),
            "created": .int(script.created), "model": .string(script.ask.model),
            "system_fingerprint": "fp_mock",
        ]
    }

    // MARK: Stream

    private static func event(_ body: MockJSON) -> [UInt8] { SSEWriter.event(data: body.bytes) }

    var ping: [UInt8] { SSEWriter.comment("keep-alive") }
    var brokenOff: [UInt8] {
        Self.event(["error": ["message": "The server had an error.", "type": "server_error", "code": "500"]])
    }

    func frames(_ script: MockScript) -> MockFrames {
        var frames = MockFrames()
        let head = self.head(script, "chat.completion.chunk")
        let usage: MockJSON = script.ask.includesUsage ? ["usage": nil] : [:]
        func chunk(_ delta: MockJSON, finish: String? = nil, _ pieces: [String] = []) -> [UInt8] {
            let bytes = (0..<script.ask.choices).map { index -> [UInt8] in
                let choice: MockJSON = [
                    "index": .int(index), "delta": delta, "finish_reason": .text(finish),
                    "logprobs": self.logProbabilities(pieces, script), "content_filter_results": Self.verdicts,
                ]
                return Self.event(head.adding(["choices": [choice]]).adding(usage))
            }
            return bytes.flatMap { $0 }
        }
        let verdicts: MockJSON = ["choices": [], "prompt_filter_results": Self.promptVerdicts]
        frames.pieces.append(Self.event(head.adding(verdicts).adding(usage)))
        frames.pieces.append(chunk(["role": "assistant", "content": "", "refusal": nil]))
        frames.pieces += script.reasoning.map { chunk(["reasoning_content": .string($0)]) }
        let field = script.end == .refused ? "refusal" : "content"
        frames.pieces += script.text.map { piece in
            chunk(.object([.init(name: field, value: .string(piece))]), [piece])
        }
        if script.hasCitations { frames.pieces.append(chunk(["annotations": self.annotations(script)])) }
        for (index, call) in script.calls.enumerated() {
            let start: MockJSON = [
                "index": .int(index), "id": .string(call.id), "type": "function",
                "function": ["name": .string(call.name), "arguments": ""],
            ]
            frames.pieces.append(chunk(["tool_calls": [start]]))
            for fragment in call.fragments {
                let part: MockJSON = ["index": .int(index), "function": ["arguments": .string(fragment)]]
                frames.pieces.append(chunk(["tool_calls": [part]]))
            }
        }
        frames.end = [chunk([:], finish: self.finish(script))]
        if script.ask.includesUsage {
            frames.end.append(Self.event(head.adding(["choices": [], "usage": self.usage(script)])))
        }
        frames.end.append(SSEWriter.event(data: Array("[DONE]".utf8)))
        return frames
    }
}
