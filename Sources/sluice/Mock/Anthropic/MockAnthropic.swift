import SluiceWire

/// Anthropic's Messages API.
struct MockAnthropic: MockDialect {
    /// The version that knows no sampling parameters.
    static let withoutSampling = "2026-10-21"
    private static let versions = ["2023-01-01", "2023-06-01", Self.withoutSampling]

    func authenticate(_ request: HTTPRequest, _ style: MockStyle, epoch: Int64) throws(MockRefusal) {
        // The first of the two wins when both are sent.
        guard let key = request.headers["x-api-key"] ?? Self.bearer(request), !key.isEmpty else {
            throw MockRefusal(401, "x-api-key header is required")
        }
        guard style.key == nil || style.key == key else { throw MockRefusal(401, "invalid x-api-key") }
    }

    func read(_ request: HTTPRequest) throws(MockRefusal) -> MockAsk {
        guard let version = request.headers["anthropic-version"] else {
            throw .invalid("anthropic-version: header is required")
        }
        guard Self.versions.contains(version) else {
            throw .invalid("anthropic-version: \"\(version)\" is not a valid version")
        }
        guard request.headers.has("content-type", value: "application/json") else {
            throw .invalid("content-type: must be application/json")
        }
        return try MockAnthropicReader(version: version, isCount: false).read(
            try Self.document(request, "The request body is not valid JSON")
        )
    }

    func block(_ ask: MockAsk) throws(MockRefusal) { throw .invalid("Output blocked by content filtering policy") }

    func contextExceeded(_ ask: MockAsk) -> MockRefusal {
        .invalid("prompt is too long: 210000 tokens > 200000 maximum")
    }

    // MARK: Errors

    private static func type(_ status: Int) -> String {
        switch status {
        case 401: "authentication_error"
        case 402: "billing_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 504: "timeout_error"
        case 529: "overloaded_error"
        case 400..<500: "invalid_request_error"
        default: "api_error"
        }
    }

    static func error(_ type: String, _ message: String) -> MockJSON {
        ["type": "error", "error": ["type": .string(type), "message": .string(message)]]
    }

    func refuse(_ refusal: MockRefusal, number: Int, retryAfter: Int) -> HTTPResponse {
        var headers = self.headers(number: number)
        if refusal.status == 429 || refusal.status == 529 { headers.append("retry-after", String(retryAfter)) }
        headers.append("x-should-retry", refusal.status == 429 || refusal.status >= 500 ? "true" : "false")
        let body = Self.error(refusal.kind ?? Self.type(refusal.status), refusal.message)
        return self.answer(refusal.status, body.adding(["request_id": .string(Self.requestID(number))]), headers)
    }

    private static func requestID(_ number: Int) -> String { "req_mock\(number)" }

    func headers(number: Int) -> HTTPFields {
        HTTPFields([
            ("request-id", Self.requestID(number)),
            ("anthropic-organization-id", "00000000-0000-4000-8000-000000000001"),
        ])
    }

    // MARK: Answers

    private func stop(_ script: MockScript) -> (reason: String, sequence: MockJSON) {
        if let finish = script.style.finish { return (finish, .null) }
        switch script.end {
        case .finished, .blocked: return ("end_turn", .null)
        case .stopped(let sequence): return ("stop_sequence", .string(sequence))
        case .length: return ("max_tokens", .null)
        case .calls: return ("tool_use", .null)
        case .refused: return ("refusal", .null)
        }
    }

    private func usage(_ script: MockScript, output: Int) -> MockJSON {
        var usage: MockJSON = [
            "input_tokens": .int(script.freshTokens),
            "cache_creation_input_tokens": .int(script.cacheWriteTokens),
            "cache_read_input_tokens": .int(script.cachedTokens),
            "cache_creation": [
                "ephemeral_5m_input_tokens": .int(script.cacheWriteTokens), "ephemeral_1h_input_tokens": 0,
            ],
            "output_tokens": .int(output), "service_tier": "standard",
        ]
        if script.reasoningTokens > 0 && output > 1 {
            usage = usage.adding(["output_tokens_details": ["thinking_tokens": .int(script.reasoningTokens)]])
        }
        return usage
    }

