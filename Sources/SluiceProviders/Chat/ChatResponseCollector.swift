import SluiceWire

/// Puts a streamed answer together.
public struct ChatResponseCollector: Sendable {
    private var response = ChatResponse(id: "", model: "", created: 0, choices: [])
    private var open: [OpenChoice] = []
    private var isDone = false
    private let maximumBytes: Int
    private var byteCount = 0
    /// More choices are refused; providers give at most 128.
    private static let maximumChoices = 1_024
    /// What an event counts besides its text.
    private static let eventBytes = 16
    private var isTooLarge = false

    fileprivate struct OpenChoice: Sendable {
        var choice: ChatChoice
        /// Whether text of reasoning goes on in the last block.
        var isThinking = false
        var logprobs: [JSONText] = []
        var additional: [(name: String, value: JSONPieces)] = []
    }

    /// - Parameter maximumBytes: of the answer's texts; what comes after that is not kept, and there is no answer.
    public init(maximumBytes: Int = 64 << 20) { self.maximumBytes = maximumBytes }

    public mutating func take(_ event: ChatStreamEvent) {
        self.byteCount = self.byteCount.addingReportingOverflow(event.byteCount + Self.eventBytes).partialValue
        guard !self.isTooLarge, self.byteCount <= self.maximumBytes else {
            self.isTooLarge = true
            return
        }
        self.keep(event)
    }

    private mutating func keep(_ event: ChatStreamEvent) {
        switch event {
        case .start(let start): self.take(start)
        case .content(let choice, let text): self.change(choice) { $0.choice.content.append(text) }
        case .refusal(let choice, let text): self.change(choice) { $0.choice.refusal.append(text) }
        case .reasoning(let choice, let text): self.change(choice) { $0.think(text) }
        case .reasoningSignature(let choice, let signature): self.change(choice) { $0.endThought(signature) }
        case .redactedReasoning(let choice, let data):
            self.change(choice) { open in
                open.isThinking = false
                open.choice.reasoning.append(ReasoningBlock(text: "", redacted: data))
            }
        case .toolCall(let choice, _, let call): self.change(choice) { $0.choice.toolCalls.append(call) }
        case .toolArguments(let choice, let index, let text):
            self.change(choice) { open in
                guard open.choice.toolCalls.indices.contains(index) else { return }
                open.choice.toolCalls[index].arguments += text
            }
        case .citation(let choice, let citation): self.change(choice) { $0.choice.citations.append(citation) }
        case .logprobs(let choice, let logprobs): self.change(choice) { $0.logprobs.append(logprobs) }
        case .other(let choice, let field): self.change(choice) { $0.merge(field) }
        case .choiceField(let choice, let field):
            self.change(choice) { $0.replace(field) }
        case .finish(let choice, let reason, let native):
            self.change(choice) { open in
                open.choice.finishReason = reason
                open.choice.nativeFinishReason = native
            }
        case .usage(let usage): self.response.usage = usage
        case .done: self.isDone = true
        }
    }

    /// The answer.
    ///
    /// - Throws: `ProviderError.truncated` when the stream has not said that it is complete; `badGateway` for an answer
    ///   that is too large.
    public func response(provider: String = "") throws(ProviderError) -> ChatResponse {
        guard !self.isTooLarge else {
            throw ProviderError(
                .badGateway,
                "the answer exceeds \(self.maximumBytes) bytes",
                provider: provider,
                code: "response_too_large",
                isRetryable: false
            )
        }
        guard self.isDone else { throw .truncated(provider) }
        var response = self.response
        response.choices = self.open.map { open in
            var choice = open.choice
            choice.logprobs = JSONPieces.logprobs(open.logprobs)
            choice.additional = open.additional.map { JSONField($0.name, $0.value.text) }
            return choice
        }
        response.choices.sort { $0.index < $1.index }
        return response
    }

    private mutating func take(_ start: ChatStreamStart) {
        self.response.id = start.id
        self.response.model = start.model
        self.response.created = start.created
        self.response.serviceTier = start.serviceTier
        self.response.systemFingerprint = start.systemFingerprint
        self.response.requestID = start.requestID
        self.response.additional = start.additional
    }

    private mutating func change(_ index: Int, _ body: (inout OpenChoice) -> Void) {
        guard let slot = self.open.firstIndex(where: { $0.choice.index == index }) else {
            guard self.open.count < Self.maximumChoices else {
                self.isTooLarge = true
                return
            }
            var open = OpenChoice(choice: ChatChoice(index: index, content: nil, finishReason: .stop))
            body(&open)
            return self.open.append(open)
        }
        body(&self.open[slot])
    }
}

extension ChatResponseCollector.OpenChoice {
    /// Members of the message are few: providers have names for them.
    private static let maximumMembers = 256

