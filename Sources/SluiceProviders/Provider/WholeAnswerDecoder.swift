import SluiceWire

/// For servers that answer a request for a stream with a whole answer: tells it as a stream.
package struct WholeAnswerDecoder: ChatStreamDecoder {
    /// Longer answers are refused.
    private static let maximumBytes = 64 << 20

    private let handler: any ProviderHandler
    private let headers: HTTPFields
    private let call: PreparedCall
    private var body: [UInt8] = []
    private var hasEnded = false

    package init(_ handler: any ProviderHandler, _ headers: HTTPFields, _ call: PreparedCall) {
        self.handler = handler
        self.headers = headers
        self.call = call
    }

    /// Whether the head announces JSON where a stream was expected.
    package static func isMeant(_ headers: HTTPFields) -> Bool {
        guard let type = headers.bytes(of: "content-type") else { return false }
        return Bytes.hasPrefix(type, "application/json")
    }

    package mutating func feed(_ bytes: [UInt8], _ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        guard self.body.count + bytes.count <= Self.maximumBytes else {
            throw .malformed(self.handler.provider, "it is larger than \(Self.maximumBytes) bytes")
        }
        self.body += bytes
    }

    package mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        let response = HTTPClientResponse(status: 200, headers: self.headers, body: self.body)
        for event in try self.handler.answer(response, to: self.call).events { emit(event) }
    }
}
