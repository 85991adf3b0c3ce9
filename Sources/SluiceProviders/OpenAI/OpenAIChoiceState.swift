import SluiceWire

/// What a stream has said so far of one choice.
struct OpenAIChoiceState: Sendable {
    let index: Int
    /// Makes names for calls that have none.
    private let responseID: String
    private var finishWord: String?
    private var nativeWord: String?
    private var isFunction = false
    private var calls = OpenAICallStates()

    var hasFinished: Bool { self.finishWord != nil }

    init(index: Int, responseID: String) {
        self.index = index
        self.responseID = responseID
    }

    mutating func take(
        _ choice: JSONValue,
        provider: String,
        _ emit: (ChatStreamEvent) -> Void
    ) throws(ProviderError) {
        var failure: ProviderError?
        choice.forEachMember { name, value in
            guard !value.isNull else { return true }
            switch name {
            case "index": break
            case "delta": failure = self.take(delta: value, provider: provider, emit)
            case "finish_reason": self.takeFinish(value.string)
            case "native_finish_reason": self.nativeWord = value.string
            case "logprobs": emit(.logprobs(choice: self.index, value.text))
            default:
                let isEmpty = (value.kind == .object || value.kind == .array) && value.count == 0
                if !isEmpty { emit(.choiceField(choice: self.index, JSONField(name, value.text))) }
            }
            return failure == nil
        }
        if let failure { throw failure }
        if let word = OpenAIFinish.failedWord(self.finishWord, native: self.nativeWord) {
            throw FinishWord.failure(word, provider: provider)
        }
    }

    private mutating func takeFinish(_ word: String?) {
        guard let word, !word.isEmpty else { return }
        self.finishWord = word
    }

    private mutating func take(
        delta: JSONValue,
        provider: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        var failure: ProviderError?
        var hasReasoning = false
        delta.forEachMember { name, value in
            guard !value.isNull else { return true }
            switch name {
            case "role": break
            case "content": self.take(content: value, emit)
            case "refusal": if let text = value.nonEmptyString { emit(.refusal(choice: self.index, text)) }
            case "reasoning_content", "reasoning":
                // Some servers say the same under both names.
                guard !hasReasoning, let text = value.nonEmptyString else { return true }
                hasReasoning = true
                emit(.reasoning(choice: self.index, text))
            case "thinking_blocks":
                let isSaidElsewhere = (delta["reasoning_content"]?.stringByteCount ?? 0) > 0
                self.take(blocks: value, withText: !isSaidElsewhere, emit)
            case "tool_calls":
                value.forEachElement { value in
                    failure = self.take(call: value, provider: provider, emit)
                    return failure == nil
                }
            case "function_call":
                self.isFunction = true
                failure = self.calls.take(function: value, self.place, provider: provider, emit)
            case "annotations":
                for citation in Citation.list(openAI: value) { emit(.citation(choice: self.index, citation)) }
            default: emit(.other(choice: self.index, JSONField(name, value.text)))
            }
            return failure == nil
        }
        return failure
    }

    private var place: OpenAICallStates.Place {
        OpenAICallStates.Place(choice: self.index, responseID: self.responseID)
    }

    private mutating func take(
        call: JSONValue,
        provider: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        self.calls.take(call, self.place, provider: provider, emit)
    }

    /// A string, or, of Mistral, a list of parts.
    private func take(content: JSONValue, _ emit: (ChatStreamEvent) -> Void) {
        if let text = content.string {
            if !text.isEmpty { emit(.content(choice: self.index, text)) }
            return
        }
        content.forEachElement { part in
            if let block = OpenAIReasoning.block(part) {
                if !block.text.isEmpty { emit(.reasoning(choice: self.index, block.text)) }
            } else if let text = part["text"]?.nonEmptyString {
                emit(.content(choice: self.index, text))
            }
            return true
        }
    }

    private func take(blocks: JSONValue, withText: Bool, _ emit: (ChatStreamEvent) -> Void) {
        for block in OpenAIReasoning.blocks(blocks) {
            if let redacted = block.redacted {
                emit(.redactedReasoning(choice: self.index, redacted))
                continue
            }
            if withText, !block.text.isEmpty { emit(.reasoning(choice: self.index, block.text)) }
            if let signature = block.signature {
                emit(.reasoningSignature(choice: self.index, signature))
            } else if block.text.isEmpty {
                emit(.reasoningSignature(choice: self.index, ""))
            }
        }
    }

    mutating func end(_ emit: (ChatStreamEvent) -> Void) {
        self.calls.end(self.place, emit)
        let finish = OpenAIFinish.reason(
            self.finishWord,
            hasCalls: !self.calls.isEmpty,
            isFunction: self.isFunction
        )
        emit(.finish(choice: self.index, finish.reason, native: self.nativeWord ?? finish.native))
    }
}

extension JSONValue {
    var nonEmptyString: String? {
        guard (self.stringByteCount ?? 0) > 0 else { return nil }
        return self.string
    }
}
