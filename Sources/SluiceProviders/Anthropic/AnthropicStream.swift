import SluiceWire

/// Reads a streamed message of Anthropic's.
///
/// Blocks come one after the other, each with an index of its own; calls are counted apart from them. The answer is
/// complete when `message_stop` has come, and not before.
struct AnthropicStream: ChatStreamDecoder {
    /// Citations of one block, bytes of a custom tool's input, and blocks that are open at once.
    private static let maximumCitations = 1_024
    private static let maximumInputBytes = 4 << 20
    private static let maximumOpenBlocks = 64

    private enum Kind {
        case text
        case thinking
        case call(index: Int)
        case customCall(index: Int)
        /// A call that stands for the response format.
        case format
        /// The provider's own affair.
        case ignored
    }

    private struct Block {
        var index: Int
        var kind: Kind
        var hasInput = false
        var hasSignature = false
        /// Where its text begins in the answer, in Unicode scalars.
        var start = 0
        var citations: [Citation] = []
        /// Input of a custom call, which is unpacked when it is whole.
        var input: [UInt8] = []
    }

    private let call: PreparedCall
    private var parser = SSEParser()
    private var events: [SSEEvent] = []
    private var blocks: [Block] = []
    private var usage = AnthropicUsage()
    private var callCount = 0
    private var scalars = 0
    private var stopReason: String?
    private var hasStarted = false
    private var isDone = false

    /// The provider's name of the request.
    private let requestID: String?

    init(_ call: PreparedCall, requestID: String?) {
        self.call = call
        self.requestID = requestID
    }

    mutating func feed(_ bytes: [UInt8], _ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        var events: [SSEEvent] = []
        swap(&events, &self.events)
        do {
            try self.parser.feed(bytes) { events.append($0) }
        } catch {
            throw .malformed(AnthropicBody.provider, "an event of its stream is too large")
        }
        for event in events {
            guard !self.isDone else { break }
            try self.read(event.data, emit)
        }
        events.removeAll(keepingCapacity: true)
        swap(&events, &self.events)
    }

    mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        guard self.isDone else { throw .truncated(AnthropicBody.provider) }
    }

    private mutating func read(_ data: [UInt8], _ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        var failure: ProviderError?
        let isRead: Void? = try? JSON.read(data) { root in failure = self.read(root, emit) }
        guard isRead != nil else { throw .malformed(AnthropicBody.provider, "an event of its stream is no JSON") }
        if let failure { throw failure }
    }

    private mutating func read(_ root: JSONValue, _ emit: (ChatStreamEvent) -> Void) -> ProviderError? {
        switch root["type"]?.string {
        case "content_block_delta":
            if let delta = root["delta"], let place = self.place(root) { return self.read(delta, place, emit) }
        case "content_block_start":
            if let block = root["content_block"] { return self.start(block, root["index"]?.int ?? 0, emit) }
        case "content_block_stop":
            if let place = self.place(root) { self.stop(self.blocks.remove(at: place), emit) }
        case "message_start": self.start(root["message"], emit)
        case "message_delta":
            self.readEnd(root, emit)
            return AnthropicStop.failure(self.stopReason, requestID: self.requestID)
        case "message_stop": self.end(emit)
        case "error": return AnthropicErrors.reported(root)
        // Pings, and what is newer than we are.
        default: break
        }
        return nil
    }

    /// Which of the open blocks an event is about.
    private func place(_ root: JSONValue) -> Int? {
        let index = root["index"]?.int ?? 0
        return self.blocks.lastIndex { $0.index == index }
    }

    // MARK: The message

    private mutating func start(_ message: JSONValue?, _ emit: (ChatStreamEvent) -> Void) {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        self.usage.read(message?["usage"])
        var start = ChatStreamStart(
            id: message?["id"]?.string ?? self.call.requestID,
            model: message?["model"]?.string ?? self.call.model,
            created: self.call.now
        )
        start.serviceTier = self.usage.serviceTier
        start.requestID = self.requestID
        emit(.start(start))
    }

    private mutating func readEnd(_ root: JSONValue, _ emit: (ChatStreamEvent) -> Void) {
        self.usage.read(root["usage"])
        guard let delta = root["delta"] else { return }
        if let reason = delta["stop_reason"]?.string { self.stopReason = reason }
        if let stop = delta["stop_sequence"], stop.kind == .string {
            emit(.choiceField(choice: 0, JSONField("stop_sequence", stop.text)))
        }
        if let details = delta["stop_details"], details.kind == .object {
            if let explanation = details["explanation"]?.string { emit(.refusal(choice: 0, explanation)) }
            emit(.choiceField(choice: 0, JSONField("stop_details", details.text)))
        }
    }

    private mutating func end(_ emit: (ChatStreamEvent) -> Void) {
        self.start(nil, emit)
        for block in self.blocks { self.stop(block, emit) }
        self.blocks = []
        let reason = AnthropicStop.reason(self.stopReason, hasCalls: self.callCount > 0)
        emit(.finish(choice: 0, reason, native: self.stopReason))
        if let usage = self.usage.chat { emit(.usage(usage)) }
        emit(.done)
        self.isDone = true
    }

    // MARK: Blocks

    private mutating func start(
        _ content: JSONValue,
        _ index: Int,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        self.start(nil, emit)
        guard self.blocks.count < Self.maximumOpenBlocks else {
            return .malformed(AnthropicBody.provider, "too many blocks of its stream are open at once")
        }
        var block = Block(index: index, kind: .ignored, start: self.scalars)
        switch content["type"]?.string {
        case "text":
            block.kind = .text
            if let text = content["text"]?.string { self.emit(text, emit) }
        case "thinking":
            block.kind = .thinking
            if let text = content["thinking"]?.string, !text.isEmpty { emit(.reasoning(choice: 0, text)) }
            if let signature = content["signature"]?.string, !signature.isEmpty {
                block.hasSignature = true
                emit(.reasoningSignature(choice: 0, signature))
            }
        case "redacted_thinking":
            if let data = content["data"]?.string { emit(.redactedReasoning(choice: 0, data)) }
        case "tool_use": self.startCall(content, &block, emit)
        default: break
        }
        self.blocks.append(block)
        return nil
    }

    private mutating func emit(_ text: String, _ emit: (ChatStreamEvent) -> Void) {
        guard !text.isEmpty else { return }
        self.scalars += text.unicodeScalars.count
        emit(.content(choice: 0, text))
    }

    private mutating func startCall(_ content: JSONValue, _ block: inout Block, _ emit: (ChatStreamEvent) -> Void) {
        let name = content["name"]?.string ?? ""
        // Some servers send the input at once.
        let input = content["input"].flatMap { $0.count > 0 ? $0 : nil }?.text.text ?? ""
        if name == self.call.formatTool {
            block.kind = .format
            block.hasInput = !input.isEmpty
            return self.emit(input, emit)
        }
        let original = self.call.toolNames.isEmpty ? name : self.call.toolNames[name] ?? name
        let isCustom = self.call.customTools.contains(original)
        let index = self.callCount
        self.callCount += 1
        var call = ToolCall(id: content["id"]?.string ?? "", name: original, arguments: "", isCustom: isCustom)
        if isCustom {
            block.kind = .customCall(index: index)
            block.input = Array(input.utf8)
        } else {
            block.kind = .call(index: index)
            block.hasInput = !input.isEmpty
            call.arguments = input
        }
        emit(.toolCall(choice: 0, index: index, call))
    }

    private mutating func read(
        _ delta: JSONValue,
        _ place: Int,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        switch delta["type"]?.string {
        case "text_delta":
            if case .text = self.blocks[place].kind, let text = delta["text"]?.string { self.emit(text, emit) }
        case "input_json_delta":
            if let part = delta["partial_json"]?.string, !part.isEmpty { return self.read(part, place, emit) }
        case "thinking_delta":
            if let text = delta["thinking"]?.string, !text.isEmpty { emit(.reasoning(choice: 0, text)) }
        case "signature_delta":
            if let signature = delta["signature"]?.string, !signature.isEmpty {
                self.blocks[place].hasSignature = true
                emit(.reasoningSignature(choice: 0, signature))
            }
        case "citations_delta":
            guard self.blocks[place].citations.count < Self.maximumCitations else {
                return .malformed(AnthropicBody.provider, "a block of its stream has too many citations")
            }
            if let citation = delta["citation"] {
                // How far the text reaches is known when the block ends.
                self.blocks[place].citations.append(AnthropicCitation.read(citation, 0..<0))
            }
        default: break
        }
        return nil
    }

    private mutating func read(
        _ part: String,
        _ place: Int,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        switch self.blocks[place].kind {
        case .call(let index):
            self.blocks[place].hasInput = true
            emit(.toolArguments(choice: 0, index: index, part))
        case .format:
            self.blocks[place].hasInput = true
            self.emit(part, emit)
        case .customCall:
            self.blocks[place].input.append(contentsOf: part.utf8)
            guard self.blocks[place].input.count <= Self.maximumInputBytes else {
                return .malformed(AnthropicBody.provider, "a call in its stream is too large")
            }
        case .text, .thinking, .ignored: break
        }
        return nil
    }

    private mutating func stop(_ block: Block, _ emit: (ChatStreamEvent) -> Void) {
        switch block.kind {
        case .call(let index):
            // A tool without parameters: an empty text would be no JSON.
            if !block.hasInput { emit(.toolArguments(choice: 0, index: index, "{}")) }
        case .format:
            if !block.hasInput { self.emit("{}", emit) }
        case .customCall(let index):
            let text = (try? JSON.read(block.input) { $0["input"]?.string }) ?? nil
            let input = text ?? String(decoding: block.input, as: UTF8.self)
            if !input.isEmpty { emit(.toolArguments(choice: 0, index: index, input)) }
        case .text:
            for var citation in block.citations {
                citation.range = block.start..<max(block.start, self.scalars)
                emit(.citation(choice: 0, citation))
            }
        case .thinking:
            if !block.hasSignature { emit(.reasoningSignature(choice: 0, "")) }
        case .ignored: break
        }
    }
}
