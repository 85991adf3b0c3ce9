import SluiceWire
import Testing

@testable import SluiceProviders

/// Asking a backend for the usage of a stream whose client does not ask.
@Suite struct StreamUsageTests {
    private func asking(_ body: String) -> String? {
        StreamUsage.asking(Array(body.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        (#"{"model":"m","stream":true}"#, #"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#),
        (" \n{ \"model\" : 1 } ", " \n{\"stream_options\":{\"include_usage\":true}, \"model\" : 1 } "),
        ("{ }", #"{"stream_options":{"include_usage":true} }"#),
        (#"{"stream_options":null,"a":1}"#, #"{"stream_options":{"include_usage":true},"a":1}"#),
        (#"{"stream_options": { }}"#, #"{"stream_options": {"include_usage":true }}"#),
        (#"{"stream_options":{"x":[{}]}}"#, #"{"stream_options":{"include_usage":true,"x":[{}]}}"#),
        (#"{"stream_options":{"include_usage" : false}}"#, #"{"stream_options":{"include_usage" : true}}"#),
        (
            #"{"stream_options":{"x":{"include_usage":true},"include_usage":null}}"#,
            #"{"stream_options":{"x":{"include_usage":true},"include_usage":true}}"#
        ),
        // The name by escapes is the same name, and within other values it is another.
        (#"{"stream\u005foptions":{"a":"ü"}}"#, #"{"stream\u005foptions":{"include_usage":true,"a":"ü"}}"#),
        (
            #"{"messages":[{"stream_options":{"include_usage":true}}],"s":"\"stream_options\":{}","é":"𝄞"}"#,
            #"{"stream_options":{"include_usage":true},"messages":[{"stream_options":{"include_usage":true}}],"#
                + #""s":"\"stream_options\":{}","é":"𝄞"}"#
        ),
        (
            #"{"s":"stream_options","t":["stream_options"],"stream_options":{"a":"include_usage"}}"#,
            #"{"s":"stream_options","t":["stream_options"],"#
                + #""stream_options":{"include_usage":true,"a":"include_usage"}}"#
        ),
    ])
    func `puts the demand in and leaves every other byte`(body: String, asked: String) throws {
        #expect(self.asking(body) == asked)
        let asks = try JSON.read(Array(asked.utf8)) { root in
            root["stream_options"]?["include_usage"]?.bool ?? root["stream\u{5f}options"]?["include_usage"]?.bool
        }
        #expect(asks == true)
        // Who asks already is left alone.
        #expect(self.asking(asked) == nil)
    }

    @Test(arguments: [
        #"{"stream_options":{"include_usage":true}}"#, #"{"stream_options":[]}"#, #"{"stream_options":"x"}"#,
        #"{"stream_options":true}"#, #"{"stream_options":7}"#, #"{"stream_options":{"include_usage":1}}"#,
        #"{"stream_options":{"include_usage":"false"}}"#, #"{"stream_options":{"include_usage":{}}}"#,
        #"{"stream_options":{},"stream_options":{}}"#, #"{"stream_options":null,"stream_options":{}}"#,
        #"{"stream_options":{"include_usage":false,"include_usage":false}}"#, "[]", "", " ", "{", "nonsense",
        #"{"stream_options":{"#,
    ])
    func `what is odd, broken or asks itself is left alone`(body: String) {
        #expect(self.asking(body) == nil)
    }
}

/// Which calls of a backend ask on our behalf.
@Suite struct StreamUsageAttemptTests {
    private func attempt(
        asks: Bool = true,
        _ operation: OpenAIOperation = .chatCompletions,
        isStream: Bool = true,
        _ body: String = #"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}],"prompt":"x"}"#,
        provider: String? = nil
    ) throws -> BackendAttempt {
        var ask = BackendAsk(
            operation: operation,
            body: Array(body.utf8),
            model: "m",
            clientHeaders: HTTPFields(),
            requestID: "r",
            timeout: .seconds(1),
            maximumResponseBytes: 1 << 20,
            allowsSilentResend: true,
            now: 0
        )
        ask.isStream = isStream
        guard let provider else {
            let native = OpenAIBackend(
                name: "b",
                baseURL: "http://b/v1",
                apiKey: nil,
                modelAliases: ["m": "other"],
                asksForUsage: asks
            )
            return try Backend.openAI(native).attempt(ask)
        }
        let resolution = ModelResolution { $0.hasSuffix("_KEY") ? "secret-key" : nil }
        var resolved = try resolution.resolve("m", provider: provider)
        resolved.endpoint.asksForUsage = asks
        let target = try #require(BackendTarget(resolved, name: "b"))
        return try Backend(name: "b", way: .fixed(target)).attempt(ask)
    }

    private func asks(_ attempt: BackendAttempt) throws -> Bool {
        try JSON.read(attempt.request.body) { $0["stream_options"]?["include_usage"]?.bool } == true
    }

    @Test(arguments: [OpenAIOperation.chatCompletions, .completions])
    func `streams that pass are asked`(operation: OpenAIOperation) throws {
        let attempt = try self.attempt(operation)
        #expect(try attempt.withholdsUsage && self.asks(attempt))
        #expect(try JSON.read(attempt.request.body) { $0["model"]?.string } == "other")
        let vllm = try self.attempt(operation, provider: "vllm")
        #expect(try vllm.withholdsUsage && self.asks(vllm) && vllm.translation == nil)
    }

    @Test func `nothing else is`() throws {
        let others = [
            try self.attempt(asks: false), try self.attempt(isStream: false), try self.attempt(.responses),
            try self.attempt(.embeddings), try self.attempt(asks: false, provider: "vllm"),
        ]
        for attempt in others { #expect(try !attempt.withholdsUsage && !self.asks(attempt)) }
        let own = try self.attempt(
            .chatCompletions,
            #"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#
        )
        #expect(try !own.withholdsUsage && self.asks(own))
        // A translated stream is read, not filtered.
        let translated = try self.attempt(provider: "groq")
        #expect(!translated.withholdsUsage && translated.translation != nil)
    }
}
