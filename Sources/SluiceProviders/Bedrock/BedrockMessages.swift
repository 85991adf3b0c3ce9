import SluiceWire

extension BedrockBody {
    private static func isSystem(_ message: ChatMessage) -> Bool {
        message.role == .system || message.role == .developer
    }

    /// All system and developer messages, in order.
    mutating func writeSystem(_ json: inout JSONWriter) {
        let question = self.soleQuestion
        let indices = self.request.messages.indices.filter { index in
            let message = self.request.messages[index]
            return index != question && Self.isSystem(message) && Self.hasBlocks(message)
        }
        guard !indices.isEmpty else { return }
        json.array("system") { json in
            for index in indices {
                let message = self.request.messages[index]
                for part in message.content {
                    guard let text = part.text else {
                        self.fail("Bedrock takes only text from the system", parameter: "messages")
                        continue
                    }
                    self.writeText(text, &json)
                    if let mark = part.cacheMark { self.writeCachePoint(mark, &json) }
                }
                if let mark = message.cacheMark { self.writeCachePoint(mark, &json) }
            }
        }
    }

    /// A request must have a turn: of system messages alone the last is the user's.
    private var soleQuestion: Int? {
        guard self.request.messages.allSatisfy({ Self.isSystem($0) }) else { return nil }
        return self.request.messages.lastIndex { Self.hasBlocks($0) }
    }

    /// Turns of the user and of the assistant, one after the other: what one of them says in several messages, results
    /// of tools among it, becomes one.
    mutating func writeMessages(_ json: inout JSONWriter) {
        let question = self.soleQuestion
        let turns = self.request.messages.indices.filter { index in
            let message = self.request.messages[index]
            return index == question || !Self.isSystem(message) && Self.hasBlocks(message)
        }
        if turns.isEmpty {
            self.fail("no message says anything: Bedrock refuses texts without a letter", parameter: "messages")
        }
        let guarded = self.guardedTurn(turns)
        json.array("messages") { json in
            var next = 0
            while next < turns.count {
                let isAssistant = self.request.messages[turns[next]].role == .assistant
                json.object { json in
                    json.field("role", isAssistant ? "assistant" : "user")
                    json.array("content") { json in
                        while next < turns.count {
                            let message = self.request.messages[turns[next]]
                            guard (message.role == .assistant) == isAssistant else { break }
                            let isLast = next == turns.count - 1
                            self.write(message, isLast: isLast, isGuarded: turns[next] == guarded, &json)
                            next += 1
                        }
                    }
                }
            }
        }
    }

    /// The last message of the user's own, where the guardrail is to look at nothing else.
    private func guardedTurn(_ turns: [Int]) -> Int? {
        guard self.settings["guard_last_user_text"] == "true",
            self.ownFields.contains(where: { $0.name == "guardrailConfig" })
        else { return nil }
        return turns.last { self.request.messages[$0].role == .user }
    }

    static func isBlank(_ text: String) -> Bool { BlankText.isBlank(text) }

    private static func isBlank(_ part: ContentPart) -> Bool { part.text.map { Self.isBlank($0) } ?? false }

    /// Texts of space alone are refused, and so are messages without anything else.
    private static func hasBlocks(_ message: ChatMessage) -> Bool {
        switch message.role {
        case .tool, .function: return true
        default: break
        }
        if !message.toolCalls.isEmpty || message.refusal.map({ !Self.isBlank($0) }) == true { return true }
        if message.reasoning.contains(where: \.isReplayable) { return true }
        return message.content.contains { !Self.isBlank($0) }
    }

    private mutating func write(
        _ message: ChatMessage,
        isLast: Bool,
        isGuarded: Bool,
        _ json: inout JSONWriter
    ) {
        switch message.role {
        case .tool, .function: self.writeResult(message, &json)
        case .assistant: self.writeAssistant(message, isLast: isLast, &json)
        default:
            for part in message.content {
                if isGuarded, let text = part.text, !Self.isBlank(text) {
                    Self.writeGuarded(text, &json)
                    if let mark = part.cacheMark { self.writeCachePoint(mark, &json) }
                } else {
                    self.write(part, &json)
                }
            }
        }
        if let mark = message.cacheMark { self.writeCachePoint(mark, &json) }
    }

    static func writeGuarded(_ text: String, _ json: inout JSONWriter) {
        json.object { json in
            json.object("guardContent") { json in json.object("text") { $0.field("text", text) } }
        }
    }

    func writeText(_ text: String, _ json: inout JSONWriter) {
        if !Self.isBlank(text) { json.object { $0.field("text", text) } }
    }

    private mutating func writeAssistant(_ message: ChatMessage, isLast: Bool, _ json: inout JSONWriter) {
        for block in message.reasoning where block.isReplayable { Self.write(block, &json) }
        let last = message.content.lastIndex { !Self.isBlank($0) }
        let isEnd = isLast && message.toolCalls.isEmpty && message.refusal.map { Self.isBlank($0) } != false
        for (number, part) in message.content.enumerated() {
            // An answer that is begun for the model must not end in white space.
            if isEnd, number == last, let text = part.text {
                self.writeText(BlankText.withoutTrailingSpace(text), &json)
                if let mark = part.cacheMark { self.writeCachePoint(mark, &json) }
            } else {
                self.write(part, &json)
            }
        }
        if let refusal = message.refusal { self.writeText(refusal, &json) }
        for call in message.toolCalls { self.write(call, &json) }
    }

    private static func write(_ block: ReasoningBlock, _ json: inout JSONWriter) {
        json.object { json in
            json.object("reasoningContent") { json in
                if let redacted = block.redacted, !redacted.isEmpty {
                    json.field("redactedContent", redacted)
                } else {
                    json.object("reasoningText") { json in
                        json.field("text", block.text)
                        if let signature = block.signature { json.field("signature", signature) }
                    }
                }
            }
        }
    }

    private func write(_ call: ToolCall, _ json: inout JSONWriter) {
        json.object { json in
            json.object("toolUse") { json in
                json.field("toolUseId", BedrockNames.call(call.id))
                json.field("name", self.names.tool(call.name))
                json.field("input", Self.input(call.arguments))
            }
        }
    }

    /// An object, as models demand; what is none is kept within one.
    private static func input(_ arguments: String) -> JSONText {
        guard arguments.utf8.contains(where: { $0 > 0x20 }) else { return .emptyObject }
        if let json = JSONText(parsing: arguments), json.bytes.first == UInt8(ascii: "{") { return json }
        return ["arguments": JSONText(stringLiteral: arguments)]
    }

    private mutating func writeResult(_ message: ChatMessage, _ json: inout JSONWriter) {
        json.object { json in
            json.object("toolResult") { json in
                json.field("toolUseId", BedrockNames.call(message.toolCallID ?? message.name ?? ""))
                json.array("content") { json in
                    for part in message.content { self.write(ContentPart(part.kind), &json) }
                }
                if message.isError { json.field("status", "error") }
            }
        }
        if let mark = message.content.lazy.compactMap(\.cacheMark).last { self.writeCachePoint(mark, &json) }
    }
}
