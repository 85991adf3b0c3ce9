import SluiceWire

/// Reads the turns of a conversation. One turn with results of tools becomes several of our messages.
struct AnthropicMessageReader {
    /// Whether documents in the assistant's messages and citations on the user's texts are refused.
    let isStrict: Bool

    func messages(_ value: JSONValue) throws(FieldFault) -> [ChatMessage] {
        var messages: [ChatMessage] = []
        messages.reserveCapacity(value.count + 2)
        try value.elements("messages") { value throws(FieldFault) in try self.append(value, to: &messages) }
        guard !messages.isEmpty else {
            throw FieldFault("messages", "must not be empty", code: "empty_array")
        }
        return messages
    }

    private func append(_ value: JSONValue, to messages: inout [ChatMessage]) throws(FieldFault) {
        guard value.kind == .object else { throw FieldFault("", "must be an object") }
        guard let role = value["role"] else { throw .missing("role") }
        guard let content = value["content"] else { throw .missing("content") }
        switch try role.string("role") {
        case "user": try self.appendUser(content, to: &messages)
        case "assistant": messages.append(try self.assistant(content))
        case "system":
            var message = ChatMessage(role: .system, content: [])
            try Self.blocks(content) { block, type throws(FieldFault) in
                guard type == "text" else { throw FieldFault("type", "must be 'text'", code: "invalid_value") }
                message.content.append(try AnthropicBlockReader.text(block))
            } text: {
                message.content = [.text($0)]
            }
            messages.append(message)
        default:
            throw FieldFault("role", "must be 'user', 'assistant' or 'system'", code: "invalid_value")
        }
    }

    /// A text, or blocks with their types.
    private static func blocks(
        _ content: JSONValue,
        _ block: (JSONValue, String) throws(FieldFault) -> Void,
        text: (String) -> Void
    ) throws(FieldFault) {
        if let string = content.string { return text(string) }
        guard content.kind == .array else { throw FieldFault("content", "must be a string or a list of blocks") }
        try content.elements("content") { value throws(FieldFault) in
            guard value.kind == .object else { throw FieldFault("", "must be an object") }
            guard let type = value["type"] else { throw .missing("type") }
            try block(value, try type.string("type"))
        }
    }

    private func appendUser(_ content: JSONValue, to messages: inout [ChatMessage]) throws(FieldFault) {
        var message = ChatMessage(role: .user, content: [])
        var hasResults = false
        try Self.blocks(content) { block, type throws(FieldFault) in
            switch type {
            case "tool_result":
                hasResults = true
                messages.append(try Self.result(block))
            case "text":
                if self.isStrict, let citations = block["citations"], citations.count > 0 {
                    throw Self.refused("citations")
                }
                message.content.append(try AnthropicBlockReader.text(block))
            case "tool_use", "thinking", "redacted_thinking":
                throw FieldFault("type", "'\(type)' has no place in a user's message", code: "invalid_value")
            default: message.content.append(try AnthropicBlockReader.part(block, type))
            }
        } text: {
            message.content = [.text($0)]
        }
        // Results without a word need no message beside them.
        if !message.content.isEmpty || !hasResults { messages.append(message) }
    }

    private static func refused(_ name: String) -> FieldFault {
        let version = AnthropicVersion.withoutSampling
        return FieldFault(name, "is not taken here since API version \(version)", code: "unsupported_parameter")
    }

    private static func result(_ block: JSONValue) throws(FieldFault) -> ChatMessage {
        guard let id = block["tool_use_id"] else { throw .missing("tool_use_id") }
        var message = ChatMessage(role: .tool, content: [], toolCallID: try id.string("tool_use_id"))
        if let content = block["content"], !content.isNull {
            try Self.blocks(content) { block, type throws(FieldFault) in
                message.content.append(try AnthropicBlockReader.part(block, type))
            } text: {
                message.content = [.text($0)]
            }
        }
        // OpenAI's results have to have a content.
        if message.content.isEmpty { message.content = [.text("")] }
        message.isError = block["is_error"]?.bool ?? false
        message.cacheMark = block["cache_control"].flatMap(CacheMark.init(openAI:))
        return message
    }

