import SluiceWire

/// Cohere's chat, version 2.
struct MockCohere: MockDialect {
    func authenticate(_ request: HTTPRequest, _ style: MockStyle, epoch: Int64) throws(MockRefusal) {
        guard let key = Self.bearer(request), !key.isEmpty else { throw MockRefusal(401, "no api key supplied") }
        guard style.key == nil || style.key == key else { throw MockRefusal(401, "invalid api token") }
    }

    func read(_ request: HTTPRequest) throws(MockRefusal) -> MockAsk {
        try MockCohereReader.read(try Self.document(request, "invalid request: body is not JSON"))
    }

    func contextExceeded(_ ask: MockAsk) -> MockRefusal {
        .invalid("too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 200000.")
    }

    // MARK: Errors

    func refuse(_ refusal: MockRefusal, number: Int, retryAfter: Int) -> HTTPResponse {
        var headers = self.headers(number: number)
        if refusal.status == 429 { headers.append("retry-after", String(retryAfter)) }
        let body: MockJSON = ["id": .string("mock-error-\(number)"), "message": .string(refusal.message)]
        return self.answer(refusal.status, body, headers)
    }

    func headers(number: Int) -> HTTPFields { HTTPFields([("x-debug-trace-id", "mock\(number)")]) }

    // MARK: Answers

    private func finish(_ script: MockScript) -> String {
        if let finish = script.style.finish { return finish }
        return switch script.end {
        case .finished: "COMPLETE"
        case .stopped: "STOP_SEQUENCE"
        case .length: "MAX_TOKENS"
        case .calls: "TOOL_CALL"
        case .refused, .blocked: "ERROR"
        }
    }

    private func usage(_ script: MockScript) -> MockJSON {
        let output = MockJSON.int(script.textTokens + script.reasoningTokens)
        var usage: MockJSON = [
            "billed_units": ["input_tokens": .int(script.promptTokens), "output_tokens": output],
            // The prompt's own tokens, and those that the model's template adds.
            "tokens": ["input_tokens": .int(script.promptTokens + 10), "output_tokens": output],
        ]
        if script.cachedTokens > 0 { usage = usage.adding(["cached_tokens": .int(script.cachedTokens)]) }
        return usage
    }

    private func citation(_ script: MockScript) -> MockJSON {
        [
            "start": 0, "end": .int(script.citedText.count), "text": .string(script.citedText),
            "sources": [
                ["type": "document", "id": "doc:0", "document": ["id": "doc:0", "title": "A document"]]
            ],
            "content_index": 0, "type": "TEXT_CONTENT",
        ]
    }

    private func function(_ call: MockScript.Call, arguments: String) -> MockJSON {
        [
            "id": .string(self.id(call)), "type": "function",
            "function": ["name": .string(call.name), "arguments": .string(arguments)],
        ]
    }

    private func id(_ call: MockScript.Call) -> String { "\(call.name)_\(call.id)" }

    private static let plan = "I will use a tool."

    func whole(_ script: MockScript) -> MockJSON {
        var content: [MockJSON] = []
        if !script.reasoning.isEmpty {
            content.append(["type": "thinking", "thinking": .string(script.reasoning.joined())])
        }
        if !script.text.isEmpty { content.append(["type": "text", "text": .string(script.text.joined())]) }
        var message: MockJSON = ["role": "assistant"]
        if !content.isEmpty { message = message.adding(["content": .array(content)]) }
        if !script.calls.isEmpty {
            // Who thinks makes no plan besides.
            let plan: MockJSON = script.reasoning.isEmpty ? ["tool_plan": .string(Self.plan)] : [:]
            let calls = script.calls.map { self.function($0, arguments: $0.arguments.text) }
            message = message.adding(plan).adding(["tool_calls": .array(calls)])
        }
        if script.hasCitations { message = message.adding(["citations": [self.citation(script)]]) }
        return [
            "id": .string("mock-\(script.number)"), "finish_reason": .string(self.finish(script)), "message": message,
            "usage": self.usage(script),
        ]
    }

    // MARK: Stream

    private static func event(_ type: String, _ body: MockJSON) -> [UInt8] {
        let body = MockJSON.object([.init(name: "type", value: .string(type))]).adding(body)
        return SSEWriter.event(name: type, data: body.bytes)
    }

    private static func message(_ part: MockJSON) -> MockJSON { ["message": part] }

    var ping: [UInt8] { SSEWriter.comment("keep-alive") }

    var brokenOff: [UInt8] {
        Self.event(
            "message-end",
            ["delta": ["finish_reason": "ERROR", "error": "the model failed while it generated"]]
        )
    }

    func frames(_ script: MockScript) -> MockFrames {
        var frames = MockFrames()
        let id = MockJSON.string("mock-\(script.number)")
        func add(_ type: String, _ body: MockJSON) { frames.pieces.append(Self.event(type, body)) }
        func delta(_ index: Int?, _ message: MockJSON) -> MockJSON {
            let delta: MockJSON = ["delta": Self.message(message)]
            return index.map { MockJSON.object([.init(name: "index", value: .int($0))]).adding(delta) } ?? delta
        }
        let opening: MockJSON = [
            "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [],
        ]
        add("message-start", ["id": id, "delta": Self.message(opening)])
        var index = 0
        for (kind, pieces) in [("thinking", script.reasoning), ("text", script.text)] where !pieces.isEmpty {
            let start = MockJSON.object([
                .init(name: "type", value: .string(kind)), .init(name: kind, value: .string("")),
            ])
            add("content-start", delta(index, ["content": start]))
            for piece in pieces {
                let content = MockJSON.object([.init(name: kind, value: .string(piece))])
                add("content-delta", delta(index, ["content": content]))
            }
            if kind == "text", script.hasCitations {
                add("citation-start", delta(0, ["citations": self.citation(script)]))
                add("citation-end", ["index": 0])
            }
            add("content-end", ["index": .int(index)])
            index += 1
        }
        if !script.calls.isEmpty && script.reasoning.isEmpty {
            for piece in MockScript.pieces(Self.plan, of: 7) {
                add("tool-plan-delta", delta(nil, ["tool_plan": .string(piece)]))
            }
        }
        for (place, call) in script.calls.enumerated() {
            add("tool-call-start", delta(place, ["tool_calls": self.function(call, arguments: "")]))
            for fragment in call.fragments {
                let part: MockJSON = ["function": ["arguments": .string(fragment)]]
                add("tool-call-delta", delta(place, ["tool_calls": part]))
            }
            add("tool-call-end", ["index": .int(place)])
        }
        let end: MockJSON = ["finish_reason": .string(self.finish(script)), "usage": self.usage(script)]
        frames.end = [Self.event("message-end", ["id": id, "delta": end])]
        return frames
    }
}
