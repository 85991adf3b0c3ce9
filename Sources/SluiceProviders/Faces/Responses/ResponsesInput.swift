import SluiceWire

/// Input items → messages of a chat.
///
/// A turn of the assistant comes as several items (reasoning, message, calls) and is one message of a chat: the results
/// of calls must follow directly behind the message that asks for them.
struct ResponsesInput {
    private(set) var messages: [ChatMessage] = []
    private var turn: ChatMessage?
    private var reasoning: [ReasoningBlock] = []

    /// - Parameter input: a string or a list of items.
    mutating func read(_ input: JSONValue) throws(InvalidRequest) {
        if let text = input.string { return self.messages.append(.user(text)) }
        guard input.kind == .array else {
            throw InvalidRequest("The field 'input' must be a string or a list.", param: "input", code: "invalid_type")
        }
        for (index, element) in RequestFields.elements(of: input).enumerated() {
            try self.item(try RequestFields(element, at: "input[\(index)]"))
        }
        self.endTurn()
    }

    mutating func instructions(_ text: String) { self.messages.append(.system(text)) }

    private mutating func item(_ fields: RequestFields) throws(InvalidRequest) {
        let type = try fields.string("type") ?? (fields["role"] == nil ? "item_reference" : "message")
        switch type {
        case "message": try self.message(fields)
        case "reasoning": self.reasoning.append(contentsOf: try ResponsesReasoning.read(fields))
        case "function_call": try self.call(fields, input: "arguments", isCustom: false)
        case "custom_tool_call": try self.call(fields, input: "input", isCustom: true)
        case "function_call_output", "custom_tool_call_output": try self.result(fields)
        case "item_reference":
            throw fields.unsupported(
                "id",
                "answers are not kept, so there is nothing to refer to. Send the item itself."
            )
        default:
            throw InvalidRequest(
                "The field '\(fields.name("type"))' is '\(type.prefix(64))': items of tools that OpenAI runs itself "
                    + "cannot be passed to a chat model. Known here are message, reasoning, function_call, "
                    + "function_call_output, custom_tool_call, custom_tool_call_output.",
                param: fields.name("type"),
                code: "unsupported_parameter"
            )
        }
    }

    private mutating func message(_ fields: RequestFields) throws(InvalidRequest) {
        let name = try fields.requiredString("role")
        guard let role = ChatMessage.Role(rawValue: name), role != .tool, role != .function else {
            throw InvalidRequest(
                "The field '\(fields.name("role"))' must be user, assistant, system or developer.",
                param: fields.name("role"),
                code: "invalid_value"
            )
        }
        guard let content = fields["content"] else { throw fields.missing("content") }
        let parts = try ResponsesContent.read(content, at: fields.name("content"))
        guard role == .assistant else {
            self.endTurn()
            return self.messages.append(ChatMessage(role: role, content: parts))
        }
        if let turn = self.turn, !turn.content.isEmpty || turn.refusal != nil, turn.toolCalls.isEmpty {
            let reasoning = self.reasoning
            self.reasoning = []
            self.endTurn()
            self.reasoning = reasoning
        }
        self.withTurn { turn in
            for part in parts {
                if case .refusal(let text) = part.kind {
                    turn.refusal = (turn.refusal ?? "") + text
                } else {
                    turn.content.append(part)
                }
            }
        }
    }

    private mutating func call(
        _ fields: RequestFields,
        input: StaticString,
        isCustom: Bool
    ) throws(InvalidRequest) {
        let call = ToolCall(
            id: try fields.requiredString("call_id"),
            name: try fields.requiredString("name"),
            arguments: try fields.requiredString(input),
            isCustom: isCustom
        )
        self.withTurn { $0.toolCalls.append(call) }
    }

    private mutating func result(_ fields: RequestFields) throws(InvalidRequest) {
        self.endTurn()
        let id = try fields.requiredString("call_id")
        guard let output = fields["output"] else { throw fields.missing("output") }
        let parts = try ResponsesContent.read(output, at: fields.name("output"))
        self.messages.append(
            ChatMessage(role: .tool, content: parts.isEmpty ? [.text("")] : parts, toolCallID: id)
        )
    }

    private mutating func withTurn(_ body: (inout ChatMessage) -> Void) {
        var turn = self.turn ?? ChatMessage(role: .assistant, content: [])
        self.turn = nil
        turn.reasoning.append(contentsOf: self.reasoning)
        self.reasoning = []
        body(&turn)
        self.turn = turn
    }

    /// Reasoning that nothing follows is left out: it was cut off, and no provider takes it back.
    private mutating func endTurn() {
        self.reasoning = []
        guard let turn = self.turn else { return }
        self.turn = nil
        self.messages.append(turn)
    }
}

/// Reasoning items ⇄ blocks of reasoning.
///
/// A block's proof travels in `encrypted_content`, which clients send back unread. A word before it says what it is.
enum ResponsesReasoning {
    private static let signed = "signature."
    private static let redacted = "redacted."

    static func read(_ fields: RequestFields) throws(InvalidRequest) -> [ReasoningBlock] {
        var text = try Self.texts(fields, "summary")
        // Where the reasoning itself is shown, a summary of it is not the reasoning.
        let whole = try Self.texts(fields, "content")
        if !whole.isEmpty { text = whole }
        guard let sealed = try fields.string("encrypted_content"), !sealed.isEmpty else {
            return text.isEmpty ? [] : [ReasoningBlock(text: text)]
        }
        if sealed.hasPrefix(Self.signed) {
            return [ReasoningBlock(text: text, signature: String(sealed.dropFirst(Self.signed.count)))]
        }
        if sealed.hasPrefix(Self.redacted) {
            return [ReasoningBlock(text: text, redacted: String(sealed.dropFirst(Self.redacted.count)))]
        }
        return [ReasoningBlock(text: text, redacted: sealed)]
    }

    static func sealed(_ block: ReasoningBlock) -> String? {
        if let signature = block.signature { return Self.signed + signature }
        if let redacted = block.redacted { return Self.redacted + redacted }
        return nil
    }

    private static func texts(_ fields: RequestFields, _ name: StaticString) throws(InvalidRequest) -> String {
        var text = ""
        for (index, element) in try fields.elements(name).enumerated() {
            let part = try RequestFields(element, at: "\(fields.name(name))[\(index)]")
            text += try part.requiredString("text")
        }
        return text
    }
}
