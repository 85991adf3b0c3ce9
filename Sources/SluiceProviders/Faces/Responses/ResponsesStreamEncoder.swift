import SluiceWire

/// The events of a chat's answer → the event stream of the Responses API.
///
/// Items are numbered as they begin. Reasoning and message end where something else begins; calls stay open to the end,
/// because fragments of several may alternate. What was said is held for the events that repeat it, up to a bound.
package struct ResponsesStreamEncoder: Sendable {
    /// Bytes of text that are held.
    package static let defaultMaximumHeldBytes = 64 << 20

    /// What is being written; calls aside.
    enum Open: Sendable, Equatable {
        case nothing
        case reasoning(Int)
        case message(Int)
    }

    /// A call that may still grow.
    struct OpenCall: Sendable {
        /// Counted by the chat's answer.
        var index: Int
        var item: Int
        var call: ToolCall
    }

    let echo: ResponsesEcho
    private let maximumHeldBytes: Int
    /// Calls of one answer that are told.
    static let maximumCalls = 1_024
    /// What an item counts besides its text.
    static let itemBytes = 512
    var names: ResponsesNames
    private var result: ResponsesResult
    var sequence = 0
    /// What has begun, in order; whole once it has ended.
    var items: [ResponsesOutput] = []
    var open = Open.nothing
    var message = ResponsesMessage()
    var block = ReasoningBlock(text: "")
    var calls: [OpenCall] = []
    /// A piece of text that waits for its log probabilities.
    var heldText: String?
    var heldBytes = 0
    private var finish: FinishReason?
    private var hasStarted = false
    private var hasEnded = false

    /// - Parameters:
    ///   - model: said until the answer says its own.
    ///   - id: names the response until the answer says its own.
    ///   - now: seconds since 1970, for a stream that fails before it begins.
    package init(
        echo: ResponsesEcho,
        model: String,
        id: String,
        now: Int,
        maximumHeldBytes: Int = ResponsesStreamEncoder.defaultMaximumHeldBytes
    ) {
        self.echo = echo
        self.maximumHeldBytes = maximumHeldBytes
        self.names = ResponsesNames(id)
        self.result = ResponsesResult(id: self.names.response, model: model, created: now, end: .inProgress)
    }

    /// Choices but the first are left out: a response has one answer.
    package mutating func encode(_ event: ChatStreamEvent, into bytes: inout [UInt8]) {
        guard !self.hasEnded else { return }
        switch event {
        case .start(let start): return self.start(start, into: &bytes)
        case .done: return self.end(ResponsesEnd(self.finish ?? .stop), into: &bytes)
        case .finish(choice: 0, let reason, native: _): self.finish = reason
        case .usage(let usage): self.result.usage = usage
        default: break
        }
        self.begin(into: &bytes)
        self.encodeContent(event, into: &bytes)
        guard self.heldBytes > self.maximumHeldBytes else { return }
        self.fail(
            ProviderError(.badGateway, "the answer exceeds \(self.maximumHeldBytes) bytes", isRetryable: false),
            into: &bytes
        )
    }

    private mutating func encodeContent(_ event: ChatStreamEvent, into bytes: inout [UInt8]) {
        switch event {
        case .content(choice: 0, let text): self.text(text, into: &bytes)
        case .logprobs(choice: 0, let logprobs):
            self.flushText(ResponsesMessage.entries(logprobs), into: &bytes)
        case .refusal(choice: 0, let text): self.refusal(text, into: &bytes)
        case .reasoning(choice: 0, let text): self.reasoning(text, into: &bytes)
        case .reasoningSignature(choice: 0, let signature): self.sign(signature, into: &bytes)
        case .redactedReasoning(choice: 0, let data): self.redacted(data, into: &bytes)
        case .toolCall(choice: 0, let index, let call): self.call(index, call, into: &bytes)
        case .toolArguments(choice: 0, let index, let fragment): self.arguments(index, fragment, into: &bytes)
        case .citation(choice: 0, let citation): self.citation(citation, into: &bytes)
        default: break
        }
    }

    /// Ends the stream with the error, said twice: as the response's state, and as an event that clients throw at their
    /// callers.
    package mutating func fail(_ error: ProviderError, into bytes: inout [UInt8]) {
        guard !self.hasEnded else { return }
        self.end(.failed(error), into: &bytes)
        let code = error.code ?? error.kind.rawValue
        self.write("error", into: &bytes) { json in
            json.field("code", code)
            json.field("message", error.message)
            json.field("param", error.parameter)
            // The SDKs of OpenAI raise an error for an event with this member, and for no other.
            json.object("error") { json in
                json.field("type", error.kind.rawValue)
                json.field("code", code)
                json.field("message", error.message)
                json.field("param", error.parameter)
            }
        }
    }

    // MARK: Life

    private mutating func start(_ start: ChatStreamStart, into bytes: inout [UInt8]) {
        guard !self.hasStarted else { return }
        if !start.id.isEmpty {
            self.names = ResponsesNames(start.id)
            self.result.id = self.names.response
        }
        if !start.model.isEmpty { self.result.model = start.model }
        if start.created > 0 { self.result.created = start.created }
        self.result.serviceTier = start.serviceTier
        self.begin(into: &bytes)
    }

    private mutating func begin(into bytes: inout [UInt8]) {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        self.writeResponse("response.created", into: &bytes)
        self.writeResponse("response.in_progress", into: &bytes)
    }

    private mutating func end(_ end: ResponsesEnd, into bytes: inout [UInt8]) {
        self.begin(into: &bytes)
        self.close(end.itemStatus, into: &bytes)
        self.closeCalls(end.itemStatus, into: &bytes)
        self.hasEnded = true
        self.result.end = end
        self.writeResponse("response.\(end.status)", into: &bytes)
        self.items = []
    }

    private mutating func writeResponse(_ type: String, into bytes: inout [UInt8]) {
        let (result, echo, items) = (self.result, self.echo, self.items)
        self.write(type, into: &bytes) { json in
            json.object("response") { json in
                result.write(into: &json, echo) { json in for item in items { item.write(into: &json) } }
            }
        }
    }
}

