import SluiceWire

/// A conversation in Cohere's words, which are nearly OpenAI's.
struct CohereMessages {
    private let messages: [ChatMessage]
    private let provider: String
    /// Whether the model's thoughts are parts of its messages; otherwise what it thought before calling tools is its
    /// plan.
    private let hasThoughtParts: Bool
    /// The first thing that cannot be said.
    private(set) var failure: ProviderError?
    /// The last call of every function so far, for results that name the function only.
    private var lastCalls: [String: String] = [:]

    init(_ messages: [ChatMessage], _ model: String, provider: String) {
        self.messages = messages
        self.provider = provider
        self.hasThoughtParts = CohereThinking.isKnown(to: model)
    }

    mutating func write(to json: inout JSONWriter) {
        json.array("messages") { json in
            for message in self.messages {
                switch message.role {
                case .system, .developer: self.write(message, "system", to: &json)
                case .user: self.write(message, "user", to: &json)
                case .assistant: self.writeAssistant(message, to: &json)
                case .tool, .function: self.writeResult(message, to: &json)
                }
            }
        }
    }

    private mutating func write(_ message: ChatMessage, _ role: String, to json: inout JSONWriter) {
        json.object { json in
            json.field("role", role)
            self.writeContent(message.content, to: &json)
        }
    }

    /// A text alone is a string.
    private mutating func writeContent(_ parts: [ContentPart], to json: inout JSONWriter) {
        if parts.count <= 1, let text = parts.isEmpty ? "" : parts[0].text {
            return json.field("content", text)
        }
        json.array("content") { json in for part in parts { self.write(part, to: &json) } }
    }

    private mutating func write(_ part: ContentPart, to json: inout JSONWriter) {
        switch part.kind {
        case .text(let text), .refusal(let text): Self.writeText(text, to: &json)
        case .image(.url(let url), let detail): Self.writeImage(url, detail, to: &json)
        case .image(.base64(let data, let type), let detail):
            Self.writeImage("data:\(type);base64,\(data)", detail, to: &json)
        case .image(.fileID, _): self.refuse("an image by the id of a file")
        case .audio: self.refuse("audio")
        case .file: self.refuse("a file")
        case .other(let value): self.refuse("a content part of an unknown type: \(value.text.prefix(80))")
        }
    }

    private static func writeText(_ text: String, to json: inout JSONWriter) {
        json.object { json in
            json.field("type", "text")
            json.field("text", text)
        }
    }

    private static func writeImage(_ url: String, _ detail: String?, to json: inout JSONWriter) {
        json.object { json in
            json.field("type", "image_url")
            json.object("image_url") { json in
                json.field("url", url)
                if let detail { json.field("detail", detail) }
            }
        }
    }

    private mutating func writeAssistant(_ message: ChatMessage, to json: inout JSONWriter) {
        for call in message.toolCalls where !call.id.isEmpty { self.lastCalls[call.name] = call.id }
        let thoughts = message.reasoning.reduce(into: "") { $0 += $1.text }
        let hasThoughts = self.hasThoughtParts && !thoughts.isEmpty
        let hasContent = !message.content.isEmpty || message.refusal != nil || hasThoughts
        guard hasContent || !message.toolCalls.isEmpty else { return }
        json.object { json in
            json.field("role", "assistant")
            if hasThoughts || message.refusal != nil {
                json.array("content") { json in
                    if hasThoughts {
                        json.object { json in
                            json.field("type", "thinking")
                            json.field("thinking", thoughts)
                        }
                    }
                    for part in message.content { self.write(part, to: &json) }
                    if let refusal = message.refusal { Self.writeText(refusal, to: &json) }
                }
            } else if !message.content.isEmpty {
                self.writeContent(message.content, to: &json)
            }
            guard !message.toolCalls.isEmpty else { return }
            if !self.hasThoughtParts, !thoughts.isEmpty { json.field("tool_plan", thoughts) }
            json.array("tool_calls") { json in
                for call in message.toolCalls {
                    json.object { json in
                        json.field("id", call.id.isEmpty ? call.name : call.id)
                        json.field("type", "function")
                        json.object("function") { json in
                            json.field("name", call.name)
                            json.field("arguments", call.arguments.isEmpty ? "{}" : call.arguments)
                        }
                    }
                }
            }
        }
    }

    private mutating func writeResult(_ message: ChatMessage, to json: inout JSONWriter) {
        let id = message.toolCallID ?? message.name.map { self.lastCalls[$0] ?? $0 } ?? ""
        json.object { json in
            json.field("role", "tool")
            json.field("tool_call_id", id)
            let text = message.isError ? "{\"error\":\(JSONText(stringLiteral: message.text).text)}" : nil
            if let text { json.field("content", text) } else { self.writeContent(message.content, to: &json) }
        }
        let hasPictures = message.content.contains { part in
            switch part.kind {
            case .text, .refusal: false
            default: true
            }
        }
        if hasPictures { self.refuse("a tool's result that is not text") }
    }

    private mutating func refuse(_ what: String) {
        guard self.failure == nil else { return }
        self.failure = ProviderError(
            .badRequest,
            "Cohere cannot be sent \(what)",
            provider: self.provider,
            code: "unsupported_content",
            parameter: "messages"
        )
    }
}
