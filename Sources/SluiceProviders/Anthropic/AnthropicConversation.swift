import SluiceWire

/// Turns: what is said in a row by one side is one message to Anthropic.
extension AnthropicBody {
    private enum Side: String {
        case user
        case assistant
        case system
    }

    mutating func writeConversation(_ json: inout JSONWriter) {
        let messages = self.request.messages
        // A request must have a turn: of system messages alone the last is the user's.
        let leading = min(messages.prefix { $0.role == .system || $0.role == .developer }.count, messages.count - 1)
        guard leading >= 0 else {
            return self.fail("A request needs at least one message.", "messages", code: "empty_array")
        }
        if messages[..<leading].contains(where: { self.hasBlocks($0) }) {
            json.array("system") { json in
                for index in 0..<leading { self.writeParts(index, isSystem: true, &json) }
            }
        }
        self.refuseEmptyEnd(after: leading)
        let sides = self.sides()
        json.array("messages") { json in
            var start = leading
            while start < messages.count {
                guard self.hasBlocks(messages[start]) else {
                    start += 1
                    continue
                }
                let side = sides[start]
                var end = start + 1
                while end < messages.count, sides[end] == side || !self.hasBlocks(messages[end]) { end += 1 }
                self.writeTurn(start..<end, side, &json)
                start = end
            }
        }
    }

    /// Anthropic refuses empty texts. A message that says nothing can be left out, but not the one to answer.
    private mutating func refuseEmptyEnd(after leading: Int) {
        let messages = self.request.messages
        var last = messages.count - 1
        let isAnswer = messages.last?.role == .assistant
        while last >= leading, isAnswer || messages[last].role != .assistant {
            if self.hasBlocks(messages[last]) { return }
            last -= 1
        }
        let name = "messages[\(messages.count - 1)].content"
        self.fail("The last message is empty; Anthropic refuses that.", name, code: "empty_content")
    }

    /// Of every message.
    private func sides() -> [Side] {
        let messages = self.request.messages
        var sides = [Side](repeating: .user, count: messages.count)
        // Nothing may come between calls and their results.
        var isBeforeResult = false
        for index in messages.indices.reversed() {
            switch messages[index].role {
            case .user: isBeforeResult = false
            case .tool, .function: isBeforeResult = true
            case .assistant:
                isBeforeResult = false
                sides[index] = .assistant
            case .system, .developer:
                if self.model.hasSystemTurns, index > 0, !isBeforeResult { sides[index] = .system }
            }
        }
        return sides
    }

    private mutating func writeTurn(_ range: Range<Int>, _ side: Side, _ json: inout JSONWriter) {
        let messages = self.request.messages
        json.object { json in
            json.field("role", side.rawValue)
            json.array("content") { json in
                // Results come before all else, or the API does not find them.
                for index in range where self.isResult(messages[index]) { self.writeResult(index, &json) }
                for index in range where !self.isResult(messages[index]) {
                    if side == .assistant {
                        self.writeAssistant(index, &json)
                    } else {
                        self.writeParts(index, isSystem: side == .system, &json)
                    }
                }
            }
        }
    }

    private func isResult(_ message: ChatMessage) -> Bool { message.role == .tool || message.role == .function }

    /// Whether anything is left of a message once empty texts are gone.
    private func hasBlocks(_ message: ChatMessage) -> Bool {
        switch message.role {
        case .tool, .function: return true
        case .assistant:
            if !message.toolCalls.isEmpty { return true }
            if let refusal = message.refusal, !Self.isBlank(refusal) { return true }
            if self.model.thinking != .none, message.reasoning.contains(where: \.isReplayable) {
                return true
            }
        case .system, .developer, .user: break
        }
        return message.content.contains { !Self.isBlank($0) }
    }

    static func isBlank(_ text: String) -> Bool { BlankText.isBlank(text) }

    static func isBlank(_ part: ContentPart) -> Bool {
        switch part.kind {
        case .text(let text), .refusal(let text): Self.isBlank(text)
        default: false
        }
    }

    // MARK: Messages

