import SluiceCache
import SluiceWire
import Testing

/// The traps of keys that are made of a request's parameters, each by its name.
@Suite struct CacheKeyTests {
    private static let chat = #"{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0}"#

    private func key(_ body: String, _ change: (inout CacheScope) -> Void = { _ in }) throws -> CacheKey {
        var scope = CacheScope(tenant: "acme", pool: "default", backend: [1, 2], operation: "chat/completions")
        change(&scope)
        return try CacheKey(body: Array(body.utf8), scope: scope)
    }

    private func agree(_ left: String, _ right: String) throws -> Bool { try self.key(left) == self.key(right) }

    @Test func `the order of arguments does not change the key`() throws {
        let other = #"{"temperature":0,"messages":[{"content":"hi","role":"user"}],"model":"m"}"#
        #expect(try self.agree(Self.chat, other))
    }

    @Test(arguments: ["0.0", "0e0", "-0", "0.000"]) func `0 and 0.0 are the same temperature`(zero: String) throws {
        let other = Self.chat.replacing(#""temperature":0"#, with: #""temperature":"# + zero)
        #expect(try self.agree(Self.chat, other))
        #expect(try !self.agree(Self.chat, Self.chat.replacing(#":0}"#, with: ":0.1}")))
    }

    @Test func `stream, its options, user and metadata do not change the key`() throws {
        let other = Self.chat.replacing(
            "{\"model\"",
            with: #"{"stream":true,"stream_options":{"include_usage":true},"user":"u","metadata":{"a":"b"},"model""#
        )
        #expect(try self.agree(Self.chat, other))
    }

    @Test func `null is absent`() throws {
        #expect(try self.agree(Self.chat, Self.chat.replacing("{\"model\"", with: #"{"seed":null,"model""#)))
    }

    @Test func `the credential, the address and the rest of a backend change the key`() throws {
        #expect(try self.key(Self.chat) != self.key(Self.chat) { $0.backend = [1, 3] })
        #expect(try self.key(Self.chat) != self.key(Self.chat) { $0.backend = [] })
    }

    @Test func `tenant, pool, operation and headers that matter change the key`() throws {
        let plain = try self.key(Self.chat)
        #expect(try plain != self.key(Self.chat) { $0.tenant = "other" })
        #expect(try plain != self.key(Self.chat) { $0.pool = "other" })
        #expect(try plain != self.key(Self.chat) { $0.operation = "completions" })
        #expect(try plain != self.key(Self.chat) { $0.headers = [nil] })
        #expect(try self.key(Self.chat) { $0.headers = [nil] } != self.key(Self.chat) { $0.headers = [[]] })
        #expect(
            try self.key(Self.chat) { $0.headers = [[1], nil] } != self.key(Self.chat) { $0.headers = [nil, [1]] }
        )
    }

    @Test(arguments: [
        #""extra_body":{"a":1}"#, #""top_k":3"#, #""newer_than_we_are":true"#, #""n":1"#, #""tools":[]"#,
        #""reasoning_effort":"low""#, #""cache_control":{"type":"ephemeral"}"#, #""seed":18446744073709551615"#,
    ])
    func `every field counts, also those that we do not know`(field: String) throws {
        #expect(try !self.agree(Self.chat, Self.chat.replacing("{\"model\"", with: "{\(field),\"model\"")))
    }

    @Test func `two different requests cannot be built that share a key`() throws {
        // What glues names and values together takes these for one another.
        let pairs = [
            (#"{"model":"m","stop":"a","suffix":"b"}"#, #"{"model":"m","stop":"asuffix: b"}"#),
            (#"{"model":"mtemperature: 1"}"#, #"{"model":"m","temperature":1}"#),
            (#"{"model":"m","stop":["a","b"]}"#, #"{"model":"m","stop":["a, b"]}"#),
            (#"{"model":"m","stop":"[1]"}"#, #"{"model":"m","stop":[1]}"#),
            (#"{"model":"m","seed":"1"}"#, #"{"model":"m","seed":1}"#),
            (#"{"model":"m","logprobs":true}"#, #"{"model":"m","logprobs":1}"#),
            (#"{"model":"m","seed":9007199254740993}"#, #"{"model":"m","seed":9007199254740992}"#),
        ]
        for (left, right) in pairs { #expect(try !self.agree(left, right), "\(left) \(right)") }
        let tenants = try (
            self.key("{}") { ($0.tenant, $0.pool) = ("ab", "c") }, self.key("{}") { ($0.tenant, $0.pool) = ("a", "bc") }
        )
        #expect(tenants.0 != tenants.1)
    }

    @Test func `long conversations have keys like any other`() throws {
        let turns = (0..<40).map { #"{"role":"user","content":"turn \#($0)"}"# }
        let left = #"{"model":"m","messages":["# + turns.joined(separator: ",") + "]}"
        let right = #"{"model":"m","messages":["# + turns.reversed().joined(separator: ",") + "]}"
        #expect(try self.agree(left, left))
        #expect(try !self.agree(left, right))
    }

    @Test func `the key of a request is what it was yesterday`() throws {
        // Other processes share the store: a change needs a new version.
        #expect(try self.key(Self.chat).text == "8e431f0c01f1b1fab618a1cf705b36bc9b4f6dc1ee1135f3032c5051b8ee3012")
    }
}
