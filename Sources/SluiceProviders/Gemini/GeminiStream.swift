import SluiceWire

/// Reads `streamGenerateContent?alt=sse`: every event holds what is new; the stream ends with the connection.
struct GeminiStream: ChatStreamDecoder {
    /// One event may hold a whole image in base64.
    static let maximumEventBytes = 64 << 20

    private var parser = SSEParser(maximumEventBytes: Self.maximumEventBytes)
    private var reader: GeminiReader
    private let provider: String

    init(_ call: PreparedCall, provider: String, requestID: String?) {
        self.reader = GeminiReader(call, provider: provider, requestID: requestID)
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
        do {
            return try JSON.read(event.data) { root in self.reader.read(root, emit) }
        } catch {
            return .malformed(self.provider, "an event is not JSON")
        }
    }

    mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        try self.reader.finish(emit)
    }
}
