import SluiceProviders
import SluiceWire
import Testing

@Suite("Reasoning, asked for in Anthropic's way and OpenAI's")
struct OpenAIReasoningRequestTests {
    private static func sent(
        _ name: String,
        _ model: String,
        _ members: String
    ) throws -> (body: String, dropped: [String]) {
        let text = #"{"model":"\#(model)","messages":[{"role":"user","content":"x"}]"# + members + "}"
        let call = OpenAICompatibleTests.call(try ChatRequest(openAI: Array(text.utf8)))
        let prepared = try OpenAICompatibleTests.handler(name).prepare(call)
        return (GoldenFiles.sorted(prepared.body), prepared.dropped)
    }

    private static func expect(
        _ name: String,
        _ model: String,
        _ members: String,
        _ expected: String,
        dropped: [String] = [],
        line: Int = #line
    ) throws {
        let sent = try Self.sent(name, model, members)
        let body = #"{"model":"\#(model)","messages":[{"role":"user","content":"x"}]"# + expected + "}"
        #expect(sent.body == GoldenFiles.sorted(body), "line \(line)")
        #expect(sent.dropped == dropped, "line \(line)")
    }

    private static let disabled = #","thinking":{"type":"disabled"}"#
    private static let adaptive = #","thinking":{"type":"adaptive"}"#
    private static let enabled = #","thinking":{"type":"enabled","budget_tokens":2000}"#
    private static func effort(_ word: String) -> String { #","reasoning_effort":"\#(word)""# }

    @Test("thinking disabled is the least effort that the model has, or it is named")
    func disabled() throws {
        try Self.expect("openai", "gpt-5.1", Self.disabled, Self.effort("none"))
        try Self.expect("openai", "gpt-5-mini", Self.disabled, Self.effort("minimal"))
        for model in ["o3", "gpt-5-pro", "gpt-5-codex"] {
            try Self.expect("openai", model, Self.disabled, "", dropped: ["thinking"])
        }
        // It never thinks.
        try Self.expect("openai", "gpt-4o", Self.disabled, "")
        try Self.expect("xai", "grok-4", Self.disabled, "", dropped: ["thinking"])
    }

    @Test("adaptive thinking goes with the effort beside it, or is asked for by one, or is named")
    func adaptive() throws {
        try Self.expect("openai", "gpt-5.1", Self.adaptive, Self.effort("medium"))
        try Self.expect("openai", "gpt-5.1", Self.adaptive + Self.effort("high"), Self.effort("high"))
        try Self.expect("openai", "gpt-4o", Self.adaptive, "", dropped: ["thinking"])
        try Self.expect("xai", "grok-3-mini", Self.adaptive + Self.effort("low"), Self.effort("low"))
        try Self.expect("xai", "grok-3-mini", Self.adaptive, "", dropped: ["thinking"])
    }

    @Test("of two ways to ask for reasoning the one that loses is named")
    func both() throws {
        let both = Self.enabled + Self.effort("high")
        try Self.expect("openai", "o3", both, Self.effort("high"), dropped: ["thinking"])
        let object = #","reasoning":{"max_tokens":2000}"#
        try Self.expect("openrouter", "a/b", both, object, dropped: ["reasoning_effort"])
        try Self.expect(
            "openrouter",
            "a/b",
            Self.disabled + Self.effort("high"),
            #","reasoning":{"enabled":false}"#,
            dropped: ["reasoning_effort"]
        )
        try Self.expect("openrouter", "a/b", Self.adaptive + Self.effort("high"), #","reasoning":{"effort":"high"}"#)
        try Self.expect("openrouter", "a/b", object + both, object, dropped: ["thinking", "reasoning_effort"])
    }
}
