import SluiceProviders
import SluiceWire
import Testing

/// Whoever is refused is told something, whatever the provider left blank.
struct FailureWordsTests {
    private static let bodies = [
        #"{"message":""}"#, #"{"message":" \n"}"#, #"{"Message":""}"#, #"{"error":""}"#, #"{"error":{"message":""}}"#,
        #"{"type":"error","error":{"type":"api_error","message":""}}"#, #"[{"error":{"message":"","code":500}}]"#,
        #"{"error":{"message":{"message":""}}}"#, #"{"detail":""}"#, #"{"msg":""}"#, "", " ", "null",
    ]

    @Test func `an error with an empty message has words at every provider`() throws {
        #expect(ProviderRegistry.entries.count > 10)
        for entry in ProviderRegistry.entries {
            guard let handler = ProviderRegistry.handler(for: entry) else { continue }
            for body in Self.bodies {
                for type in ["application/json", "text/plain"] {
                    let response = HTTPClientResponse(
                        status: 500,
                        headers: HTTPFields([("content-type", type)]),
                        body: Array(body.utf8)
                    )
                    let message = handler.failure(response, now: 0).message
                    #expect(message.contains { $0.isLetter }, "\(entry.name) says nothing of '\(body)'")
                }
            }
        }
    }

    @Test func `an empty message becomes the status, or says that there is none`() throws {
        let cohere = try #require(ProviderRegistry.entry(named: "cohere").flatMap { ProviderRegistry.handler(for: $0) })
        let error = cohere.failure(HTTPClientResponse(status: 422, body: Array(#"{"message":""}"#.utf8)), now: 0)
        #expect(error.message == "the provider answered with status 422")
        #expect(ProviderError(.internalError, "").message == "the provider reported an error without a message")
        #expect(ProviderError(.internalError, "no", status: 500).message == "no")
    }
}
