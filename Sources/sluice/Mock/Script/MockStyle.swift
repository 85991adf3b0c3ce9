import SluiceWire

/// What a simulated provider puts into its answers, beside when and how it fails.
struct MockStyle: Equatable, Sendable {
    /// Pieces of reasoning before the answer; a request that asks for reasoning gets some in any case.
    var reasoning = 0
    /// Calls of the request's tools that are made although none is demanded.
    var calls = 0
    /// The model declines.
    var refusal = false
    /// The prompt is refused before the model sees it.
    var blocked = false
    var citations = false
    /// The text in place of the usual words.
    var answer: String?
    var cachedTokens = 0
    var cacheWriteTokens = 0
    /// A ping or comment after every so many pieces of a stream; 0: none.
    var pings = 0
    /// Streams are written in parts of so many bytes; 0: event by event.
    var splitBytes = 0
    /// The only key that is good; otherwise any is.
    var key: String?
    var awsKeyID = "AKIAIOSFODNN7EXAMPLE"
    var awsSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    /// The provider's own word for why the answer ended.
    var finish: String?
    var errorMessage: String?
    var contextExceeded = false

    static let names = [
        "reasoning", "calls", "refusal", "blocked", "citations", "answer", "cached_tokens", "cache_write_tokens",
        "pings", "split_bytes", "key", "aws_key_id", "aws_secret", "finish", "error_message", "context_exceeded",
    ]

    mutating func apply(_ root: JSONValue) throws(MockBehaviour.Problem) {
        self.reasoning = try Self.count(root, "reasoning") ?? self.reasoning
        self.calls = try Self.count(root, "calls") ?? self.calls
        self.refusal = try Self.flag(root, "refusal") ?? self.refusal
        self.blocked = try Self.flag(root, "blocked") ?? self.blocked
        self.citations = try Self.flag(root, "citations") ?? self.citations
        self.answer = try Self.text(root, "answer") ?? self.answer
        self.cachedTokens = try Self.count(root, "cached_tokens") ?? self.cachedTokens
        self.cacheWriteTokens = try Self.count(root, "cache_write_tokens") ?? self.cacheWriteTokens
        self.pings = try Self.count(root, "pings") ?? self.pings
        self.splitBytes = try Self.count(root, "split_bytes") ?? self.splitBytes
        self.key = try Self.text(root, "key") ?? self.key
        self.awsKeyID = try Self.text(root, "aws_key_id") ?? self.awsKeyID
        self.awsSecret = try Self.text(root, "aws_secret") ?? self.awsSecret
        self.finish = try Self.text(root, "finish") ?? self.finish
        self.errorMessage = try Self.text(root, "error_message") ?? self.errorMessage
        self.contextExceeded = try Self.flag(root, "context_exceeded") ?? self.contextExceeded
    }

    private static func count(_ root: JSONValue, _ name: StaticString) throws(MockBehaviour.Problem) -> Int? {
        guard let value = root[name] else { return nil }
        guard let number = value.int, (0...1_000_000).contains(number) else {
            throw MockBehaviour.Problem(message: "'\(name)' must be a whole number from 0 to 1000000")
        }
        return number
    }

    private static func flag(_ root: JSONValue, _ name: StaticString) throws(MockBehaviour.Problem) -> Bool? {
        guard let value = root[name] else { return nil }
        guard let flag = value.bool else { throw MockBehaviour.Problem(message: "'\(name)' must be true or false") }
        return flag
    }

    private static func text(_ root: JSONValue, _ name: StaticString) throws(MockBehaviour.Problem) -> String? {
        guard let value = root[name] else { return nil }
        guard let text = value.string else { throw MockBehaviour.Problem(message: "'\(name)' must be a string") }
        return text
    }

    func write(to json: inout JSONWriter) {
        json.field("reasoning", self.reasoning)
        json.field("calls", self.calls)
        json.field("refusal", self.refusal)
        json.field("blocked", self.blocked)
        json.field("citations", self.citations)
        json.field("answer", self.answer)
        json.field("cached_tokens", self.cachedTokens)
        json.field("cache_write_tokens", self.cacheWriteTokens)
        json.field("pings", self.pings)
        json.field("split_bytes", self.splitBytes)
        json.field("finish", self.finish)
        json.field("error_message", self.errorMessage)
        json.field("context_exceeded", self.contextExceeded)
    }

    /// Words in the name of a model that has `mock` in it, e.g. `claude-mock-reasoning`.
    mutating func apply(model: String) {
        let words = model.lowercased().split { $0 == "-" || $0 == "/" || $0 == "." || $0 == ":" }
        guard words.contains("mock") else { return }
        if words.contains("reasoning") { self.reasoning = max(self.reasoning, 4) }
        if words.contains("tools") { self.calls = max(self.calls, 1) }
        if words.contains("refusal") { self.refusal = true }
        if words.contains("blocked") { self.blocked = true }
        if words.contains("citations") { self.citations = true }
    }
}
