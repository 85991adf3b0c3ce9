import SluiceWire

/// The bodies that a simulated backend answers with.
struct MockAnswer {
    let id: String
    let request: MockRequest
    let operation: String
    let created: Int

    private var isResponse: Bool { self.operation == "responses" }
    private var isChat: Bool { self.operation == "chat/completions" }
    private static let words = ["lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit"]

    func word(_ index: Int) -> String { (index == 0 ? "" : " ") + Self.words[index % Self.words.count] }

    var text: String {
        if self.request.wantsJSON { return #"{"answer": 42}"# }
        return (0..<self.request.behaviour.tokens).map { self.word($0) }.joined()
    }

    private func usage(_ json: inout JSONWriter) {
        let completion = self.request.behaviour.tokens * self.request.choices
        json.object("usage") { json in
            json.field("prompt_tokens", self.request.promptTokens)
            json.field("completion_tokens", completion)
            json.field("total_tokens", self.request.promptTokens + completion)
        }
    }

    func whole() -> [UInt8] {
        switch self.operation {
        case "embeddings": self.embeddings()
        case "responses": self.response()
        default: self.completion()
        }
    }

    private func completion() -> [UInt8] {
        var json = JSONWriter(reserving: 512)
        json.object { json in
            json.field("id", self.id)
            json.field("object", self.isChat ? "chat.completion" : "text_completion")
            json.field("created", self.created)
            json.field("model", self.request.model)
            json.array("choices") { json in
                for index in 0..<self.request.choices {
                    json.object { json in
                        json.field("index", index)
                        if self.isChat { self.message(&json) } else { json.field("text", self.text) }
                        json.field("finish_reason", self.request.toolName == nil ? "stop" : "tool_calls")
                        json.nullField("logprobs")
                    }
                }
            }
            self.usage(&json)
        }
        return json.bytes
    }

    private func message(_ json: inout JSONWriter) {
        json.object("message") { json in
            json.field("role", "assistant")
            guard let tool = self.request.toolName else { return json.field("content", self.text) }
            json.nullField("content")
            json.array("tool_calls") { json in json.object { self.toolCall(tool, &$0) } }
        }
    }

    private func toolCall(_ tool: String, _ json: inout JSONWriter) {
        json.field("index", 0)
        json.field("id", "call_1")
        json.field("type", "function")
        json.object("function") { json in
            json.field("name", tool)
            json.field("arguments", "{}")
        }
    }

    /// Number of events before the last.
    var chunkCount: Int { self.request.toolName != nil || self.request.wantsJSON ? 1 : self.request.behaviour.tokens }

    /// The event that names the role, as OpenAI's streams begin.
    func opening() -> [UInt8] {
        if self.isResponse { return self.responseOpening() }
        guard self.isChat else { return [] }
        return self.chunk { json in
            json.object("delta") { json in
                json.field("role", "assistant")
                json.field("content", "")
            }
            json.nullField("finish_reason")
        }
    }

    func piece(_ index: Int) -> [UInt8] {
        if self.isResponse { return self.responseDelta(index) }
        return self.chunk { json in
            if !self.isChat {
                json.field("text", self.word(index))
            } else if let tool = self.request.toolName {
                json.object("delta") { json in
                    json.array("tool_calls") { json in json.object { self.toolCall(tool, &$0) } }
                }
            } else {
                json.object("delta") { $0.field("content", self.request.wantsJSON ? self.text : self.word(index)) }
            }
            json.nullField("finish_reason")
        }
    }

    func closing() -> [UInt8] {
        if self.isResponse { return self.responseClosing() }
        var bytes = self.chunk { json in
            if self.isChat { json.object("delta") { _ in } } else { json.field("text", "") }
            json.field("finish_reason", self.request.toolName == nil ? "stop" : "tool_calls")
        }
        if self.request.includesUsage {
            var json = JSONWriter()
            json.object { json in
                self.head(&json)
                json.array("choices") { _ in }
                self.usage(&json)
            }
            bytes += SSEWriter.event(data: json.bytes)
        }
        return bytes + SSEWriter.event(data: Array("[DONE]".utf8))
    }

    private func head(_ json: inout JSONWriter) {
        json.field("id", self.id)
        json.field("object", self.isChat ? "chat.completion.chunk" : "text_completion")
        json.field("created", self.created)
        json.field("model", self.request.model)
    }

    private func chunk(_ choice: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            self.head(&json)
            json.array("choices") { json in
                json.object { json in
                    json.field("index", 0)
                    choice(&json)
                }
            }
        }
        return SSEWriter.event(data: json.bytes)
    }

    private func embeddings() -> [UInt8] {
        var json = JSONWriter()
        let values = (0..<self.request.dimensions).map { Float($0 + 1) / Float(self.request.dimensions) }
        json.object { json in
            json.field("object", "list")
            json.field("model", self.request.model)
            json.array("data") { json in
                for index in 0..<self.request.inputs {
                    json.object { json in
                        json.field("object", "embedding")
                        json.field("index", index)
                        if self.request.wantsBase64 {
                            json.field("embedding", Base64.text(values.flatMap { Self.littleEndian($0) }))
                        } else {
                            json.array("embedding") { json in for value in values { json.value(Double(value)) } }
                        }
                    }
                }
            }
            json.object("usage") { json in
                json.field("prompt_tokens", self.request.promptTokens)
                json.field("total_tokens", self.request.promptTokens)
            }
        }
        return json.bytes
    }

    private static func littleEndian(_ value: Float) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32($0 * 8)) }
    }
}

/// RFC 4648, section 4.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let value = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32((3 - group.count) * 8)
            for place in 0..<4 {
                let isPadding = place > group.count
                result.append(isPadding ? UInt8(ascii: "=") : Self.alphabet[Int(value >> UInt32(18 - place * 6)) & 63])
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
