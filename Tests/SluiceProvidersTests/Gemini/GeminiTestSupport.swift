import SluiceWire

@testable import SluiceProviders

enum GeminiTestSupport {
    static func endpoint(_ settings: [String: String] = [:]) -> ProviderEndpoint {
        var endpoint = ProviderEndpoint(baseURL: "", credential: .key("k"))
        endpoint.settings = settings
        return endpoint
    }

    static func call(_ request: ChatRequest, _ endpoint: ProviderEndpoint = Self.endpoint()) -> ProviderCall {
        ProviderCall(request: request, endpoint: endpoint, now: 1_700_000_000, requestID: "req_1")
    }

    static func prepared(
        _ request: ChatRequest = ChatRequest(model: "gemini-2.5-flash", messages: [.user("Hi")]),
        _ handler: GeminiHandler = .keyed,
        _ endpoint: ProviderEndpoint = Self.endpoint()
    ) throws -> PreparedCall {
        try handler.prepare(Self.call(request, endpoint))
    }

    static func answer(_ body: String, _ call: PreparedCall? = nil) throws -> ChatResponse {
        let call = try call ?? Self.prepared()
        return try GeminiHandler.keyed.answer(HTTPClientResponse(status: 200, body: Array(body.utf8)), to: call)
    }

    static func failure(_ status: Int, _ body: String, _ headers: [(String, String)] = []) -> ProviderError {
        GeminiHandler.keyed.failure(
            HTTPClientResponse(status: status, headers: HTTPFields(headers), body: Array(body.utf8)),
            now: 1_700_000_000
        )
    }

    static func stream(_ events: [String]) -> [UInt8] {
        events.flatMap { SSEWriter.event(data: Array($0.utf8)) }
    }

    static func decoded(_ pieces: [[UInt8]]) throws -> DecodedStream {
        DecodedStream(GeminiHandler.keyed.decoder(HTTPFields(), for: try Self.prepared()), pieces)
    }
}
