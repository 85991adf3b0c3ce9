import SluiceWire

@testable import SluiceProviders

enum CohereTestSupport {
    static let handler = CohereHandler()

    static func prepared(
        _ request: ChatRequest = ChatRequest(model: "command-a-03-2025", messages: [.user("Hi")]),
        _ policy: UnsupportedParameterPolicy = .drop,
        base: String = ""
    ) throws -> PreparedCall {
        var endpoint = ProviderEndpoint(baseURL: base, credential: .key("k"))
        endpoint.unsupported = policy
        return try Self.handler.prepare(
            ProviderCall(request: request, endpoint: endpoint, now: 1_700_000_000, requestID: "req_1")
        )
    }

    static func body(_ request: ChatRequest) throws -> String {
        String(decoding: try Self.prepared(request).body, as: UTF8.self)
    }

    static func answer(_ body: String) throws -> ChatResponse {
        try Self.handler.answer(HTTPClientResponse(status: 200, body: Array(body.utf8)), to: try Self.prepared())
    }

    static func failure(_ status: Int, _ body: String, _ headers: [(String, String)] = []) -> ProviderError {
        Self.handler.failure(
            HTTPClientResponse(status: status, headers: HTTPFields(headers), body: Array(body.utf8)),
            now: 1_700_000_000
        )
    }

    /// With or without `event:` lines, as versions of the server differ.
    static func stream(_ events: [JSONText], named: Bool = true) -> [UInt8] {
        events.flatMap { event in
            let type = (try? JSON.read(event.bytes) { $0["type"]?.string }) ?? nil
            return SSEWriter.event(name: named ? type : nil, data: event.bytes)
        }
    }

    static func decoded(_ pieces: [[UInt8]]) throws -> DecodedStream {
        DecodedStream(Self.handler.decoder(HTTPFields(), for: try Self.prepared()), pieces)
    }
}
