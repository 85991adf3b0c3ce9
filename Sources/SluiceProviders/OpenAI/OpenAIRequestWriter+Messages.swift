import SluiceWire

extension OpenAIRequestWriter {
    func write(_ message: ChatMessage, to json: inout JSONWriter) {
        json.object { json in
            json.field("role", message.role.rawValue)
            self.writeContent(message, to: &json)
            if let name = message.name { json.field("name", name) }
            if let id = message.toolCallID, message.role == .tool { json.field("tool_call_id", id) }
            if let refusal = message.refusal { json.field("refusal", refusal) }
            OpenAIToolCalls.write(
                message.toolCalls,
                asFunction: message.usesFunctionCall,
                signatures: self.dialect.writesMarks,
                to: &json
            )
            if !message.reasoning.isEmpty {
                OpenAIReasoning.write(message.reasoning, self.dialect.reasoning, to: &json)
            }
            if message.isError && self.dialect.writesMarks { json.field("is_error", true) }
            self.write(message.cacheMark, to: &json)
            for field in message.additional { json.field(field.name, field.value) }
        }
    }

    private func writeContent(_ message: ChatMessage, to json: inout JSONWriter) {
        if self.dialect.reasoning == .parts, message.reasoning.contains(where: { !$0.text.isEmpty }) {
            return json.array("content") { json in
                OpenAIReasoning.writeParts(message.reasoning, to: &json)
                for part in message.content { self.write(part, to: &json) }
            }
        }
        guard let first = message.content.first else { return json.nullField("content") }
        if message.content.count == 1, case .text(let text) = first.kind, first.additional.isEmpty,
            first.cacheMark == nil || !self.dialect.writesCacheMarks
        {
            return json.field("content", text)
        }
        json.array("content") { json in
            for part in message.content { self.write(part, to: &json) }
        }
    }

    private func write(_ part: ContentPart, to json: inout JSONWriter) {
        if case .other(let text) = part.kind { return json.value(text) }
        json.object { json in
            switch part.kind {
            case .text(let text):
                json.field("type", "text")
                json.field("text", text)
            case .image(let media, let detail): Self.writeImage(media, detail, part.mediaAdditional, to: &json)
            case .audio(let data, let format):
                json.field("type", "input_audio")
                json.object("input_audio") { json in
                    json.field("data", data)
                    json.field("format", format)
                    for field in part.mediaAdditional { json.field(field.name, field.value) }
                }
            case .file(let media, let name): self.writeFile(media, name, part.mediaAdditional, to: &json)
            case .refusal(let text):
                json.field("type", "refusal")
                json.field("refusal", text)
            case .other: break
            }
            self.write(part.cacheMark, to: &json)
            for field in part.additional { json.field(field.name, field.value) }
        }
    }

    private static func writeImage(
        _ media: Media,
        _ detail: String?,
        _ rest: [JSONField],
        to json: inout JSONWriter
    ) {
        json.field("type", "image_url")
        json.object("image_url") { json in
            switch media {
            case .url(let url): json.field("url", url)
            case .base64(let data, let type): json.field("url", "data:\(type);base64,\(data)")
            case .fileID(let id): json.field("file_id", id)
            }
            if let detail { json.field("detail", detail) }
            for field in rest { json.field(field.name, field.value) }
        }
    }

    private func writeFile(
        _ media: Media,
        _ name: String?,
        _ rest: [JSONField],
        to json: inout JSONWriter
    ) {
        json.field("type", "file")
        json.object("file") { json in
            if let name { json.field("filename", name) }
            switch media {
            case .url(let url): json.field(self.dialect.takesFileAddresses ? "file_data" : "file_url", url)
            case .base64(let data, let type): json.field("file_data", "data:\(type);base64,\(data)")
            case .fileID(let id): json.field("file_id", id)
            }
            for field in rest { json.field(field.name, field.value) }
        }
    }
}

/// Writes the calls of tools, of requests and of answers.
enum OpenAIToolCalls {
    static func write(
        _ calls: [ToolCall],
        asFunction: Bool,
        signatures: Bool,
        to json: inout JSONWriter
    ) {
        guard let first = calls.first else { return }
        if asFunction, calls.count == 1 {
            return json.object("function_call") { Self.writeFunction(first, to: &$0) }
        }
        json.array("tool_calls") { json in
            for call in calls { json.object { Self.write(call, signatures: signatures, to: &$0) } }
        }
    }

    static func write(_ call: ToolCall, signatures: Bool, to json: inout JSONWriter) {
        json.field("id", call.id)
        if call.isCustom {
            json.field("type", "custom")
            json.object("custom") { json in
                json.field("name", call.name)
                json.field("input", call.arguments)
            }
        } else {
            json.field("type", "function")
            json.object("function") { Self.writeFunction(call, to: &$0) }
        }
        if signatures, let signature = call.signature {
            json.object("extra_content") { $0.object("google") { $0.field("thought_signature", signature) } }
        }
        for field in call.additional { json.field(field.name, field.value) }
    }

    private static func writeFunction(_ call: ToolCall, to json: inout JSONWriter) {
        json.field("name", call.name)
        json.field("arguments", call.arguments)
    }
}

extension OpenAIReasoning {
    /// Writes all reasoning of a message as members of it.
    static func write(_ blocks: [ReasoningBlock], _ form: OpenAIDialect.Reasoning, to json: inout JSONWriter) {
        guard form != .none, form != .parts else { return }
        let text = blocks.count == 1 ? blocks[0].text : blocks.reduce(into: "") { $0 += $1.text }
        if !text.isEmpty { json.field(form == .reasoning ? "reasoning" : "reasoning_content", text) }
        let isPlain = blocks.count == 1 && blocks[0].signature == nil && blocks[0].redacted == nil
        guard form == .blocks, !isPlain else { return }
        json.array("thinking_blocks") { json in
            for block in blocks { json.object { Self.write(block, to: &$0) } }
        }
    }

    /// Mistral's form: parts of the content.
    static func writeParts(_ blocks: [ReasoningBlock], to json: inout JSONWriter) {
        for block in blocks where !block.text.isEmpty {
            json.object { json in
                json.field("type", "thinking")
                json.array("thinking") { json in
                    json.object { json in
                        json.field("type", "text")
                        json.field("text", block.text)
                    }
                }
                json.known("signature", block.signature)
            }
        }
    }

    static func write(_ block: ReasoningBlock, to json: inout JSONWriter) {
        if let redacted = block.redacted {
            json.field("type", "redacted_thinking")
            json.field("data", redacted)
        } else {
            json.field("type", "thinking")
            json.field("thinking", block.text)
            if let signature = block.signature { json.field("signature", signature) }
        }
    }
}
