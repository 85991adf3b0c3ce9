import SluiceWire

// MARK: - Reasoning

extension ResponsesStreamEncoder {
    mutating func reasoning(_ text: String, into bytes: inout [UInt8]) {
        guard !text.isEmpty else { return }
        let index = self.openReasoning(into: &bytes)
        if self.block.text.isEmpty {
            self.write("response.reasoning_summary_part.added", index, into: &bytes) { json in
                json.field("summary_index", 0)
                Self.writeSummary("", into: &json)
            }
        }
        self.block.text += text
        self.heldBytes += text.utf8.count
        self.write("response.reasoning_summary_text.delta", index, into: &bytes) { json in
            json.field("summary_index", 0)
            json.field("delta", text)
        }
    }

    /// An empty signature ends a block that has none.
    mutating func sign(_ signature: String, into bytes: inout [UInt8]) {
        guard !signature.isEmpty else {
            if case .reasoning = self.open { self.close("completed", into: &bytes) }
            return
        }
        _ = self.openReasoning(into: &bytes)
        self.block.signature = signature
        self.heldBytes += signature.utf8.count
        self.close("completed", into: &bytes)
    }

    mutating func redacted(_ data: String, into bytes: inout [UInt8]) {
        self.close("completed", into: &bytes)
        _ = self.openReasoning(into: &bytes)
        self.block.redacted = data
        self.heldBytes += data.utf8.count
        self.close("completed", into: &bytes)
    }

    private mutating func openReasoning(into bytes: inout [UInt8]) -> Int {
        if case .reasoning(let index) = self.open { return index }
        self.close("completed", into: &bytes)
        let index = self.add("rs", .reasoning(ReasoningBlock(text: "")), into: &bytes)
        self.open = .reasoning(index)
        return index
    }

    private mutating func closeReasoning(_ index: Int, into bytes: inout [UInt8]) {
        let text = self.block.text
        guard !text.isEmpty else { return }
        self.write("response.reasoning_summary_text.done", index, into: &bytes) { json in
            json.field("summary_index", 0)
            json.field("text", text)
        }
        self.write("response.reasoning_summary_part.done", index, into: &bytes) { json in
            json.field("summary_index", 0)
            Self.writeSummary(text, into: &json)
        }
    }

    private static func writeSummary(_ text: String, into json: inout JSONWriter) {
        json.object("part") { json in
            json.field("type", "summary_text")
            json.field("text", text)
        }
    }

    // MARK: Calls

    mutating func call(_ index: Int, _ call: ToolCall, into bytes: inout [UInt8]) {
        guard !self.calls.contains(where: { $0.index == index }) else {
            return self.arguments(index, call.arguments, into: &bytes)
        }
        guard self.calls.count < Self.maximumCalls else { return }
        self.close("completed", into: &bytes)
        self.heldBytes += call.id.utf8.count + call.name.utf8.count
        var begun = call
        begun.arguments = ""
        let item = self.add(call.isCustom ? "ctc" : "fc", .call(begun), into: &bytes)
        self.calls.append(OpenCall(index: index, item: item, call: begun))
        self.arguments(index, call.arguments, into: &bytes)
    }

    /// A fragment of a call that never began is left out: nobody could tell what it belongs to.
    mutating func arguments(_ index: Int, _ fragment: String, into bytes: inout [UInt8]) {
        guard !fragment.isEmpty, let place = self.calls.lastIndex(where: { $0.index == index }) else { return }
        self.calls[place].call.arguments += fragment
        self.heldBytes += fragment.utf8.count
        let isCustom = self.calls[place].call.isCustom
        let type = isCustom ? "response.custom_tool_call_input.delta" : "response.function_call_arguments.delta"
        self.write(type, self.calls[place].item, into: &bytes) { json in json.field("delta", fragment) }
    }

    mutating func closeCalls(_ status: String, into bytes: inout [UInt8]) {
        for open in self.calls {
            let call = open.call
            let type = call.isCustom ? "response.custom_tool_call_input.done" : "response.function_call_arguments.done"
            self.write(type, open.item, into: &bytes) { json in
                json.field(call.isCustom ? "input" : "arguments", call.arguments)
                if !call.isCustom { json.field("name", call.name) }
            }
            self.finish(open.item, .call(call), status, into: &bytes)
        }
        self.calls = []
    }

    // MARK: Items

    /// Begins an item and answers its index.
    mutating func add(_ kind: String, _ content: ResponsesOutput.Kind, into bytes: inout [UInt8]) -> Int {
        let index = self.items.count
        self.heldBytes += Self.itemBytes
        let item = ResponsesOutput(id: self.names.item(kind, index), kind: content, status: "in_progress")
        self.items.append(item)
        self.writeItem("response.output_item.added", index, item, into: &bytes)
        return index
    }

    /// Ends the reasoning or the message that is being written.
    mutating func close(_ status: String, into bytes: inout [UInt8]) {
        switch self.open {
        case .nothing: return
        case .reasoning(let index):
            self.closeReasoning(index, into: &bytes)
            self.finish(index, .reasoning(self.block), status, into: &bytes)
        case .message(let index):
            self.closeMessage(index, into: &bytes)
            self.finish(index, .message(self.message), status, into: &bytes)
        }
        self.open = .nothing
        self.block = ReasoningBlock(text: "")
        self.message = ResponsesMessage()
    }

    private mutating func finish(
        _ index: Int,
        _ content: ResponsesOutput.Kind,
        _ status: String,
        into bytes: inout [UInt8]
    ) {
        guard self.items.indices.contains(index) else { return }
        self.items[index].kind = content
        self.items[index].status = status
        self.writeItem("response.output_item.done", index, self.items[index], into: &bytes)
    }

    private mutating func writeItem(
        _ type: String,
        _ index: Int,
        _ item: ResponsesOutput,
        into bytes: inout [UInt8]
    ) {
        self.write(type, into: &bytes) { json in
            json.field("output_index", index)
            json.object("item") { item.writeMembers(into: &$0) }
        }
    }

    // MARK: Events

    /// An event about an item.
    mutating func write(
        _ type: String,
        _ index: Int,
        into bytes: inout [UInt8],
        _ body: (inout JSONWriter) -> Void
    ) {
        let id = self.items.indices.contains(index) ? self.items[index].id : ""
        self.write(type, into: &bytes) { json in
            json.field("item_id", id)
            json.field("output_index", index)
            body(&json)
        }
    }

    mutating func write(_ type: String, into bytes: inout [UInt8], _ body: (inout JSONWriter) -> Void) {
        var json = JSONWriter(reserving: 320)
        let number = self.sequence
        self.sequence += 1
        json.object { json in
            json.field("type", type)
            json.field("sequence_number", number)
            body(&json)
        }
        bytes.append(contentsOf: "event: ".utf8)
        bytes.append(contentsOf: type.utf8)
        bytes.append(contentsOf: "\ndata: ".utf8)
        bytes.append(contentsOf: json.bytes)
        bytes.append(contentsOf: "\n\n".utf8)
    }
}
