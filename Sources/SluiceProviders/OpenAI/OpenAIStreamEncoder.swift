import SluiceWire

/// Writes a streamed answer as OpenAI's chunks, always in the same grammar: for each choice first its role, then what
/// it says, then its reason to end in a chunk of its own; usage in a chunk without choices where it was asked for;
/// `[DONE]`.
package struct OpenAIStreamEncoder: Sendable {
    private let includesUsage: Bool
    private let usesFunctions: Bool
    /// `data: {"id": … "model": …`, the same in every chunk.
    private var head: [UInt8] = []
    /// Members of the first chunk only.
    private var additional: [JSONField] = []
    private var startedChoices: [Int] = []
    private var hasStarted = false
    /// Calls of custom tools: their fragments have another name.
    private var customCalls: [CallPlace] = []

    private struct CallPlace: Sendable, Equatable {
        var choice: Int
        var index: Int
    }

    /// - Parameters:
    ///   - includesUsage: `stream_options.include_usage` of the request.
    ///   - usesFunctions: the request came with `functions`.
    package init(includesUsage: Bool, usesFunctions: Bool = false) {
        self.includesUsage = includesUsage
        self.usesFunctions = usesFunctions
    }

    package mutating func encode(_ event: ChatStreamEvent, into out: inout [UInt8]) {
        switch event {
        case .start(let start): self.start(start, into: &out)
        case .content(let choice, let text):
            self.delta(choice, into: &out) { $0.field("content", text) }
        case .refusal(let choice, let text):
            self.delta(choice, into: &out) { $0.field("refusal", text) }
        case .reasoning(let choice, let text):
            self.delta(choice, into: &out) { $0.field("reasoning_content", text) }
        case .reasoningSignature(let choice, let signature):
            let block = ReasoningBlock(text: "", signature: signature.isEmpty ? nil : signature)
            self.block(choice, block, into: &out)
        case .redactedReasoning(let choice, let data):
            self.block(choice, ReasoningBlock(text: "", redacted: data), into: &out)
        case .toolCall(let choice, let index, let call): self.call(choice, index, call, into: &out)
        case .toolArguments(let choice, let index, let text): self.arguments(choice, index, text, into: &out)
        case .citation(let choice, let citation):
            self.delta(choice, into: &out) { $0.array("annotations") { citation.write(to: &$0) } }
        case .other(let choice, let field):
            self.delta(choice, into: &out) { $0.field(field.name, field.value) }
        case .logprobs(let choice, let logprobs):
            self.chunk(choice, into: &out, beside: JSONField("logprobs", logprobs)) { _ in }
        case .choiceField(let choice, let field):
            self.chunk(choice, into: &out, beside: field) { _ in }
        case .finish(let choice, let reason, let native): self.finish(choice, reason, native, into: &out)
        case .usage(let usage): self.usage(usage, into: &out)
        case .done: out.append(contentsOf: "data: [DONE]\n\n".utf8)
        }
    }

    /// An error in the middle of the stream. No `[DONE]` follows: the answer is not whole.
    package mutating func encode(failure: ProviderError, into out: inout [UInt8]) {
        out.append(contentsOf: "data: ".utf8)
        out.append(contentsOf: failure.openAIBody)
        out.append(contentsOf: "\n\n".utf8)
    }

    // MARK: Chunks

    private mutating func start(_ start: ChatStreamStart, into out: inout [UInt8]) {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        var json = JSONWriter(reserving: 192)
        json.object { json in
            json.field("id", start.id)
            json.field("object", "chat.completion.chunk")
            json.field("created", start.created)
            json.field("model", start.model)
            json.known("service_tier", start.serviceTier)
            json.known("system_fingerprint", start.systemFingerprint)
        }
        self.head = Array("data: ".utf8) + json.bytes.dropLast()
        self.additional = start.additional
        self.startChoice(0, into: &out)
    }

    private mutating func startChoice(_ choice: Int, into out: inout [UInt8]) {
        if !self.hasStarted { self.start(ChatStreamStart(id: "", model: "", created: 0), into: &out) }
        guard !self.startedChoices.contains(choice) else { return }
        self.startedChoices.append(choice)
        self.write(choice, into: &out) { json in
            json.field("role", "assistant")
            json.field("content", "")
            json.nullField("refusal")
        }
    }

    private mutating func delta(_ choice: Int, into out: inout [UInt8], _ body: (inout JSONWriter) -> Void) {
        self.chunk(choice, into: &out, beside: nil, body)
    }

    private mutating func chunk(
        _ choice: Int,
        into out: inout [UInt8],
        beside field: JSONField?,
        _ body: (inout JSONWriter) -> Void
    ) {
        self.startChoice(choice, into: &out)
        self.write(choice, into: &out, beside: field, body)
    }

    private mutating func write(
        _ choice: Int,
        into out: inout [UInt8],
        finish: FinishReason? = nil,
        beside field: JSONField? = nil,
        _ body: (inout JSONWriter) -> Void
    ) {
        out.append(contentsOf: self.head)
        var json = JSONWriter(reserving: 160)
        json.object { json in
            json.field("index", choice)
            json.object("delta", body)
            if field?.name != "logprobs" { json.nullField("logprobs") }
            json.field("finish_reason", finish?.rawValue)
            if let field { json.field(field.name, field.value) }
        }
        out.append(contentsOf: #","choices":["#.utf8)
        out.append(contentsOf: json.bytes)
        out.append(UInt8(ascii: "]"))
        self.endChunk(into: &out)
    }

    private mutating func endChunk(into out: inout [UInt8]) {
        if !self.additional.isEmpty {
            var json = JSONWriter()
            json.object { json in for field in self.additional { json.field(field.name, field.value) } }
            out.append(UInt8(ascii: ","))
            out.append(contentsOf: json.bytes.dropFirst().dropLast())
            self.additional = []
        }
        if self.includesUsage { out.append(contentsOf: #","usage":null"#.utf8) }
        out.append(contentsOf: "}\n\n".utf8)
    }

    private mutating func block(_ choice: Int, _ block: ReasoningBlock, into out: inout [UInt8]) {
        self.delta(choice, into: &out) { json in
            json.array("thinking_blocks") { json in json.object { OpenAIReasoning.write(block, to: &$0) } }
        }
    }

    private mutating func call(_ choice: Int, _ index: Int, _ call: ToolCall, into out: inout [UInt8]) {
        let usesFunctions = self.usesFunctions
        if call.isCustom { self.customCalls.append(CallPlace(choice: choice, index: index)) }
        self.delta(choice, into: &out) { json in
            guard !usesFunctions else {
                return OpenAIToolCalls.write([call], asFunction: true, signatures: false, to: &json)
            }
            json.array("tool_calls") { json in
                json.object { json in
                    json.field("index", index)
                    OpenAIToolCalls.write(call, signatures: true, to: &json)
                }
            }
        }
    }

    private mutating func arguments(_ choice: Int, _ index: Int, _ text: String, into out: inout [UInt8]) {
        let usesFunctions = self.usesFunctions
        let isCustom = self.customCalls.contains(CallPlace(choice: choice, index: index))
        self.delta(choice, into: &out) { json in
            guard !usesFunctions else { return json.object("function_call") { $0.field("arguments", text) } }
            json.array("tool_calls") { json in
                json.object { json in
                    json.field("index", index)
                    json.object(isCustom ? "custom" : "function") { json in
                        json.field(isCustom ? "input" : "arguments", text)
                    }
                }
            }
        }
    }

    private mutating func finish(
        _ choice: Int,
        _ reason: FinishReason,
        _ native: String?,
        into out: inout [UInt8]
    ) {
        let said = self.usesFunctions && reason == .toolCalls ? FinishReason.functionCall : reason
        self.startChoice(choice, into: &out)
        var field: JSONField?
        if let native {
            var json = JSONWriter(reserving: 32)
            json.value(native)
            field = JSONField("native_finish_reason", JSONText(trusted: json.bytes))
        }
        self.write(choice, into: &out, finish: said, beside: field) { _ in }
    }

    private mutating func usage(_ usage: ChatUsage, into out: inout [UInt8]) {
        guard self.includesUsage else { return }
        if !self.hasStarted { self.startChoice(0, into: &out) }
        out.append(contentsOf: self.head)
        var json = JSONWriter(reserving: 256)
        json.object { usage.write(to: &$0) }
        out.append(contentsOf: #","choices":[],"usage":"#.utf8)
        out.append(contentsOf: json.bytes)
        out.append(contentsOf: "}\n\n".utf8)
    }
}
