import SluiceWire
import Testing

@testable import SluiceProviders

struct GeminiAddressTests {
    private func url(
        _ model: String,
        base: String = "",
        _ settings: [String: String]? = nil,
        credential: ProviderCredential = .bearer("t")
    ) throws -> String {
        var endpoint = ProviderEndpoint(baseURL: base, credential: credential)
        endpoint.settings = settings ?? [:]
        let handler: GeminiHandler = settings == nil ? .keyed : .vertex
        return try GeminiTestSupport.prepared(ChatRequest(model: model, messages: [.user("a")]), handler, endpoint).url
    }

    @Test func `the API-key endpoint`() throws {
        #expect(
            try self.url("gemini-2.5-flash")
                == "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"
        )
        #expect(
            try self.url("models/gemini-2.5-flash", base: "http://127.0.0.1:9/v1alpha")
                == "http://127.0.0.1:9/v1alpha/models/gemini-2.5-flash:generateContent"
        )
        let tuned = try self.url("tunedModels/x-1", base: "http://h/v1beta")
        #expect(tuned == "http://h/v1beta/tunedModels/x-1:generateContent")
    }

    @Test(arguments: [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ])
    func `Vertex by location`(location: String, host: String) throws {
        let settings = ["project": "p-1", "location": location]
        let path = "/v1/projects/p-1/locations/\(location)/publishers/google/models/gemini-2.5-pro:generateContent"
        #expect(try self.url("gemini-2.5-pro", settings) == host + path)
        // As the registry spells it.
        let spelled = "https://\(location)-aiplatform.googleapis.com"
        #expect(try self.url("gemini-2.5-pro", base: spelled, settings) == host + path)
        let proxied = try self.url("gemini-2.5-pro", base: "http://proxy/v1beta1", settings)
        #expect(proxied.hasPrefix("http://proxy/v1beta1/projects/"))
        #expect(
            try self.url("publishers/anthropic/models/claude", settings).hasSuffix(
                "/locations/\(location)/publishers/anthropic/models/claude:generateContent"
            )
        )
    }

    @Test func `Vertex with a key of its express mode, and without a project`() throws {
        #expect(
            try self.url("gemini-2.5-pro", [:], credential: .key("k"))
                == "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-2.5-pro:generateContent"
        )
        #expect(throws: ProviderError.self) { try self.url("gemini-2.5-pro", [:]) }
    }

    @Test(arguments: ["evil.example/x", "x@evil.example", "a b", "../..", "", "x#", "x?y"])
    func `a look-alike host never receives a token`(location: String) throws {
        #expect(throws: ProviderError.self) {
            let url = try self.url("gemini-2.5-pro", ["project": "p", "location": location])
            Issue.record("\(url)")
        }
        #expect(throws: ProviderError.self) {
            try self.url("gemini-2.5-pro", ["project": location, "location": "global"])
        }
    }

    @Test func `a model's name cannot leave its place in the address`() throws {
        #expect(
            try self.url("a?key=1#b c%é", base: "http://h")
                == "http://h/models/a%3Fkey%3D1%23b%20c%25%C3%A9:generateContent"
        )
        for name in ["../files", "a/../../b", "/a", "a/", "."] {
            let error = #expect(throws: ProviderError.self) { try self.url(name) }
            #expect(error?.kind == .notFound)
        }
    }

    @Test func `the key travels in Google's header, a token as bearer, configured headers win`() throws {
        var endpoint = ProviderEndpoint(baseURL: "", credential: .key("secret"))
        endpoint.headers = [("X-Goog-User-Project", "p"), ("Content-Type", "application/json; charset=utf-8")]
        let keyed = try GeminiTestSupport.prepared(
            ChatRequest(model: "gemini-2.5-flash", messages: [.user("a")]),
            .keyed,
            endpoint
        )
        #expect(keyed.headers["x-goog-api-key"] == "secret")
        #expect(keyed.headers["authorization"] == nil)
        #expect(keyed.headers.values("content-type") == ["application/json; charset=utf-8"])
        #expect(keyed.headers["x-goog-user-project"] == "p")
        #expect(!keyed.url.contains("secret"))
        endpoint.credential = .bearer("ya29.x")
        let bearer = try GeminiTestSupport.prepared(
            ChatRequest(model: "gemini-2.5-flash", messages: [.user("a")]),
            .keyed,
            endpoint
        )
        #expect(bearer.headers["authorization"] == "Bearer ya29.x")
        #expect(bearer.headers["x-goog-api-key"] == nil)
    }
}
