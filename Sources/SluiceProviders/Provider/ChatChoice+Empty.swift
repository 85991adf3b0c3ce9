extension ChatChoice {
    /// An answer that ended well and says nothing says the empty text: `null` is for calls and refusals.
    package mutating func stateEmptyContent() {
        guard self.content == nil, self.toolCalls.isEmpty, self.finishReason != .contentFilter else { return }
        self.content = ""
    }
}
