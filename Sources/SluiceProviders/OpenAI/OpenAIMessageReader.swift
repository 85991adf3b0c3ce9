import SluiceWire

/// Reads the messages of a conversation.
enum OpenAIMessageReader {
    static func messages(_ value: JSONValue) throws(FieldFault) -> [ChatMessage] {
        var messages: [ChatMessage] = []
        messages.reserveCapacity(value.count)
        var functionCalls = 0
        try value.elements("messages") { value throws(FieldFault) in
            var message = try Self.message(value)
            if message.usesFunctionCall {
                functionCalls += 1
                message.toolCalls = message.toolCalls.map { call in
                    var call = call
                    call.id = ToolCall.functionCallID(functionCalls)
                    return call
                }
            }
            // Other providers tie an answer to its call by an id, which functions do not have.
            if message.role == .function { message.toolCallID = ToolCall.functionCallID(functionCalls) }
            messages.append(message)
        }
        return messages
    }

    private static func message(_ value: JSONValue) throws(FieldFault) -> ChatMessage {
        var message = ChatMessage(role: .user, content: [])
        var hasRole = false
        var reasoningText: String?
        try value.members("") { name, value throws(FieldFault) in
            switch name {
            case "role":
                message.role = try Self.role(value)
                hasRole = true
            case "content": try Self.takeContent(value, &message)
            case "name": message.name = try value.string(name)
            case "tool_calls": message.toolCalls = try Self.toolCalls(value)
            case "tool_call_id": message.toolCallID = try value.string(name)
            case "refusal": message.refusal = try value.string(name)
            case "reasoning_content": reasoningText = try value.string(name)
            case "thinking_blocks": message.reasoning += OpenAIReasoning.blocks(value)
            case "cache_control": message.cacheMark = CacheMark(openAI: value)
            case "is_error": message.isError = try value.bool(name)
            case "function_call":
                message.toolCalls = [try Self.functionCall(value)]
                message.usesFunctionCall = true
            default: message.additional.append(JSONField(name, value.text))
            }
        }
        guard hasRole else { throw .missing("role") }
        if let reasoningText, !reasoningText.isEmpty { Self.take(reasoningText, &message) }
        return message
    }

    /// A client that puts a stream together has the text here and a block with nothing but its signature.
    private static func take(_ reasoning: String, _ message: inout ChatMessage) {
        guard !message.reasoning.isEmpty else {
            message.reasoning = [ReasoningBlock(text: reasoning)]
            return
        }
        let readable = message.reasoning.indices.filter { message.reasoning[$0].redacted == nil }
        if readable.count == 1, let index = readable.first, message.reasoning[index].text.isEmpty {
            message.reasoning[index].text = reasoning
        }
    }

    private static func role(_ value: JSONValue) throws(FieldFault) -> ChatMessage.Role {
        let word = try value.string("role")
        guard let role = ChatMessage.Role(rawValue: word) else {
            let known = ChatMessage.Role.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
            throw FieldFault("role", "must be one of \(known)", code: "invalid_value")
        }
        return role
    }

    private static func takeContent(_ value: JSONValue, _ message: inout ChatMessage) throws(FieldFault) {
        if let text = value.string {
            message.content = [.text(text)]
            return
        }
        guard value.kind == .array else { throw FieldFault("content", "must be a string or a list of parts") }
        message.content.reserveCapacity(value.count)
        try value.elements("content") { value throws(FieldFault) in
            if let block = OpenAIReasoning.block(value) {
                message.reasoning.append(block)
            } else {
                message.content.append(try OpenAIPartReader.part(value))
            }
        }
    }

    static func toolCalls(_ value: JSONValue) throws(FieldFault) -> [ToolCall] {
        var calls: [ToolCall] = []
        try value.elements("tool_calls") { value throws(FieldFault) in calls.append(try Self.toolCall(value)) }
        return calls
    }

    private static func toolCall(_ value: JSONValue) throws(FieldFault) -> ToolCall {
        var call = ToolCall(id: "", name: "", arguments: "")
        var hasBody = false
        try value.members("") { name, value throws(FieldFault) in
            switch name {
            case "id": call.id = try value.string(name)
            case "type", "index": break
            case "function":
                let function = try Self.functionCall(value)
                call.name = function.name
                call.arguments = function.arguments
                hasBody = true
            case "custom":
                guard let custom = value["name"]?.string else { throw .missing("custom.name") }
                call.name = custom
                call.arguments = value["input"]?.string ?? ""
                call.isCustom = true
                hasBody = true
            case "extra_content":
                call.signature = value["google"]?["thought_signature"]?.string
                if call.signature == nil { call.additional.append(JSONField(name, value.text)) }
            default: call.additional.append(JSONField(name, value.text))
            }
        }
        guard hasBody else { throw .missing("function") }
        return call
    }

    /// A call's name and arguments, which some clients send as an object.
    static func functionCall(_ value: JSONValue) throws(FieldFault) -> ToolCall {
        guard let name = value["name"]?.string else { throw FieldFault.missing("name").inside("function") }
        let arguments = value["arguments"].map { $0.string ?? ($0.isNull ? "" : $0.text.text) }
        return ToolCall(id: "", name: name, arguments: arguments ?? "")
    }
}

extension ToolCall {
    /// A name for the call that came as `function_call`, counted from 1 within its conversation.
    package static func functionCallID(_ number: Int) -> String { "call_function_\(number)" }
}

/// Reads what a model thought.
enum OpenAIReasoning {
    static func blocks(_ value: JSONValue) -> [ReasoningBlock] {
        var blocks: [ReasoningBlock] = []
        value.forEachElement { value in
            if let block = Self.block(value) { blocks.append(block) }
            return true
        }
        return blocks
    }

    /// `nil` when it is not a block of reasoning.
    static func block(_ value: JSONValue) -> ReasoningBlock? {
        switch value["type"]?.string {
        case "thinking":
            guard let thinking = value["thinking"] else { return nil }
            return ReasoningBlock(text: Self.text(thinking), signature: value["signature"]?.string)
        case "redacted_thinking":
            return value["data"]?.string.map { ReasoningBlock(text: "", redacted: $0) }
        default: return nil
        }
    }

    /// A string, or, of Mistral, a list of parts of text.
    private static func text(_ value: JSONValue) -> String {
        if let text = value.string { return text }
        var text = ""
        value.forEachElement { part in
            text += part["text"]?.string ?? ""
            return true
        }
        return text
    }
}
