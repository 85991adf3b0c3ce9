import SluiceProviders
import SluiceWire

/// Every wire format, with a call that is under way.
enum Wires {
    struct Wire: Sendable {
        var name: String
        var handler: any ProviderHandler
        var call: PreparedCall
        var endpoint: ProviderEndpoint
        var echo: ResponsesEcho?
    }

    private static let names = [
        "openai", "mistral", "deepseek", "azure", "anthropic", "gemini", "vertex", "bedrock", "cohere",
    ]

    static let all: [Wire] = Self.names.compactMap { name in
        guard let entry = ProviderRegistry.entry(named: name),
            let handler = ProviderRegistry.handler(for: entry)
        else { return nil }
        var endpoint = ProviderEndpoint(
            baseURL: "https://example.org",
            credential: name == "bedrock" ? .aws(accessKey: "a", secretKey: "b", sessionToken: "c") : .key("k")
        )
        endpoint.settings = ["region": "us-east-1", "project": "p", "location": "l", "api_version": "2024-10-21"]
        var request = ChatRequest(model: "m", messages: [.user("Hi")])
        request.isStream = true
        let call = ProviderCall(request: request, endpoint: endpoint, now: 1_767_225_600, requestID: "req_1")
        var prepared = PreparedCall(url: "https://example.org", headers: HTTPFields(), body: [], for: call)
        prepared.toolNames = ["f_1": "f 1"]
        let asked = Array(#"{"model":"m","input":"Hi"}"#.utf8)
        let echo = (try? ResponsesFace.call(asked))?.echo
        return Wire(name: name, handler: handler, call: prepared, endpoint: endpoint, echo: echo)
    }

    /// Those whose answers have a decoder of their own.
    static let decoding = Self.all.filter {
        ["openai", "mistral", "anthropic", "gemini", "bedrock", "cohere"].contains($0.name)
    }

    static func isJSON(_ bytes: [UInt8]) -> Bool {
        (try? JSON.read(bytes) { $0.kind == .object }) ?? false
    }
}