    private func outputTokens(_ script: MockScript) -> Int { script.textTokens + script.reasoningTokens }

    private func message(_ script: MockScript, content: [MockJSON], isWhole: Bool) -> MockJSON {
        let stop = self.stop(script)
        return [
            "id": .string("msg_mock\(script.number)"), "type": "message", "role": "assistant",
            "model": .string(script.ask.model), "content": .array(content),
            "stop_reason": isWhole ? .string(stop.reason) : .null, "stop_sequence": isWhole ? stop.sequence : .null,
            "usage": self.usage(script, output: isWhole ? self.outputTokens(script) : 1),
        ]
    }

    private func citation(_ script: MockScript) -> MockJSON {
        [
            "type": "char_location", "cited_text": .string(script.citedText), "document_index": 0,
            "document_title": "A document", "start_char_index": 0, "end_char_index": .int(script.citedText.count),
            "file_id": nil,
        ]
    }

    func whole(_ script: MockScript) -> MockJSON {
        var content: [MockJSON] = []
        if !script.reasoning.isEmpty {
            let thinking = script.reasoning.joined()
            content.append([
                "type": "thinking", "thinking": .string(thinking), "signature": .string(MockSignature.of(thinking)),
            ])
        }
        if !script.text.isEmpty {
            let citations: MockJSON = script.hasCitations ? [self.citation(script)] : nil
            content.append(["type": "text", "text": .string(script.text.joined()), "citations": citations])
        }
        for call in script.calls {
            content.append([
                "type": "tool_use", "id": .string(self.id(call)), "name": .string(call.name), "input": call.arguments,
            ])
        }
        return self.message(script, content: content, isWhole: true)
    }

    private func id(_ call: MockScript.Call) -> String { "toolu_mock_\(call.id)" }

    // MARK: Stream

    private static func event(_ body: MockJSON) -> [UInt8] {
        SSEWriter.event(name: body["type"]?.string, data: body.bytes)
    }

    var ping: [UInt8] { Self.event(["type": "ping"]) }
    var brokenOff: [UInt8] { Self.event(Self.error("overloaded_error", "Overloaded")) }

    func frames(_ script: MockScript) -> MockFrames {
        var frames = MockFrames()
        let opening = self.message(script, content: [], isWhole: false)
        frames.pieces.append(Self.event(["type": "message_start", "message": opening]) + self.ping)
        var index = 0
        func block(_ start: MockJSON, _ deltas: [MockJSON]) {
            frames.pieces.append(
                Self.event(["type": "content_block_start", "index": .int(index), "content_block": start])
            )
            for delta in deltas {
                frames.pieces.append(
                    Self.event(["type": "content_block_delta", "index": .int(index), "delta": delta])
                )
            }
            frames.pieces.append(Self.event(["type": "content_block_stop", "index": .int(index)]))
            index += 1
        }
        if !script.reasoning.isEmpty {
            let signature = MockSignature.of(script.reasoning.joined())
            block(
                ["type": "thinking", "thinking": "", "signature": ""],
                script.reasoning.map { ["type": "thinking_delta", "thinking": .string($0)] }
                    + [["type": "signature_delta", "signature": .string(signature)]]
            )
        }
        if !script.text.isEmpty {
            var deltas: [MockJSON] = script.text.map { ["type": "text_delta", "text": .string($0)] }
            if script.hasCitations {
                deltas.append(["type": "citations_delta", "citation": self.citation(script)])
            }
            block(["type": "text", "text": ""], deltas)
        }
        for call in script.calls {
            let fragments = call.arguments.members.isEmpty ? [""] : [""] + call.fragments
            block(
                ["type": "tool_use", "id": .string(self.id(call)), "name": .string(call.name), "input": [:]],
                fragments.map { ["type": "input_json_delta", "partial_json": .string($0)] }
            )
        }
        let stop = self.stop(script)
        frames.end = [
            Self.event([
                "type": "message_delta",
                "delta": ["stop_reason": .string(stop.reason), "stop_sequence": stop.sequence],
                "usage": self.usage(script, output: self.outputTokens(script)),
            ]),
            Self.event(["type": "message_stop"]),
        ]
        return frames
    }
}