    fileprivate mutating func merge(_ field: JSONField) {
        if let slot = self.additional.firstIndex(where: { $0.name == field.name }) {
            self.additional[slot].value.append(field.value)
        } else if self.additional.count < Self.maximumMembers {
            self.additional.append((field.name, JSONPieces(field.value, name: field.name)))
        }
    }

    fileprivate mutating func replace(_ field: JSONField) {
        if let slot = self.choice.choiceAdditional.firstIndex(where: { $0.name == field.name }) {
            self.choice.choiceAdditional[slot].value = field.value
        } else if self.choice.choiceAdditional.count < Self.maximumMembers {
            self.choice.choiceAdditional.append(field)
        }
    }

    fileprivate mutating func think(_ text: String) {
        if self.isThinking, let last = self.choice.reasoning.indices.last {
            self.choice.reasoning[last].text += text
        } else {
            self.choice.reasoning.append(ReasoningBlock(text: text))
            self.isThinking = true
        }
    }

    fileprivate mutating func endThought(_ signature: String) {
        if self.isThinking, let last = self.choice.reasoning.indices.last {
            if !signature.isEmpty { self.choice.reasoning[last].signature = signature }
        } else if !signature.isEmpty {
            self.choice.reasoning.append(ReasoningBlock(text: "", signature: signature))
        }
        self.isThinking = false
    }
}

extension String? {
    fileprivate mutating func append(_ text: String) {
        guard self != nil else {
            self = text
            return
        }
        self?.append(text)
    }
}

extension ChatStreamEvent {
    /// Length of what it says.
    fileprivate var byteCount: Int {
        switch self {
        case .content(_, let text), .refusal(_, let text), .reasoning(_, let text), .reasoningSignature(_, let text),
            .redactedReasoning(_, let text), .toolArguments(_, _, let text):
            text.utf8.count
        case .toolCall(_, _, let call):
            call.id.utf8.count + call.name.utf8.count + call.arguments.utf8.count + (call.signature?.utf8.count ?? 0)
        case .citation(_, let citation):
            (citation.native?.bytes.count ?? 0) + (citation.quote?.utf8.count ?? 0)
                + (citation.url?.utf8.count ?? 0) + (citation.title?.utf8.count ?? 0)
        case .logprobs(_, let logprobs): logprobs.bytes.count
        case .other(_, let field), .choiceField(_, let field): field.name.utf8.count + field.value.bytes.count
        case .start, .finish, .usage, .done: 0
        }
    }
}

extension ChatResponse {
    /// Puts the events of a whole stream together.
    ///
    /// - Throws: `ProviderError.truncated` when `done` is missing.
    public init(collecting events: some Sequence<ChatStreamEvent>, provider: String = "") throws(ProviderError) {
        var collector = ChatResponseCollector(maximumBytes: .max)
        for event in events { collector.take(event) }
        self = try collector.response(provider: provider)
    }

    /// The answer as a stream would have told it.
    public var events: [ChatStreamEvent] {
        var start = ChatStreamStart(id: self.id, model: self.model, created: self.created)
        start.serviceTier = self.serviceTier
        start.systemFingerprint = self.systemFingerprint
        start.requestID = self.requestID
        start.additional = self.additional
        var events: [ChatStreamEvent] = [.start(start)]
        for choice in self.choices { choice.tell(&events) }
        for choice in self.choices {
            events.append(.finish(choice: choice.index, choice.finishReason, native: choice.nativeFinishReason))
        }
        if let usage = self.usage { events.append(.usage(usage)) }
        events.append(.done)
        return events
    }
}

extension ChatChoice {
    fileprivate func tell(_ events: inout [ChatStreamEvent]) {
        let index = self.index
        for (number, block) in self.reasoning.enumerated() {
            if let redacted = block.redacted {
                events.append(.redactedReasoning(choice: index, redacted))
                continue
            }
            if !block.text.isEmpty { events.append(.reasoning(choice: index, block.text)) }
            // Without a signature the end of a block shows only where another follows.
            if let signature = block.signature {
                events.append(.reasoningSignature(choice: index, signature))
            } else if number + 1 < self.reasoning.count {
                events.append(.reasoningSignature(choice: index, ""))
            }
        }
        if let content = self.content { events.append(.content(choice: index, content)) }
        if let refusal = self.refusal { events.append(.refusal(choice: index, refusal)) }
        for (number, call) in self.toolCalls.enumerated() {
            var start = call
            start.arguments = ""
            events.append(.toolCall(choice: index, index: number, start))
            if !call.arguments.isEmpty {
                events.append(.toolArguments(choice: index, index: number, call.arguments))
            }
        }
        for citation in self.citations { events.append(.citation(choice: index, citation)) }
        if let logprobs = self.logprobs { events.append(.logprobs(choice: index, logprobs)) }
        for field in self.additional { events.append(.other(choice: index, field)) }
        for field in self.choiceAdditional { events.append(.choiceField(choice: index, field)) }
    }
}