    private mutating func writeParts(_ index: Int, isSystem: Bool, _ json: inout JSONWriter) {
        let message = self.request.messages[index]
        if message.name != nil { self.note("messages.name") }
        let last = message.content.lastIndex { !Self.isBlank($0) }
        for (number, part) in message.content.enumerated() where !Self.isBlank(part) {
            let mark = part.cacheMark ?? (number == last ? message.cacheMark : nil)
            if isSystem, part.text == nil {
                self.fail("A system message may hold texts alone.", "messages[\(index)].content[\(number)]")
            } else {
                self.writePart(part, mark, at: (index, number), &json)
            }
        }
    }

    private mutating func writeAssistant(_ index: Int, _ json: inout JSONWriter) {
        let message = self.request.messages[index]
        if message.name != nil { self.note("messages.name") }
        self.writeThoughts(message, &json)
        let hasRefusal = message.refusal.map { !Self.isBlank($0) } ?? false
        let last = message.content.lastIndex { !Self.isBlank($0) }
        let isPartLast = message.toolCalls.isEmpty && !hasRefusal
        let isEnd = !self.request.messages[(index + 1)...].contains { self.hasBlocks($0) }
        for (number, part) in message.content.enumerated() where !Self.isBlank(part) {
            let isLast = isPartLast && number == last
            let mark = part.cacheMark ?? (isLast ? message.cacheMark : nil)
            if isLast, isEnd, let text = part.text {
                // The answer continues this text, and the API refuses space at its end.
                Self.writeText(BlankText.withoutTrailingSpace(text), mark, &json)
            } else if case .refusal(let text) = part.kind {
                Self.writeText(text, mark, &json)
            } else if case .file = part.kind, self.refusesSampling {
                self.note("messages[\(index)].content[\(number)]")
            } else {
                self.writePart(part, mark, at: (index, number), &json)
            }
        }
        if hasRefusal, let refusal = message.refusal {
            Self.writeText(refusal, message.toolCalls.isEmpty ? message.cacheMark : nil, &json)
        }
        for (number, call) in message.toolCalls.enumerated() {
            self.writeCall(call, number == message.toolCalls.count - 1 ? message.cacheMark : nil, &json)
        }
    }

    /// Names what is left out without harm; never sent, whatever the policy.
    private mutating func note(_ name: String) {
        let isKept = self.dropped.count < ParameterScreen.maximumNames && !self.dropped.contains(name)
        guard self.policy != .error, isKept else { return }
        self.dropped.append(name)
    }

    private mutating func writeCall(_ call: ToolCall, _ mark: CacheMark?, _ json: inout JSONWriter) {
        json.object { json in
            json.field("type", "tool_use")
            json.field("id", AnthropicToolNames.id(call.id))
            json.field("name", self.names.sent(call.name))
            Self.writeInput(call, &json)
            Self.write(mark, &json)
        }
    }

    /// An object, whatever the model has written: `input` takes nothing else.
    static func writeInput(_ call: ToolCall, _ json: inout JSONWriter) {
        let bytes = Array(call.arguments.utf8)
        if !call.isCustom {
            if bytes.allSatisfy({ $0 <= 0x20 }) { return json.rawField("input", [0x7B, 0x7D]) }
            if (try? JSON.read(bytes, { $0.kind == .object })) == true { return json.rawField("input", bytes) }
        }
        json.object("input") { $0.field("input", call.arguments) }
    }

    private mutating func writeResult(_ index: Int, _ json: inout JSONWriter) {
        let message = self.request.messages[index]
        json.object { json in
            json.field("type", "tool_result")
            json.field("tool_use_id", AnthropicToolNames.id(message.toolCallID ?? message.name ?? ""))
            if message.content.count == 1, let part = message.content.first, let text = part.text {
                if !text.isEmpty { json.field("content", text) }
            } else if message.content.contains(where: { !Self.isBlank($0) }) {
                json.array("content") { json in
                    for (number, part) in message.content.enumerated() where !Self.isBlank(part) {
                        self.writePart(part, nil, at: (index, number), &json)
                    }
                }
            }
            if message.isError { json.field("is_error", true) }
            // Marks within a result are the result's: its blocks are cached together.
            Self.write(message.cacheMark ?? message.content.last { $0.cacheMark != nil }?.cacheMark, &json)
        }
    }
}
