import SluiceWire

/// Reads a stream of OpenAI's chunks, also from servers that take the format lightly.
///
/// The answer is whole when every choice has said why it ends; `[DONE]` then adds nothing, and does not stand for a
/// missing reason: proxies and servers that fail write it too. What is held back until the end: the reasons, because
/// some servers repeat them, and usage, because some send it with every chunk.
package struct OpenAIStreamDecoder: ChatStreamDecoder {
    /// More choices than any provider gives.
    static let maximumChoices = 256

    let provider: String
    private let expectedChoices: Int
    private var parser: SSEParser
    private var start: ChatStreamStart
    private var hasStarted = false
    private var hasEnded = false
    private var usage: ChatUsage?
    private var choices: [OpenAIChoiceState] = []

    /// - Parameters:
    ///   - choiceCount: as asked for, `n`.
    ///   - now: seconds since 1970, for servers that do not say when they answered.
    ///   - requestID: names the answer if the server does not.
    ///   - maximumEventBytes: of one chunk; a larger one is an error.
    package init(
        provider: String,
        choiceCount: Int = 1,
        now: Int = 0,
        requestID: String = "",
        model: String = "",
        headers: HTTPFields = HTTPFields(),
        maximumEventBytes: Int = 4 << 20
    ) {
        self.provider = provider
        self.expectedChoices = max(1, choiceCount)
        self.parser = SSEParser(maximumEventBytes: maximumEventBytes)
        self.start = ChatStreamStart(id: requestID, model: model, created: now)
        self.start.requestID = ProviderRequestID.read(headers)
    }

    package mutating func feed(_ bytes: [UInt8], _ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        guard !self.hasEnded else { return }
        var failure: ProviderError?
        var parser = SSEParser()
        swap(&parser, &self.parser)
        do throws(SSEError) {
            try parser.feed(bytes) { event in
                guard failure == nil, !self.hasEnded else { return }
                failure = self.take(event, emit)
            }
        } catch {
            failure = failure ?? .malformed(self.provider, "an event of the stream is too large")
        }
        swap(&parser, &self.parser)
        if let failure { throw failure }
    }

    package mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        guard !self.hasEnded else { return }
        // Servers leave out the blank line after the last event. Half an event is no JSON, and no fault of its own:
        // whether the answer is whole does not depend on it.
        do throws(ProviderError) {
            try self.feed([0x0A, 0x0A], emit)
        } catch {
            guard error.code == "malformed_response" else { throw error }
        }
        guard !self.hasEnded else { return }
        if let failure = self.end(emit) { throw failure }
    }

    // MARK: Events

    private mutating func take(_ event: SSEEvent, _ emit: (ChatStreamEvent) -> Void) -> ProviderError? {
        guard !event.data.isEmpty else { return nil }
        if event.data.count <= 8, event.data.elementsEqual("[DONE]".utf8) { return self.end(emit) }
        do {
            return try JSON.read(event.data) { root -> ProviderError? in
                do throws(ProviderError) {
                    try self.take(root, named: event.name, emit)
                    return nil
                } catch {
                    return error
                }
            }
        } catch {
            // Pings and what else has a name of its own need not be JSON.
            guard event.name.isEmpty || event.name == "error" else { return nil }
            return .malformed(self.provider, "an event of the stream is not JSON")
        }
    }

    private mutating func take(
        _ root: JSONValue,
        named name: String,
        _ emit: (ChatStreamEvent) -> Void
    ) throws(ProviderError) {
        guard root.kind == .object else {
            guard name.isEmpty else { return }
            throw .malformed(self.provider, "an event of the stream is not an object")
        }
        if let error = root["error"], OpenAIErrorBody.isError(error) {
            throw ProviderError(openAIError: error, inside: root, provider: self.provider)
        }
        let choices = root["choices"]
        if choices == nil, name == "error" || root["object"]?.string == "error" {
            throw ProviderError(openAIError: root, inside: root, provider: self.provider)
        }
        // Pings, and what is newer than we are, say nothing of the answer.
        if !self.hasStarted && choices != nil { self.takeStart(root) }
        if let usage = (root["usage"] ?? root["x_groq"]?["usage"]).flatMap(ChatUsage.init(openAI:)) {
            self.usage = usage
        }
        guard let choices, choices.kind == .array else { return }
        var failure: ProviderError?
        choices.forEachElement { choice in
            do throws(ProviderError) {
                try self.take(choice: choice, emit)
                return true
            } catch {
                failure = error
                return false
            }
        }
        if let failure { throw failure }
    }

    /// Azure's first chunk has no choices, no id and no model; what else it says goes into the start.
    private mutating func takeStart(_ root: JSONValue) {
        root.forEachMember { name, value in
            guard !value.isNull else { return true }
            switch name {
            case "id": if let id = value.string, !id.isEmpty { self.start.id = id }
            case "model": if let model = value.string, !model.isEmpty { self.start.model = model }
            case "created": if let created = value.int, created > 0 { self.start.created = created }
            case "service_tier": self.start.serviceTier = value.string
            case "system_fingerprint": self.start.systemFingerprint = value.string
            case "object", "choices", "usage", "x_groq", "obfuscation": break
            default: self.start.additional.append(JSONField(name, value.text))
            }
            return true
        }
    }

    private mutating func startIfNeeded(_ emit: (ChatStreamEvent) -> Void) {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        emit(.start(self.start))
    }

    private mutating func take(choice: JSONValue, _ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        self.startIfNeeded(emit)
        let index = choice["index"]?.int ?? 0
        guard index >= 0, index < Self.maximumChoices else {
            throw .malformed(self.provider, "a choice has the index \(index)")
        }
        let slot: Int
        if let found = self.choices.firstIndex(where: { $0.index == index }) {
            slot = found
        } else {
            slot = self.choices.count
            self.choices.append(OpenAIChoiceState(index: index, responseID: self.start.id))
        }
        try self.choices[slot].take(choice, provider: self.provider, emit)
    }

    /// Emits what was held back, if the answer is whole.
    private mutating func end(_ emit: (ChatStreamEvent) -> Void) -> ProviderError? {
        self.hasEnded = true
        let isWhole = self.choices.count >= self.expectedChoices && self.choices.allSatisfy(\.hasFinished)
        guard isWhole else { return .truncated(self.provider) }
        for slot in self.choices.indices { self.choices[slot].end(emit) }
        if let usage = self.usage { emit(.usage(usage)) }
        emit(.done)
        return nil
    }
}
