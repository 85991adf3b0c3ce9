import SluiceWire

/// Reads the events of `POST /v2/chat` with `stream: true`; complete with `message-end`.
struct CohereStream: ChatStreamDecoder {
    static let maximumEventBytes = 8 << 20

    private var parser = SSEParser(maximumEventBytes: Self.maximumEventBytes)
    private var reader: CohereReader
    private let provider: String

    init(_ call: PreparedCall, provider: String, requestID: String?) {
        self.reader = CohereReader(call, provider: provider, requestID: requestID)
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
            throw .malformed(self.provider, "an event is larger than \(Self.maximumEventBytes) bytes")
        }
        swap(&parser, &self.parser)
        if let failure { throw failure }
    }

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
