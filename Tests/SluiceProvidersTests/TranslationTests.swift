import SluiceBasics
import SluiceProviders
import SluiceWire
import Testing

/// What the relay sees of a provider: the client's dialect, and nothing of keys.
@Suite("Translations")
struct TranslationTests {
    private static let key = "my-own-key-of-no-known-shape"

    private func target(_ provider: String, base: String = "http://p") throws -> BackendTarget {
        var resolution = ModelResolution { _ in nil }
        resolution.providers[provider] = ProviderAccess(baseURL: base, key: Self.key)
        let resolved = try resolution.resolve("", provider: provider)
        return try #require(BackendTarget(resolved, name: provider))
    }

    private func ask(
        _ body: String,
        _ operation: OpenAIOperation = .chatCompletions,
        headers: [(String, String)] = []
    ) -> BackendAsk {
        BackendAsk(
            operation: operation,
            body: Array(body.utf8),
            model: "m",
            clientHeaders: HTTPFields(headers),
            requestID: "req_1",
            timeout: .seconds(1),
            maximumResponseBytes: 1 << 20,
            allowsSilentResend: true,
            now: 1_700_000_000
        )
    }

    private static let chat = #"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#

    private func answer(_ status: Int, _ body: String) -> HTTPClientResponse {
        HTTPClientResponse(
            status: status,
            headers: HTTPFields([("Content-Type", "application/json")]),
            body: Array(body.utf8)
        )
    }

    private func text(_ response: HTTPClientResponse) -> String { String(decoding: response.body, as: UTF8.self) }

    @Test("a key never appears in an error, whatever its shape, status and place", arguments: [200, 400, 401, 500])
    func keys(status: Int) throws {
        for provider in ["anthropic", "gemini", "cohere", "openrouter", "groq"] {
            let attempt = try self.target(provider).attempt(self.ask(Self.chat.replacing("5", with: "6")))
            let translation = try #require(attempt.translation ?? nil, "\(provider) passes")
            let error =
                #"{"type":"error","message":"\#(Self.key)","error":{"type":"\#(Self.key)","code":"\#(Self.key)","#
                + #""message":"bad \#(Self.key)"}}"#
            let told = translation.answer(self.answer(status, error), now: 0).whole
            #expect(told.status >= 400, "\(provider)")
            #expect(!self.text(told).contains(Self.key), "\(provider): \(self.text(told))")
        }
    }

    @Test("Anthropic's dialect for Anthropic passes byte for byte, with the client's version and our key")
    func passes() throws {
        let body = #"{"model":"m","max_tokens":5,"new_field":[1,2],"messages":[{"role":"user","content":"hi"}]}"#
        let headers = [("anthropic-version", "2026-10-21"), ("anthropic-beta", "b-1"), ("x-api-key", "clients")]
        let attempt = try self.target("anthropic").attempt(self.ask(body, .messages, headers: headers))
        #expect(attempt.translation == nil && attempt.request.url == "http://p/v1/messages")
        #expect(attempt.request.body == Array(body.utf8))
        #expect(attempt.request.headers["x-api-key"] == Self.key)
        #expect(attempt.request.headers["anthropic-version"] == "2026-10-21")
        #expect(attempt.request.headers["anthropic-beta"] == "b-1")
        #expect(attempt.request.headers.pairs.allSatisfy { $0.1 != "clients" })
    }

    @Test("names of parameters that were dropped make a header that every client can read")
    func dropped() throws {
        let long = String(repeating: "n", count: 40)
        let fields = (0..<2_000).map { "\"x\\r\\ny,\(long)\($0)\":0" }.joined(separator: ",")
        let body = #"{"model":"m","messages":[{"role":"user","content":"hi"}],\#(fields)}"#
        let translation = try #require(try self.target("cohere").attempt(self.ask(body)).translation)
        let answer = #"{"id":"1","finish_reason":"COMPLETE","message":{"role":"assistant","content":[]}}"#
        let told = translation.answer(self.answer(200, answer), now: 0).whole
        let header = try #require(told.headers[Translation.droppedHeader])
        #expect(header.utf8.count <= 1_100 && header.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(header.hasSuffix(", ..."))
    }

    @Test("a request that cannot be sent names what is wrong with it")
    func unsent() throws {
        let body = #"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":7}]}]}"#
        let error = #expect(throws: ProviderError.self) { try self.target("anthropic").attempt(self.ask(body)) }
        #expect(error?.kind == .badRequest && error?.parameter?.contains("messages[0].content[0]") == true)
    }

    @Test("per request, parameters without a counterpart are refused by name")
    func refused() throws {
        let body = #"{"model":"m","seed":7,"messages":[{"role":"user","content":"hi"}]}"#
        let headers = [(Translation.policyHeader, "error")]
        let error = #expect(throws: ProviderError.self) {
            try self.target("anthropic").attempt(self.ask(body, headers: headers))
        }
        #expect(error?.kind == .unsupportedParameter && error?.message.contains("seed") == true)
    }
}
