/// A streamed answer: what happens in it, in order.
///
/// Each iteration makes a call of its own, at its first `next`. The provider is not read faster than the loop takes
/// events. Leaving the loop, or cancelling its task, closes the transfer. A stream that ends without an error is whole;
/// one that was cut off throws.
///
/// ```swift
/// for try await event in client.stream(model: "openai/gpt-5", messages: [.user("Hi")]) {
///     print(event.text ?? "", terminator: "")
/// }
/// ```
public struct ChatStream: AsyncSequence, Sendable {
    public typealias Element = ChatStreamEvent
    public typealias Failure = ProviderError

    let core: CompletionCore
    let request: ChatRequest
    let options: CompletionOptions

    public func makeAsyncIterator() -> Iterator { Iterator(self) }

    public struct Iterator: AsyncIteratorProtocol {
        private let run: ChatStreamRun

        init(_ stream: ChatStream) { self.run = ChatStreamRun(stream.core, stream.request, stream.options) }

        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(ProviderError) -> ChatStreamEvent? {
            try await self.run.next()
        }

        public mutating func next() async throws(ProviderError) -> ChatStreamEvent? { try await self.run.next() }
    }

    /// Reads the stream to its end and puts the answer together.
    public func collected() async throws(ProviderError) -> ChatResponse {
        var collector = ChatResponseCollector(maximumBytes: self.core.configuration.network.maximumResponseBytes)
        var iterator = self.makeAsyncIterator()
        while let event = try await iterator.next() { collector.take(event) }
        return try collector.response()
    }
}

extension ChatStreamEvent {
    /// A piece of the first choice's text; `nil` for everything else.
    public var text: String? {
        if case .content(choice: 0, let text) = self { text } else { nil }
    }
}
