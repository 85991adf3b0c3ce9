import SluiceWire

// The answers of `/v1/responses`, whole and as the events of a stream.
extension MockAnswer {
    func response() -> [UInt8] {
        var json = JSONWriter(reserving: 512)
        json.object { self.response(&$0, text: self.text) }
        return json.bytes
    }

    /// - Parameter text: `nil` while it is still being made.
    private func response(_ json: inout JSONWriter, text: String?) {
        json.field("id", "resp_\(self.id)")
        json.field("object", "response")
        json.field("created_at", self.created)
        json.field("status", text == nil ? "in_progress" : "completed")
        json.field("model", self.request.model)
        json.array("output") { json in
            if let text { json.object { self.message(&$0, text: text) } }
        }
        json.field("parallel_tool_calls", true)
        json.field("tool_choice", "auto")
        json.array("tools") { _ in }
        guard text != nil else { return json.nullField("usage") }
        json.object("usage") { json in
            json.field("input_tokens", self.request.promptTokens)
            json.field("output_tokens", self.request.behaviour.tokens)
            json.field("total_tokens", self.request.promptTokens + self.request.behaviour.tokens)
            json.object("input_tokens_details") { $0.field("cached_tokens", 0) }
            json.object("output_tokens_details") { $0.field("reasoning_tokens", 0) }
        }
    }

    private func message(_ json: inout JSONWriter, text: String?) {
        json.field("type", "message")
        json.field("id", "msg_1")
        json.field("status", text == nil ? "in_progress" : "completed")
        json.field("role", "assistant")
        json.array("content") { json in
            if let text { json.object { Self.part(&$0, text: text) } }
        }
    }

    private static func part(_ json: inout JSONWriter, text: String) {
        json.field("type", "output_text")
        json.field("text", text)
        json.array("annotations") { _ in }
    }

    // MARK: Stream

    private func event(_ type: String, _ number: Int, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.field("type", type)
            json.field("sequence_number", number)
            body(&json)
        }
        return SSEWriter.event(name: type, data: json.bytes)
    }

    private static func place(_ json: inout JSONWriter) {
        json.field("item_id", "msg_1")
        json.field("output_index", 0)
        json.field("content_index", 0)
    }

    func responseOpening() -> [UInt8] {
        self.event("response.created", 0) { json in json.object("response") { self.response(&$0, text: nil) } }
            + self.event("response.output_item.added", 1) { json in
                json.field("output_index", 0)
                json.object("item") { self.message(&$0, text: nil) }
            }
            + self.event("response.content_part.added", 2) { json in
                Self.place(&json)
                json.object("part") { Self.part(&$0, text: "") }
            }
    }

    func responseDelta(_ index: Int) -> [UInt8] {
        self.event("response.output_text.delta", 3 + index) { json in
            Self.place(&json)
            json.field("delta", self.chunkCount == 1 ? self.text : self.word(index))
            json.array("logprobs") { _ in }
        }
    }

    func responseClosing() -> [UInt8] {
        let next = 3 + self.chunkCount
        return self.event("response.output_text.done", next) { json in
            Self.place(&json)
            json.field("text", self.text)
            json.array("logprobs") { _ in }
        }
            + self.event("response.content_part.done", next + 1) { json in
                Self.place(&json)
                json.object("part") { Self.part(&$0, text: self.text) }
            }
            + self.event("response.output_item.done", next + 2) { json in
                json.field("output_index", 0)
                json.object("item") { self.message(&$0, text: self.text) }
            }
            + self.event("response.completed", next + 3) { json in
                json.object("response") { self.response(&$0, text: self.text) }
            }
    }
}
