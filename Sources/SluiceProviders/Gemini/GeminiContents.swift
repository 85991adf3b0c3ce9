import SluiceWire

/// A conversation as Gemini wants it: instructions apart, turns of `user` and `model` in alternation, results of tools
/// in the user's.
struct GeminiContents {
    private let messages: [ChatMessage]
    private let model: GeminiModel
    private let tools: GeminiTools
    private let media: GeminiMedia
    /// The first thing that cannot be said.
    private(set) var failure: ProviderError?
    /// The functions of the calls so far, by the calls' ids without the signatures in them.
    private var calledNames: [String: String] = [:]

    /// Messages that make one turn, those between them that have nothing to say included.
    private struct Turn {
        var isModel: Bool
        var range: Range<Int>
    }

    init(_ messages: [ChatMessage], _ model: GeminiModel, _ tools: GeminiTools, _ media: GeminiMedia) {
        self.messages = messages
        self.model = model
        self.tools = tools
        self.media = media
    }

    mutating func write(to json: inout JSONWriter) {
        let turns = self.turns()
        // Without any turn the request is refused, so the instructions become the question.
        let hasInstructions = self.messages.contains(where: Self.isInstruction)
        if hasInstructions, !turns.isEmpty {
            json.object("systemInstruction") { self.writeInstructions(to: &$0) }
        }
        json.array("contents") { json in
            if turns.isEmpty, hasInstructions {
                json.object { json in
                    json.field("role", "user")
                    self.writeInstructions(to: &json)
                }
            }
            for turn in turns {
                json.object { json in
                    json.field("role", turn.isModel ? "model" : "user")
                    json.array("parts") { json in self.write(turn, to: &json) }
                }
            }
        }
    }

    private static func isInstruction(_ message: ChatMessage) -> Bool {
        message.role == .system || message.role == .developer
    }

    private func turns() -> [Turn] {
        var turns: [Turn] = []
        for (index, message) in self.messages.enumerated() {
            let isModel = message.role == .assistant
            if Self.isInstruction(message) { continue }
            if isModel, message.toolCalls.isEmpty, message.refusal == nil, message.content.isEmpty { continue }
            if let last = turns.indices.last, turns[last].isModel == isModel {
                turns[last].range = turns[last].range.lowerBound..<(index + 1)
            } else {
                turns.append(Turn(isModel: isModel, range: index..<(index + 1)))
            }
        }
        return turns
    }

    private mutating func writeInstructions(to json: inout JSONWriter) {
        json.array("parts") { json in
            for message in self.messages where Self.isInstruction(message) {
                for part in message.content { self.write(part, to: &json) }
            }
        }
    }

    private mutating func write(_ turn: Turn, to json: inout JSONWriter) {
        for index in turn.range {
            let message = self.messages[index]
            switch message.role {
            case .system, .developer: break
            case .assistant: self.writeModel(message, to: &json)
            case .tool, .function: self.writeResult(message, before: index, to: &json)
            case .user:
                if message.content.isEmpty { json.object { $0.field("text", "") } }
                for part in message.content { self.write(part, to: &json) }
            }
        }
    }

    private mutating func write(_ part: ContentPart, signature: String? = nil, to json: inout JSONWriter) {
        let form: GeminiMedia.Form?
        do {
            form = try self.media.form(part)
        } catch {
            self.failure = self.failure ?? error
            return
        }
        json.object { json in
            if let form {
                form.write(to: &json)
            } else if case .refusal(let text) = part.kind {
                json.field("text", text)
            } else {
                json.field("text", part.text ?? "")
            }
            if let signature { json.field("thoughtSignature", signature) }
        }
    }

    // MARK: The model's turns

    private mutating func writeModel(_ message: ChatMessage, to json: inout JSONWriter) {
        // The signature of a thought comes with the last part of a text, and goes back there.
        let signature = message.additional.first { $0.name == "thought_signature" }?.value
        let lastText = message.content.indices.last
        for (index, part) in message.content.enumerated() {
            let own = index == lastText ? signature.flatMap(Self.string) : nil
            self.write(part, signature: own, to: &json)
        }
        if let refusal = message.refusal { json.object { $0.field("text", refusal) } }
        guard !message.toolCalls.isEmpty else { return }
        let calls = message.toolCalls.map { call in
            let parts = GeminiSignature.split(call.id)
            return (call: call, id: parts.id, signature: call.signature ?? parts.signature)
        }
        // The first of a message counts, and the last message.
        for call in calls.reversed() { self.calledNames[call.id] = call.call.name }
        // Only the first call of a step has a signature, and it must have one.
        let needsBypass = self.model.wantsSignatures && calls.allSatisfy { $0.signature == nil }
        for (index, call) in calls.enumerated() {
            json.object { json in
                json.object("functionCall") { json in
                    if self.model.wantsSignatures, !call.id.isEmpty { json.field("id", call.id) }
                    json.field("name", self.tools.name(call.call.name))
                    json.field("args", Self.arguments(call.call.arguments))
                }
                if let signature = call.signature {
                    json.field("thoughtSignature", signature)
                } else if needsBypass, index == 0 {
                    json.field("thoughtSignature", GeminiSignature.bypass)
                }
            }
        }
    }

    private static func string(_ value: JSONText) -> String? {
        (try? JSON.read(value.bytes) { $0.string }) ?? nil
    }

    /// An object, as it must be; what a model wrote without being one is kept as a text.
    private static func arguments(_ text: String) -> JSONText {
        if text.isEmpty { return .emptyObject }
        return Self.object(text) ?? ["arguments": .string(text)]
    }

    private static func object(_ text: String) -> JSONText? {
        let first = text.utf8.first { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }
        guard first == UInt8(ascii: "{") else { return nil }
        return JSONText(parsing: text)
    }

    // MARK: Results of tools

    private mutating func writeResult(_ message: ChatMessage, before index: Int, to json: inout JSONWriter) {
        let id = GeminiSignature.split(message.toolCallID ?? "").id
        guard let name = message.name ?? message.toolCallID.flatMap({ _ in self.calledNames[id] }) else {
            self.failure =
                self.failure
                ?? ProviderError(
                    .badRequest,
                    "messages[\(index)] answers the call '\(id)', which no message before it makes",
                    provider: self.media.provider,
                    parameter: "messages"
                )
            return
        }
        let pictures = message.content.filter { part in
            switch part.kind {
            case .text, .refusal: false
            default: true
            }
        }
        json.object { json in
            json.object("functionResponse") { json in
                if self.model.wantsSignatures, !id.isEmpty { json.field("id", id) }
                json.field("name", self.tools.name(name))
                json.field("response", Self.response(message))
                guard self.model.wantsSignatures, !pictures.isEmpty else { return }
                json.array("parts") { json in for picture in pictures { self.write(picture, to: &json) } }
            }
        }
        guard !self.model.wantsSignatures else { return }
        for picture in pictures { self.write(picture, to: &json) }
    }

    private static func response(_ message: ChatMessage) -> JSONText {
        let text = message.text
        if message.isError { return ["error": .string(text)] }
        return Self.object(text) ?? ["content": .string(text)]
    }
}