    private func assistant(_ content: JSONValue) throws(FieldFault) -> ChatMessage {
        var message = ChatMessage(role: .assistant, content: [])
        try Self.blocks(content) { block, type throws(FieldFault) in
            switch type {
            case "text": message.content.append(try AnthropicBlockReader.text(block))
            case "thinking":
                let signature = block["signature"]?.string
                message.reasoning.append(
                    ReasoningBlock(
                        text: block["thinking"]?.string ?? "",
                        signature: signature?.isEmpty == false ? signature : nil
                    )
                )
            case "redacted_thinking":
                guard let data = block["data"] else { throw .missing("data") }
                message.reasoning.append(ReasoningBlock(text: "", redacted: try data.string("data")))
            case "tool_use":
                message.toolCalls.append(try Self.call(block))
                if let mark = block["cache_control"].flatMap(CacheMark.init(openAI:)) { message.cacheMark = mark }
            case "document":
                if self.isStrict { throw Self.refused("") }
                message.content.append(try AnthropicBlockReader.part(block, type))
            // What the provider has called and found itself means nothing to others.
            case "server_tool_use", "container_upload": break
            case _ where type.hasSuffix("_tool_result"): break
            default: message.content.append(try AnthropicBlockReader.part(block, type))
            }
        } text: {
            message.content = [.text($0)]
        }
        return message
    }

    private static func call(_ block: JSONValue) throws(FieldFault) -> ToolCall {
        guard let id = block["id"] else { throw .missing("id") }
        guard let name = block["name"] else { throw .missing("name") }
        guard let input = block["input"] else { throw .missing("input") }
        return ToolCall(
            id: try id.string("id"),
            name: try name.string("name"),
            arguments: try input.object("input").text
        )
    }
}

/// Reads blocks of a message.
enum AnthropicBlockReader {
    static func text(_ block: JSONValue) throws(FieldFault) -> ContentPart {
        guard let text = block["text"] else { throw .missing("text") }
        return ContentPart(.text(try text.string("text")), cacheMark: Self.mark(block))
    }

    private static func mark(_ block: JSONValue) -> CacheMark? {
        block["cache_control"].flatMap(CacheMark.init(openAI:))
    }

    static func part(_ block: JSONValue, _ type: String) throws(FieldFault) -> ContentPart {
        switch type {
        case "text": return try Self.text(block)
        case "image":
            let media = try Self.media(block)
            var part = ContentPart(.image(media, detail: nil), cacheMark: Self.mark(block))
            Self.takeMembers(block, &part)
            return part
        case "document": return try Self.document(block)
        // They would be read as what they are there.
        case _ where OpenAIPartReader.ownTypes.contains(type):
            throw FieldFault(
                "type",
                "is '\(type)', which belongs to OpenAI's API, not to Messages",
                code: "invalid_value"
            )
        default: return ContentPart(.other(block.text), cacheMark: Self.mark(block))
        }
    }

    private static func takeMembers(_ block: JSONValue, _ part: inout ContentPart) {
        for name in AnthropicBody.mediaMembers {
            guard let member = block[named: name], !member.isNull else { continue }
            part.additional.append(JSONField(name, member.text))
        }
    }

    private static func document(_ block: JSONValue) throws(FieldFault) -> ContentPart {
        let title = block["title"]?.string
        // Documents made of blocks have no like elsewhere.
        guard block["source"]?["type"]?.string != "content" else {
            return ContentPart(.other(block.text), cacheMark: Self.mark(block))
        }
        var part = ContentPart(.file(try Self.media(block), name: title), cacheMark: Self.mark(block))
        Self.takeMembers(block, &part)
        return part
    }

    private static func media(_ block: JSONValue) throws(FieldFault) -> Media {
        guard let source = block["source"] else { throw .missing("source") }
        guard source.kind == .object else { throw FieldFault("source", "must be an object") }
        func member(_ name: String) throws(FieldFault) -> String {
            guard let value = source[named: name] else { throw .missing("source." + name) }
            return try value.string("source." + name)
        }
        switch source["type"]?.string {
        case "base64":
            let data = try member("data")
            return .base64(data, type: MediaType.corrected(try member("media_type"), base64: data[...]))
        case "text": return .base64(Base64.encode(try member("data").utf8), type: "text/plain")
        case "url": return .url(try member("url"))
        case "file": return .fileID(try member("file_id"))
        default:
            throw FieldFault("source.type", "must be 'base64', 'url', 'text' or 'file'", code: "invalid_value")
        }
    }
}
