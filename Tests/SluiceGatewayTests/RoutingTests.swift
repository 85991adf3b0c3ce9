import SluiceProviders
import SluiceWire
import Testing

@testable import SluiceGateway

/// Which pool a request goes to.
@Suite struct RoutingTests {
    private static let configuration: GatewayConfiguration = {
        let backend = Backend.openAI(OpenAIBackend(name: "b", baseURL: "http://b/v1", apiKey: nil))
        var configuration = GatewayConfiguration(
            version: "0",
            backends: ["default": backend, "keyed": backend, "large": backend, "exact": backend, "hinted": backend]
        )
        configuration.modelRules = [("llama-70b", "exact"), ("llama-*", "large")]
        return configuration
    }()

    private func pool(
        header: String? = nil,
        key: String? = nil,
        model: String = "other",
        metadata: String = "{}",
        allowed: [String]? = nil
    ) throws -> String {
        let body = #"{"model":"\#(model)","messages":[{"role":"user","content":"x"}],"metadata":\#(metadata)}"#
        let head = try OpenAIRequestHead.read(Array(body.utf8), operation: .chatCompletions)
        var headers = HTTPFields()
        if let header { headers.append("x-sluice-pool", header) }
        let caller = Caller(APIKey(name: "k", secret: "sk", tenant: "t", defaultPool: key, allowedPools: allowed))
        return try Ingress.pool(headers, caller: caller, head, Self.configuration)
    }

    @Test func `header, key, model, metadata, default: the first that speaks wins`() throws {
        let hint = #"{"pool_id":"hinted"}"#
        #expect(try self.pool(header: "exact", key: "keyed", model: "llama-8b", metadata: hint) == "exact")
        #expect(try self.pool(key: "keyed", model: "llama-8b", metadata: hint) == "keyed")
        #expect(try self.pool(model: "llama-8b", metadata: hint) == "large")
        #expect(try self.pool(model: "llama-70b", metadata: hint) == "exact")
        #expect(try self.pool(metadata: hint) == "hinted")
        #expect(try self.pool() == "default")
    }

    @Test(arguments: [#"{"pool_id":"nowhere"}"#, #"{"pool_id":"  "}"#, #"{"pool_id":7}"#, "null", #"{"pool_id":null}"#])
    func `metadata that names no pool means something else`(metadata: String) throws {
        #expect(try self.pool(metadata: metadata) == "default")
    }

    @Test func `a key's pools bound the rules and hints as well`() {
        #expect(throws: GatewayError.self) { try self.pool(model: "llama-8b", allowed: ["default"]) }
        #expect(throws: GatewayError.self) { try self.pool(metadata: #"{"pool_id":"hinted"}"#, allowed: ["default"]) }
    }
}