// MARK: - Message

extension ResponsesStreamEncoder {
    private mutating func text(_ text: String, into bytes: inout [UInt8]) {
        guard !text.isEmpty else { return }
        self.flushText([], into: &bytes)
        // A part that follows a refusal would stand before it in the message.
        if !self.message.refusal.isEmpty { self.close("completed", into: &bytes) }
        let index = self.openMessage(into: &bytes)
        if self.message.text.isEmpty {
            self.write("response.content_part.added", index, into: &bytes) { json in
                json.field("content_index", 0)
                json.object("part") { ResponsesMessage().writeText(into: &$0) }
            }
        }
        self.message.text += text
        self.heldBytes += text.utf8.count
        self.heldText = text
        if !self.echo.wantsLogprobs { self.flushText([], into: &bytes) }
    }

    mutating func flushText(_ logprobs: [JSONText], into bytes: inout [UInt8]) {
        guard let text = self.heldText, case .message(let index) = self.open else { return }
        self.heldText = nil
        for entry in logprobs { self.heldBytes += entry.bytes.count }
        self.message.logprobs.append(contentsOf: logprobs)
        self.write("response.output_text.delta", index, into: &bytes) { json in
            json.field("content_index", 0)
            json.field("delta", text)
            json.array("logprobs") { json in for entry in logprobs { json.value(entry) } }
        }
    }

    private mutating func refusal(_ text: String, into bytes: inout [UInt8]) {
        guard !text.isEmpty else { return }
        self.flushText([], into: &bytes)
        let index = self.openMessage(into: &bytes)
        let part = self.message.text.isEmpty ? 0 : 1
        if self.message.refusal.isEmpty {
            if part == 1 { self.closeText(index, into: &bytes) }
            self.write("response.content_part.added", index, into: &bytes) { json in
                json.field("content_index", part)
                json.object("part") { ResponsesMessage().writeRefusal(into: &$0) }
            }
        }
        self.message.refusal += text
        self.heldBytes += text.utf8.count
        self.write("response.refusal.delta", index, into: &bytes) { json in
            json.field("content_index", part)
            json.field("delta", text)
        }
    }

    private mutating func citation(_ citation: Citation, into bytes: inout [UInt8]) {
        self.flushText([], into: &bytes)
        guard case .message(let index) = self.open, !self.message.text.isEmpty else { return }
        // Its end is settled now: the text may go on.
        var citation = citation
        if citation.range == nil { citation.range = 0..<self.message.text.unicodeScalars.count }
        guard let annotation = ResponsesMessage.annotation(citation, in: self.message.text) else { return }
        let number = self.message.citations.count
        self.message.citations.append(citation)
        self.heldBytes += annotation.bytes.count
        self.write("response.output_text.annotation.added", index, into: &bytes) { json in
            json.field("content_index", 0)
            json.field("annotation_index", number)
            json.field("annotation", annotation)
        }
    }

    private mutating func openMessage(into bytes: inout [UInt8]) -> Int {
        if case .message(let index) = self.open { return index }
        self.close("completed", into: &bytes)
        let index = self.add("msg", .message(ResponsesMessage()), into: &bytes)
        self.open = .message(index)
        return index
    }

    private mutating func closeText(_ index: Int, into bytes: inout [UInt8]) {
        let message = self.message
        self.write("response.output_text.done", index, into: &bytes) { json in
            json.field("content_index", 0)
            json.field("text", message.text)
            json.array("logprobs") { json in for entry in message.logprobs { json.value(entry) } }
        }
        self.write("response.content_part.done", index, into: &bytes) { json in
            json.field("content_index", 0)
            json.object("part") { message.writeText(into: &$0) }
        }
    }

    mutating func closeMessage(_ index: Int, into bytes: inout [UInt8]) {
        self.flushText([], into: &bytes)
        guard !self.message.refusal.isEmpty else {
            if !self.message.text.isEmpty { self.closeText(index, into: &bytes) }
            return
        }
        let message = self.message
        let part = message.text.isEmpty ? 0 : 1
        self.write("response.refusal.done", index, into: &bytes) { json in
            json.field("content_index", part)
            json.field("refusal", message.refusal)
        }
        self.write("response.content_part.done", index, into: &bytes) { json in
            json.field("content_index", part)
            json.object("part") { message.writeRefusal(into: &$0) }
        }
    }
}
