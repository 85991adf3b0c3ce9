import SluiceWire

/// Reads a stream of ConverseStream's.
///
/// The answer is whole only if `messageStop` came and the bytes end with a whole message; what it has used follows in
/// `metadata`. Messages of unknown kinds are skipped.
struct BedrockStreamDecoder: ChatStreamDecoder {
    /// A part of the answer that is still being written.
    private enum Block {
        /// Where it begins in the answer, in Unicode scalars.
        case text(start: Int)
        case reasoning(signature: String)
        case call(index: Int, hasArguments: Bool)
        /// The call that stands for the answer.
        case format(hasInput: Bool)
        case image(format: String)
        /// What the provider does by itself.
        case own
    }

    private static let maximumOpenBlocks = 256
    private static let maximumCalls = 1_024
    /// That wait for the end of their blocks.
    private static let maximumCitations = 1_024

    private var events = EventStreamDecoder()
    private var blocks: [(index: Int, block: Block)] = []
    private var citations: [(index: Int, citation: Citation)] = []
    /// Length of the answer so far, in Unicode scalars.
    private var scalars = 0
    private var callCount = 0
    private var hasStarted = false
    private var hasStopped = false
    private let requestID: String?
    private let call: PreparedCall

    init(_ headers: HTTPFields, for call: PreparedCall) {
        self.requestID = ProviderRequestID.read(headers)
        self.call = call
    }

    mutating func feed(_ bytes: [UInt8], _ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        var events = EventStreamDecoder()
        swap(&events, &self.events)
        var fault: ProviderError?
        do throws(EventStreamError) {
            try events.feed(bytes) { message in
                if fault == nil { fault = self.take(message, emit) }
            }
        } catch {
            fault = fault ?? .malformed(BedrockHandler.name, "\(error)")
        }
        swap(&events, &self.events)
        if var fault {
            fault.requestID = fault.requestID ?? self.requestID
            throw fault
        }
    }

    mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        guard self.hasStopped, self.events.isAtRest else {
            var fault = ProviderError.truncated(BedrockHandler.name)
            fault.requestID = self.requestID
            throw fault
        }
        emit(.done)
    }

    private mutating func take(
        _ message: EventStreamMessage,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        switch message.text(":message-type") {
        case "event", nil: break
        case "exception", "error": return BedrockErrors.inStream(message, requestID: self.requestID)
        default: return nil
        }
        let type = message.text(":event-type") ?? ""
        guard Self.types.contains(type) else { return nil }
        do {
            return try JSON.read(message.payload) { root in self.take(type, root, emit) }
        } catch {
            return .malformed(BedrockHandler.name, "the \(type) in its stream is no JSON")
        }
    }

    private static let types = [
        "contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStart", "messageStop", "metadata",
    ]

    private mutating func take(
        _ type: String,
        _ root: JSONValue,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        if type == "metadata" {
            self.start(emit)
            if let usage = root["usage"].flatMap({ ChatUsage(bedrock: $0) }) { emit(.usage(usage)) }
            return nil
        }
        guard !self.hasStopped else {
            return .malformed(BedrockHandler.name, "its stream goes on with \(type) after messageStop")
        }
        self.start(emit)
        let index = root["contentBlockIndex"]?.int ?? 0
        switch type {
        case "contentBlockStart": return self.open(index, root["start"], emit)
        case "contentBlockDelta": return self.add(index, root["delta"], emit)
        case "contentBlockStop": self.close(index, emit)
        case "messageStop": return self.stop(root["stopReason"]?.string, emit)
        default: break
        }
        return nil
    }

    private mutating func start(_ emit: (ChatStreamEvent) -> Void) {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        var start = ChatStreamStart(id: self.call.requestID, model: self.call.model, created: self.call.now)
        start.requestID = self.requestID
        emit(.start(start))
    }

    // MARK: Blocks

    private func position(_ index: Int) -> Int? { self.blocks.firstIndex { $0.index == index } }

    /// Puts a block in place of what is open under this index.
    private mutating func set(_ index: Int, _ block: Block) -> ProviderError? {
        if let position = self.position(index) {
            self.blocks[position].block = block
        } else {
            guard self.blocks.count < Self.maximumOpenBlocks else {
                return .malformed(BedrockHandler.name, "more than \(Self.maximumOpenBlocks) blocks are open at once")
            }
            self.blocks.append((index, block))
        }
        return nil
    }

    private mutating func open(
        _ index: Int,
        _ start: JSONValue?,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        self.close(index, emit)
        if let image = start?["image"] { return self.set(index, .image(format: image["format"]?.string ?? "png")) }
        if start?["toolResult"] != nil { return self.set(index, .own) }
        guard let use = start?["toolUse"] else { return nil }
        guard use["type"]?.string != "server_tool_use" else { return self.set(index, .own) }
        let name = use["name"]?.string ?? ""
        if name == self.call.formatTool { return self.set(index, .format(hasInput: false)) }
        guard self.callCount < Self.maximumCalls else {
            return .malformed(BedrockHandler.name, "its stream has more than \(Self.maximumCalls) calls")
        }
        let number = self.callCount
        self.callCount += 1
        let call = ToolCall(
            id: use["toolUseId"]?.string ?? "",
            name: self.call.toolNames[name] ?? name,
            arguments: ""
        )
        emit(.toolCall(choice: 0, index: number, call))
        return self.set(index, .call(index: number, hasArguments: false))
    }

    private mutating func add(
        _ index: Int,
        _ delta: JSONValue?,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        guard let delta else { return .malformed(BedrockHandler.name, "a contentBlockDelta has no delta") }
        if let text = delta["text"]?.string {
            let fault = self.openText(index)
            self.tell(text, emit)
            return fault
        } else if let use = delta["toolUse"] {
            return self.addInput(index, use["input"]?.string ?? "", emit)
        } else if let reasoning = delta["reasoningContent"] {
            return self.addReasoning(index, reasoning, emit)
        } else if let citation = delta["citation"] {
            guard self.citations.count < Self.maximumCitations else {
                return .malformed(BedrockHandler.name, "a block of its stream has too many citations")
            }
            // How far the text reaches is known when the block ends.
            self.citations.append((index, Citation(bedrock: citation, range: nil)))
            return self.openText(index)
        } else if let data = delta["image"]?["source"]?["bytes"]?.string {
            var format = "png"
            if let position = self.position(index), case .image(let stated) = self.blocks[position].block {
                format = stated
            }
            let image = BedrockResponse.image(format: format, data: data)
            emit(.other(choice: 0, JSONField("images", [image])))
        }
        return nil
    }

    private mutating func tell(_ text: String, _ emit: (ChatStreamEvent) -> Void) {
        guard !text.isEmpty else { return }
        self.scalars += text.unicodeScalars.count
        emit(.content(choice: 0, text))
    }

    /// Texts begin without a word.
    private mutating func openText(_ index: Int) -> ProviderError? {
        self.position(index) == nil ? self.set(index, .text(start: self.scalars)) : nil
    }

    private mutating func addInput(
        _ index: Int,
        _ input: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        guard let position = self.position(index) else {
            return .malformed(BedrockHandler.name, "input comes for a tool that is not being called")
        }
        switch self.blocks[position].block {
        case .call(let number, _):
            guard !input.isEmpty else { return nil }
            self.blocks[position].block = .call(index: number, hasArguments: true)
            emit(.toolArguments(choice: 0, index: number, input))
        case .format:
            guard !input.isEmpty else { return nil }
            self.blocks[position].block = .format(hasInput: true)
            self.tell(input, emit)
        case .own: break
        case .text, .reasoning, .image:
            return .malformed(BedrockHandler.name, "input comes for a block that is no tool's")
        }
        return nil
    }

    private mutating func addReasoning(
        _ index: Int,
        _ reasoning: JSONValue,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        if let redacted = reasoning["redactedContent"]?.string {
            emit(.redactedReasoning(choice: 0, redacted))
            return nil
        }
        var signature = ""
        if let position = self.position(index), case .reasoning(let before) = self.blocks[position].block {
            signature = before
        }
        if let text = reasoning["text"]?.string, !text.isEmpty { emit(.reasoning(choice: 0, text)) }
        if let piece = reasoning["signature"]?.string { signature += piece }
        return self.set(index, .reasoning(signature: signature))
    }

    private mutating func close(_ index: Int, _ emit: (ChatStreamEvent) -> Void) {
        guard let position = self.position(index) else { return }
        var range: Range<Int>?
        switch self.blocks.remove(at: position).block {
        case .text(let start): range = start..<self.scalars
        case .reasoning(let signature): emit(.reasoningSignature(choice: 0, signature))
        case .call(let number, false): emit(.toolArguments(choice: 0, index: number, "{}"))
        case .format(hasInput: false): self.tell("{}", emit)
        case .call, .format, .image, .own: break
        }
        guard !self.citations.isEmpty else { return }
        for (owner, citation) in self.citations where owner == index {
            var citation = citation
            citation.range = range
            emit(.citation(choice: 0, citation))
        }
        self.citations.removeAll { $0.index == index }
    }

    private mutating func stop(_ word: String?, _ emit: (ChatStreamEvent) -> Void) -> ProviderError? {
        guard let word else { return .malformed(BedrockHandler.name, "its messageStop has no stopReason") }
        for index in self.blocks.map(\.index) { self.close(index, emit) }
        let hasCalls = self.callCount > 0
        do throws(ProviderError) {
            var reason = try BedrockStop.reason(word, hasCalls: hasCalls, requestID: self.requestID)
            if reason == .toolCalls, !hasCalls, self.call.formatTool != nil { reason = .stop }
            self.hasStopped = true
            emit(.finish(choice: 0, reason, native: word))
            return nil
        } catch {
            return error
        }
    }
}
