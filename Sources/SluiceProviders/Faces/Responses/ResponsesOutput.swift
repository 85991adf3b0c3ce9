import SluiceWire

/// An item of a response's output.
struct ResponsesOutput: Sendable {
    enum Kind: Sendable {
        case reasoning(ReasoningBlock)
        case message(ResponsesMessage)
        case call(ToolCall)
    }

    var id: String
    var kind: Kind
    /// `in_progress`, `completed` or `incomplete`.
    var status: String

    /// A whole answer's items: reasoning, message, calls.
    static func items(of choice: ChatChoice?, _ names: ResponsesNames) -> [ResponsesOutput] {
        guard let choice else { return [] }
        var items: [ResponsesOutput] = []
        for block in choice.reasoning where !block.text.isEmpty || ResponsesReasoning.sealed(block) != nil {
            items.append(
                ResponsesOutput(id: names.item("rs", items.count), kind: .reasoning(block), status: "completed")
            )
        }
        var message = ResponsesMessage()
        message.text = choice.content ?? ""
        message.refusal = choice.refusal ?? ""
        message.citations = choice.citations
        message.addLogprobs(choice.logprobs)
        if !message.isEmpty {
            items.append(
                ResponsesOutput(
                    id: names.item("msg", items.count),
                    kind: .message(message),
                    status: ResponsesEnd(choice.finishReason).itemStatus
                )
            )
        }
        for call in choice.toolCalls {
            let id = names.item(call.isCustom ? "ctc" : "fc", items.count)
            items.append(ResponsesOutput(id: id, kind: .call(call), status: "completed"))
        }
        return items
    }

    func write(into json: inout JSONWriter) {
        json.object { self.writeMembers(into: &$0) }
    }

    func writeMembers(into json: inout JSONWriter) {
        json.field("id", self.id)
        switch self.kind {
        case .reasoning(let block):
            json.field("type", "reasoning")
            json.array("summary") { json in
                guard !block.text.isEmpty else { return }
                json.object { json in
                    json.field("type", "summary_text")
                    json.field("text", block.text)
                }
            }
            if let sealed = ResponsesReasoning.sealed(block) { json.field("encrypted_content", sealed) }
            json.field("status", self.status)
        case .message(let message):
            json.field("type", "message")
            json.field("status", self.status)
            json.field("role", "assistant")
            json.array("content") { message.writeParts(into: &$0) }
        case .call(let call):
            json.field("type", call.isCustom ? "custom_tool_call" : "function_call")
            json.field("status", self.status)
            json.field("call_id", call.id)
            json.field("name", call.name)
            json.field(call.isCustom ? "input" : "arguments", call.arguments)
        }
    }
}

/// What a message of the output is made of: at most a text and a refusal.
struct ResponsesMessage: Sendable {
    var text = ""
    var refusal = ""
    var citations: [Citation] = []
    /// Of the text's tokens, each a JSON object.
    var logprobs: [JSONText] = []

    var isEmpty: Bool { self.text.isEmpty && self.refusal.isEmpty }

    func writeParts(into json: inout JSONWriter) {
        if !self.text.isEmpty || !self.citations.isEmpty { json.object { self.writeText(into: &$0) } }
        if !self.refusal.isEmpty { json.object { self.writeRefusal(into: &$0) } }
    }

    func writeText(into json: inout JSONWriter) {
        json.field("type", "output_text")
        json.field("text", self.text)
        json.array("annotations") { json in
            for citation in self.citations {
                guard let annotation = Self.annotation(citation, in: self.text) else { continue }
                json.value(annotation)
            }
        }
        json.array("logprobs") { json in for entry in self.logprobs { json.value(entry) } }
    }

    func writeRefusal(into json: inout JSONWriter) {
        json.field("type", "refusal")
        json.field("refusal", self.refusal)
    }

    /// - Returns: `nil` for a source without an address: the API has no form for it.
    static func annotation(_ citation: Citation, in text: String) -> JSONText? {
        guard let url = citation.url else { return nil }
        let range = citation.range
        var json = JSONWriter(reserving: 128)
        json.object { json in
            json.field("type", "url_citation")
            json.field("url", url)
            json.field("title", citation.title ?? "")
            json.field("start_index", range?.lowerBound ?? 0)
            json.field("end_index", range?.upperBound ?? text.unicodeScalars.count)
        }
        return JSONText(trusted: json.bytes)
    }

    /// - Parameter logprobs: chat's `{"content":[…]}`, or the list itself.
    mutating func addLogprobs(_ logprobs: JSONText?) {
        guard let logprobs else { return }
        self.logprobs.append(contentsOf: Self.entries(logprobs))
    }

    /// Chat allows `bytes` to be null, here it is a list.
    static func entries(_ logprobs: JSONText) -> [JSONText] {
        let read = try? JSON.read(logprobs.bytes) { root -> [JSONText] in
            guard let list = root.kind == .array ? root : root["content"], list.kind == .array else { return [] }
            return RequestFields.elements(of: list).compactMap { entry in
                guard entry.kind == .object else { return nil }
                var json = JSONWriter(reserving: 128)
                json.object { json in
                    Self.writeToken(entry, into: &json)
                    json.array("top_logprobs") { json in
                        guard let alternatives = entry["top_logprobs"] else { return }
                        for alternative in RequestFields.elements(of: alternatives) {
                            json.object { Self.writeToken(alternative, into: &$0) }
                        }
                    }
                }
                return JSONText(trusted: json.bytes)
            }
        }
        return read ?? []
    }

    private static func writeToken(_ entry: JSONValue, into json: inout JSONWriter) {
        let token = entry["token"]?.string ?? ""
        json.field("token", token)
        json.field("logprob", entry["logprob"]?.double ?? 0)
        if let bytes = entry["bytes"], bytes.kind == .array {
            json.field("bytes", bytes.text)
        } else {
            json.array("bytes") { json in for byte in token.utf8 { json.value(Int(byte)) } }
        }
    }
}
