import SluiceWire

/// Makes a whole answer of the events of a stream.
///
/// Handlers whose provider says the same in both forms read a whole answer as a stream of one event, so that the two
/// cannot disagree.
package struct EventCollector {
    /// Choices and calls with a greater index are not collected.
    private static let maximumCount = 1024

    private var start: ChatStreamStart?
    private var choices: [Choice] = []
    private var usage: ChatUsage?
    package private(set) var isDone = false

    fileprivate struct Choice {
        var value: ChatChoice
        var isFinished = false
        /// Whether the last block of reasoning is still being written.
        var isReasoningOpen = false
        var logprobs: [JSONText] = []
    }

    package init() {}

    package mutating func take(_ event: ChatStreamEvent) {
        switch event {
        case .start(let start): self.start = start
        case .usage(let usage): self.usage = usage
        case .done: self.isDone = true
        case .content(let index, let text): self.change(index) { $0.value.content = ($0.value.content ?? "") + text }
        case .refusal(let index, let text): self.change(index) { $0.value.refusal = ($0.value.refusal ?? "") + text }
        case .reasoning(let index, let text): self.change(index) { $0.reason(text) }
        case .reasoningSignature(let index, let signature): self.change(index) { $0.sign(signature) }
        case .redactedReasoning(let index, let data):
            self.change(index) { choice in
                choice.value.reasoning.append(ReasoningBlock(text: "", redacted: data))
                choice.isReasoningOpen = false
            }
        case .toolCall(let index, _, let call): self.change(index) { $0.value.toolCalls.append(call) }
        case .toolArguments(let index, let position, let text):
            self.change(index) { choice in
                guard choice.value.toolCalls.indices.contains(position) else { return }
                choice.value.toolCalls[position].arguments += text
            }
        case .citation(let index, let citation): self.change(index) { $0.value.citations.append(citation) }
        case .logprobs(let index, let logprobs): self.change(index) { $0.logprobs.append(logprobs) }
        case .other(let index, let field): self.change(index) { $0.add(field) }
        case .finish(let index, let reason, let native):
            self.change(index) { choice in
                choice.value.finishReason = reason
                choice.value.nativeFinishReason = native
                choice.isFinished = true
            }
        }
    }

    /// - Returns: `nil` unless the answer has begun and every choice has ended.
    package func response() -> ChatResponse? {
        guard let start = self.start, self.choices.allSatisfy(\.isFinished) else { return nil }
        let choices = self.choices.map { $0.finished() }.sorted { $0.index < $1.index }
        var response = ChatResponse(
            id: start.id,
            model: start.model,
            created: start.created,
            choices: choices,
            usage: self.usage
        )
        response.serviceTier = start.serviceTier
        response.systemFingerprint = start.systemFingerprint
        return response
    }

    private mutating func change(_ index: Int, _ body: (inout Choice) -> Void) {
        if let position = self.choices.firstIndex(where: { $0.value.index == index }) {
            body(&self.choices[position])
        } else if self.choices.count < Self.maximumCount {
            var choice = Choice(value: ChatChoice(index: index, content: nil, finishReason: .stop))
            body(&choice)
            self.choices.append(choice)
        }
    }
}

extension EventCollector.Choice {
    fileprivate mutating func reason(_ text: String) {
        if self.isReasoningOpen, let last = self.value.reasoning.indices.last {
            self.value.reasoning[last].text += text
        } else {
            self.value.reasoning.append(ReasoningBlock(text: text))
            self.isReasoningOpen = true
        }
    }

    fileprivate mutating func sign(_ signature: String) {
        if self.isReasoningOpen, let last = self.value.reasoning.indices.last {
            self.value.reasoning[last].signature = signature
        } else {
            self.value.reasoning.append(ReasoningBlock(text: "", signature: signature))
        }
        self.isReasoningOpen = false
    }

    /// Lists of the same name are joined, of anything else the last wins.
    fileprivate mutating func add(_ field: JSONField) {
        guard let position = self.value.additional.firstIndex(where: { $0.name == field.name }) else {
            return self.value.additional.append(field)
        }
        let joined = Self.joined([self.value.additional[position].value, field.value])
        self.value.additional[position].value = joined ?? field.value
    }

    /// One list of all elements; `nil` unless all are lists.
    fileprivate static func joined(_ lists: [JSONText]) -> JSONText? {
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for list in lists {
            guard list.bytes.first == UInt8(ascii: "["), list.bytes.count >= 2 else { return nil }
            let inner = list.bytes[1..<(list.bytes.count - 1)]
            if bytes.count > 1, !inner.isEmpty { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: inner)
        }
        bytes.append(UInt8(ascii: "]"))
        return JSONText(trusted: bytes)
    }

    fileprivate func finished() -> ChatChoice {
        var choice = self.value
        if choice.content == nil, choice.toolCalls.isEmpty, choice.finishReason != .contentFilter {
            choice.content = ""
        }
        guard !self.logprobs.isEmpty else { return choice }
        if self.logprobs.count == 1 {
            choice.logprobs = self.logprobs[0]
        } else {
            choice.logprobs = ChatLogprobs.joined(self.logprobs)
        }
        return choice
    }
}
