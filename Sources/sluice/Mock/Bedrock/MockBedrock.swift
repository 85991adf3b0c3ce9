import SluiceWire

/// What the path of a Bedrock request says.
struct MockBedrockCall: Sendable {
    var model: String
    var isStream: Bool

    /// `nil` when it is no conversation.
    init?(path: String) {
        guard path.hasPrefix("/model/") else { return nil }
        if path.hasSuffix("/converse") {
            self.isStream = false
            self.model = String(path.dropFirst(7).dropLast(9))
        } else if path.hasSuffix("/converse-stream") {
            self.isStream = true
            self.model = String(path.dropFirst(7).dropLast(16))
        } else {
            return nil
        }
    }

    /// As clients write it: the model's name encoded, its slashes too.
    var wirePath: String {
        let model = MockSignatureCheck.encoded(self.model, keeping: "")
        return "/model/\(model)/converse\(self.isStream ? "-stream" : "")"
    }
}

/// AWS Bedrock's Converse.
struct MockBedrock: MockDialect {
    let call: MockBedrockCall

    func authenticate(_ request: HTTPRequest, _ style: MockStyle, epoch: Int64) throws(MockRefusal) {
        if let key = Self.bearer(request) {
            guard !key.isEmpty, style.key == nil || style.key == key else {
                throw MockRefusal(403, "Authentication failed: Please make sure your API Key is valid.")
            }
            return
        }
        let check = MockSignatureCheck(keyID: style.awsKeyID, secret: style.awsSecret, epoch: epoch)
        try check.check(request, path: self.call.wirePath)
    }

    func read(_ request: HTTPRequest) throws(MockRefusal) -> MockAsk {
        let root = try Self.document(request, "Malformed input request")
        return try MockBedrockReader(call: self.call).read(root)
    }

    func contextExceeded(_ ask: MockAsk) -> MockRefusal {
        .invalid("The model returned the following errors: Input is too long for requested model.")
    }

    // MARK: Errors

    private static func type(_ status: Int) -> String {
        switch status {
        case 403: "AccessDeniedException"
        case 404: "ResourceNotFoundException"
        case 408: "ModelTimeoutException"
        case 424: "ModelErrorException"
        case 429: "ThrottlingException"
        case 503: "ServiceUnavailableException"
        case 400..<500: "ValidationException"
        default: "InternalServerException"
        }
    }

    func refuse(_ refusal: MockRefusal, number: Int, retryAfter: Int) -> HTTPResponse {
        var headers = self.headers(number: number)
        let type = refusal.kind ?? Self.type(refusal.status)
        headers.append("x-amzn-ErrorType", "\(type):http://internal.amazon.com/coral/com.amazon.bedrock/")
        return self.answer(refusal.status, ["message": .string(refusal.message)], headers)
    }

    func headers(number: Int) -> HTTPFields {
        let digits = String(number)
        let padded = String(repeating: "0", count: max(0, 12 - digits.count)) + digits
        return HTTPFields([("x-amzn-RequestId", "00000000-0000-4000-8000-\(padded)")])
    }

    // MARK: Answers

    private func stop(_ script: MockScript) -> String {
        if let finish = script.style.finish { return finish }
        return switch script.end {
        case .finished: "end_turn"
        case .stopped: "stop_sequence"
        case .length: "max_tokens"
        case .calls: "tool_use"
        case .refused: "content_filtered"
        case .blocked: "guardrail_intervened"
        }
    }

    private func usage(_ script: MockScript) -> MockJSON {
        let output = script.textTokens + script.reasoningTokens
        return [
            "inputTokens": .int(script.freshTokens), "outputTokens": .int(output),
            "totalTokens": .int(script.promptTokens + output), "cacheReadInputTokens": .int(script.cachedTokens),
            "cacheWriteInputTokens": .int(script.cacheWriteTokens),
        ]
    }

    private func text(_ script: MockScript) -> [String] {
        script.end == .blocked ? ["Sorry, the model cannot answer this question."] : script.text
    }

    func whole(_ script: MockScript) -> MockJSON {
        var content: [MockJSON] = []
        if !script.reasoning.isEmpty {
            let text = script.reasoning.joined()
            let reasoning: MockJSON = ["text": .string(text), "signature": .string(MockSignature.of(text))]
            content.append(["reasoningContent": ["reasoningText": reasoning]])
        }
        let text = self.text(script)
        if script.hasCitations {
            content.append([
                "citationsContent": [
                    "content": [["text": .string(text.joined())]], "citations": [Self.citation(script)],
                ]
            ])
        } else if !text.isEmpty {
            content.append(["text": .string(text.joined())])
        }
        for call in script.calls {
            content.append([
                "toolUse": [
                    "toolUseId": .string("tooluse_\(call.id)"), "name": .string(call.name), "input": call.arguments,
                ]
            ])
        }
        return [
            "output": ["message": ["role": "assistant", "content": .array(content)]],
            "stopReason": .string(self.stop(script)), "usage": self.usage(script), "metrics": ["latencyMs": 12],
        ]
    }

    private static func citation(_ script: MockScript) -> MockJSON {
        [
            "title": "A document", "sourceContent": [["text": .string(script.citedText)]],
            "location": [
                "documentChar": ["documentIndex": 0, "start": 0, "end": .int(script.citedText.count)]
            ],
        ]
    }

    // MARK: Stream

    var ping: [UInt8] { [] }
    var brokenOff: [UInt8] {
        MockEventStream.exception("throttlingException", "Too many requests, please wait before trying again.")
    }

    /// Every payload carries some letters that hide its length.
    private static func event(_ type: String, _ payload: MockJSON) -> [UInt8] {
        MockEventStream.event(type, payload.adding(["p": "abcdefgh"]))
    }

    func frames(_ script: MockScript) -> MockFrames {
        var frames = MockFrames(contentType: "application/vnd.amazon.eventstream")
        frames.pieces.append(Self.event("messageStart", ["role": "assistant"]))
        var index = 0
        // Only tools have a start of their own.
        func block(_ start: MockJSON?, _ deltas: [MockJSON]) {
            let place = MockJSON.int(index)
            if let start {
                frames.pieces.append(
                    Self.event("contentBlockStart", ["start": start, "contentBlockIndex": place])
                )
            }
            for delta in deltas {
                frames.pieces.append(
                    Self.event("contentBlockDelta", ["delta": delta, "contentBlockIndex": place])
                )
            }
            frames.pieces.append(Self.event("contentBlockStop", ["contentBlockIndex": place]))
            index += 1
        }
        if !script.reasoning.isEmpty {
            let signature = MockSignature.of(script.reasoning.joined())
            block(
                nil,
                script.reasoning.map { ["reasoningContent": ["text": .string($0)]] }
                    + [["reasoningContent": ["signature": .string(signature)]]]
            )
        }
        let text = self.text(script)
        if !text.isEmpty {
            let citations: [MockJSON] = script.hasCitations ? [["citation": Self.citation(script)]] : []
            block(nil, text.map { ["text": .string($0)] } + citations)
        }
        for call in script.calls {
            block(
                ["toolUse": ["toolUseId": .string("tooluse_\(call.id)"), "name": .string(call.name)]],
                call.fragments.map { ["toolUse": ["input": .string($0)]] }
            )
        }
        frames.end = [
            Self.event("messageStop", ["stopReason": .string(self.stop(script))]),
            Self.event("metadata", ["usage": self.usage(script), "metrics": ["latencyMs": 12]]),
        ]
        return frames
    }
}
