import SluiceWire

/// Tells the events of an answer as Anthropic's server-sent events.
///
/// A message's blocks are numbered from 0 and come one after the other: what is of another kind than what came before
/// ends a block and begins the next. Events of choices other than the first are left out: a message has one.
package struct AnthropicStreamEncoder: Sendable {
    private enum Open: Equatable {
        case nothing
        case text
        case thinking
        case call(Int)
    }

    /// Until the provider has counted.
    private let inputTokens: Int
    private var open = Open.nothing
    /// Number of blocks that have begun.
    private var blockCount = 0
    /// The block of each call: OpenAI counts calls alone.
    private var callBlocks: [Int: Int] = [:]
    private var start = ChatStreamStart(id: "", model: "", created: 0)
    private var hasStarted = false
    /// The last block of text: what it refers to may be told later.
    private var textBlock: Int?
    private var isDone = false
    private var reason = FinishReason.stop
    private var native: String?
    private var fields: [JSONField] = []
    private var refusal = ""
    private var usage: ChatUsage?

    /// Calls of one answer, and members of its end, that are told.
    private static let maximumCalls = 4_096
    private static let maximumFields = 64
    /// Of a refusal and of each member, which are told at the end.
    private static let maximumHeldBytes = 1 << 20

    /// - Parameter inputTokens: an estimate for `message_start`, which comes before anybody has counted.
    package init(inputTokens: Int = 0) { self.inputTokens = max(0, inputTokens) }

    package mutating func encode(_ event: ChatStreamEvent, into bytes: inout [UInt8]) {
        guard !self.isDone else { return }
        switch event {
        case .start(let start):
            if !self.hasStarted { self.start = start }
            self.begin(&bytes)
        case .content(0, let text): self.tell(text, &bytes)
        case .refusal(0, let text):
            if self.refusal.utf8.count + text.utf8.count <= Self.maximumHeldBytes { self.refusal += text }
        case .reasoning(0, let text): self.think(text, &bytes)
        case .reasoningSignature(0, let signature): self.sign(signature, &bytes)
        case .redactedReasoning(0, let data):
            self.openBlock(.nothing, &bytes) { json in
                json.field("type", "redacted_thinking")
                json.field("data", data)
            }
            self.writeStop(of: self.blockCount - 1, &bytes)
        case .toolCall(0, let index, let call): self.call(index, call, &bytes)
        case .toolArguments(0, let index, let part): self.argue(index, part, &bytes)
        case .citation(0, let citation): self.cite(citation, &bytes)
        case .choiceField(0, let field):
            guard self.fields.count < Self.maximumFields else { return }
            if field.value.bytes.count <= Self.maximumHeldBytes { self.fields.append(field) }
        case .finish(0, let reason, let native):
            self.reason = reason
            self.native = native
        case .usage(let usage): self.usage = usage
        case .done: self.end(&bytes)
        default: break
        }
    }

    /// The stream has failed: nothing comes after this.
    package mutating func fail(_ error: ProviderError, into bytes: inout [UInt8]) {
        guard !self.isDone else { return }
        self.isDone = true
        Self.write("error", AnthropicFace.error(error), &bytes)
    }

    /// As the other, for an error in OpenAI's shape.
    package mutating func fail(status: Int, openAIBody: [UInt8], requestID: String?, into bytes: inout [UInt8]) {
        guard !self.isDone else { return }
        self.isDone = true
        Self.write("error", AnthropicFace.error(status: status, openAIBody: openAIBody, requestID: requestID), &bytes)
    }

    /// Keeps a connection alive.
    package static func ping(into bytes: inout [UInt8]) {
        bytes.append(contentsOf: "event: ping\ndata: {\"type\":\"ping\"}\n\n".utf8)
    }

    // MARK: The message

    private mutating func begin(_ bytes: inout [UInt8]) {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        let start = self.start
        let usage = ChatUsage(promptTokens: self.inputTokens, completionTokens: 0)
        Self.write("message_start", &bytes) { json in
            json.object("message") { json in
                json.field("id", start.id)
                json.field("type", "message")
                json.field("role", "assistant")
                json.field("model", start.model)
                json.array("content") { _ in }
                json.nullField("stop_reason")
                json.nullField("stop_sequence")
                AnthropicFace.write(usage, tier: start.serviceTier, &json)
            }
        }
    }

    private mutating func end(_ bytes: inout [UInt8]) {
        self.begin(&bytes)
        let isExplained = self.fields.contains { $0.name == "stop_details" }
        if self.textBlock == nil, !self.refusal.isEmpty, !isExplained { self.tell(self.refusal, &bytes) }
        self.close(&bytes)
        Self.write("message_delta", &bytes) { json in
            json.object("delta") { json in
                AnthropicFace.writeStop(self.reason, self.native, self.fields, self.refusal, &json)
            }
            AnthropicFace.write(self.usage, tier: nil, &json)
        }
        Self.write("message_stop", &bytes) { _ in }
        self.isDone = true
    }

    // MARK: Blocks

    private mutating func openBlock(
        _ kind: Open,
        _ bytes: inout [UInt8],
        _ content: (inout JSONWriter) -> Void
    ) {
        self.begin(&bytes)
        self.close(&bytes)
        let index = self.blockCount
        Self.write("content_block_start", &bytes) { json in
            json.field("index", index)
            json.object("content_block", content)
        }
        self.blockCount += 1
        self.open = kind
    }

    private mutating func close(_ bytes: inout [UInt8]) {
        guard self.open != .nothing else { return }
        self.open = .nothing
        self.writeStop(of: self.blockCount - 1, &bytes)
    }

    private func writeStop(of index: Int, _ bytes: inout [UInt8]) {
        Self.write("content_block_stop", &bytes) { $0.field("index", index) }
    }

    private mutating func openText(_ bytes: inout [UInt8]) {
        guard self.open != .text else { return }
        self.openBlock(.text, &bytes) { json in
            json.field("type", "text")
            json.field("text", "")
        }
        self.textBlock = self.blockCount - 1
    }

    private mutating func tell(_ text: String, _ bytes: inout [UInt8]) {
        guard !text.isEmpty else { return }
        self.openText(&bytes)
        self.delta("text_delta", "text", text, &bytes)
    }

    private mutating func openThinking(_ bytes: inout [UInt8]) {
        guard self.open != .thinking else { return }
        self.openBlock(.thinking, &bytes) { json in
            json.field("type", "thinking")
            json.field("thinking", "")
            json.field("signature", "")
        }
    }

    private mutating func think(_ text: String, _ bytes: inout [UInt8]) {
        guard !text.isEmpty else { return }
        self.openThinking(&bytes)
        self.delta("thinking_delta", "thinking", text, &bytes)
    }

    /// Ends the block; without a signature that is all.
    private mutating func sign(_ signature: String, _ bytes: inout [UInt8]) {
        if !signature.isEmpty {
            self.openThinking(&bytes)
            self.delta("signature_delta", "signature", signature, &bytes)
        }
        if self.open == .thinking { self.close(&bytes) }
    }

    private mutating func cite(_ citation: Citation, _ bytes: inout [UInt8]) {
        if self.textBlock == nil { self.openText(&bytes) }
        let block = self.textBlock ?? 0
        var native = JSONWriter(reserving: 256)
        AnthropicFace.write(citation, &native)
        Self.write("content_block_delta", &bytes) { json in
            json.field("index", block)
            json.object("delta") { json in
                json.field("type", "citations_delta")
                json.rawField("citation", native.bytes)
            }
        }
    }

    // MARK: Calls

    private mutating func call(_ index: Int, _ call: ToolCall, _ bytes: inout [UInt8]) {
        guard self.callBlocks[index] == nil, self.callBlocks.count < Self.maximumCalls else { return }
        self.openBlock(.call(index), &bytes) { json in
            json.field("type", "tool_use")
            json.field("id", call.id)
            json.field("name", call.name)
            json.object("input") { _ in }
        }
        self.callBlocks[index] = self.blockCount - 1
        if !call.arguments.isEmpty { self.argue(index, call.arguments, &bytes) }
    }

    /// Also for a call whose block has ended: servers that write several calls at once are rare, and whoever gathers a
    /// message does so by the index.
    private mutating func argue(_ index: Int, _ part: String, _ bytes: inout [UInt8]) {
        guard !part.isEmpty, let block = self.callBlocks[index] else { return }
        self.delta("input_json_delta", "partial_json", part, of: block, &bytes)
    }

    private func delta(
        _ type: String,
        _ name: String,
        _ text: String,
        of block: Int? = nil,
        _ bytes: inout [UInt8]
    ) {
        Self.write("content_block_delta", &bytes) { json in
            json.field("index", block ?? self.blockCount - 1)
            json.object("delta") { json in
                json.field("type", type)
                json.field(name, text)
            }
        }
    }

    // MARK: Events

    private static func write(_ name: String, _ bytes: inout [UInt8], _ body: (inout JSONWriter) -> Void) {
        var json = JSONWriter(reserving: 256)
        json.object { json in
            json.field("type", name)
            body(&json)
        }
        Self.write(name, json.bytes, &bytes)
    }

    private static func write(_ name: String, _ data: [UInt8], _ bytes: inout [UInt8]) {
        bytes.append(contentsOf: "event: ".utf8)
        bytes.append(contentsOf: name.utf8)
        bytes.append(contentsOf: "\ndata: ".utf8)
        bytes.append(contentsOf: data)
        bytes.append(contentsOf: "\n\n".utf8)
    }
}
