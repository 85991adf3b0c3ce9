import SluiceWire

/// What a provider's server-sent events say, one after the other.
protocol ServerSentReader: Sendable {
    /// Larger events are refused.
    static var maximumEventBytes: Int { get }

    /// - Parameter name: of the event; empty: it has none.
    /// - Returns: why the answer failed.
    mutating func read(
        _ root: JSONValue,
        event name: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError?
    /// Everything has come.
    mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError)
}

/// Takes a stream of server-sent events apart, each of them JSON, for the provider's reader.
struct ServerSentDecoder<Reader: ServerSentReader>: ChatStreamDecoder {
    private var parser = SSEParser(maximumEventBytes: Reader.maximumEventBytes)
    private var reader: Reader
    private let provider: String

    init(_ reader: Reader, provider: String) {
        self.reader = reader
        self.provider = provider
    }

    mutating func feed(_ bytes: [UInt8], _ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        var failure: ProviderError?
        var parser = SSEParser()
        swap(&parser, &self.parser)
        do throws(SSEError) {
            try parser.feed(bytes) { event in
                guard failure == nil else { return }
                failure = self.read(event, emit)
            }
        } catch {
            throw .malformed(self.provider, "an event is larger than \(Reader.maximumEventBytes) bytes")
        }
        swap(&parser, &self.parser)
        if let failure { throw failure }
    }

    /// Proxies end every stream with OpenAI's `[DONE]`, which says nothing here.
    private mutating func read(_ event: SSEEvent, _ emit: (ChatStreamEvent) -> Void) -> ProviderError? {
        if event.data.isEmpty || event.data.elementsEqual("[DONE]".utf8) { return nil }
        do {
            return try JSON.read(event.data) { root in self.reader.read(root, event: event.name, emit) }
        } catch {
            return .malformed(self.provider, "an event is not JSON")
        }
    }

    mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        try self.reader.finish(emit)
    }
}
