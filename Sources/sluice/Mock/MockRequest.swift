import SluiceWire

/// What a simulated backend reads of a request.
struct MockRequest: Sendable {
    var model = "mock"
    var isStream = false
    var includesUsage = false
    var choices = 1
    var wantsJSON = false
    var toolName: String?
    var promptTokens = 0
    var inputs = 1
    var wantsBase64 = false
    var dimensions = 8
    /// From a last message that begins with `mock:`.
    var behaviour: MockBehaviour

    enum Problem: Error {
        case invalid(String)
    }

    /// - Parameter headers: `x-mock-NAME: VALUE` overrides one value, e.g. `x-mock-first-token: uniform(10,50)`.
    init(_ body: [UInt8], headers: HTTPFields = HTTPFields(), defaults: MockBehaviour) throws {
        var request = MockRequest(behaviour: defaults)
        try request.behaviour.apply(headers)
        var override: String?
        try JSON.read(body) { root in
            request.read(root)
            override = Self.lastText(root)
        }
        if let override, override.hasPrefix("mock:") {
            try JSON.read(Array(override.dropFirst(5).utf8)) { root throws(MockBehaviour.Problem) in
                try request.behaviour.apply(root)
            }
        }
        self = request
    }

    private init(behaviour: MockBehaviour) { self.behaviour = behaviour }

    private mutating func read(_ root: JSONValue) {
        self.model = root["model"]?.string ?? "mock"
        self.isStream = root["stream"]?.bool ?? false
        self.includesUsage = root["stream_options"]?["include_usage"]?.bool ?? false
        self.choices = min(max(root["n"]?.int ?? 1, 1), 16)
        let format = root["response_format"]?["type"]?.string
        self.wantsJSON = format == "json_object" || format == "json_schema"
        if let maximum = root["max_completion_tokens"]?.int ?? root["max_tokens"]?.int, maximum > 0 {
            self.behaviour.tokens = min(self.behaviour.tokens, maximum)
        }
        self.readTool(root)
        self.promptTokens = max(1, (Self.lastText(root)?.utf8.count ?? 0) / 4)
        if let input = root["input"], input.kind == .array { self.inputs = max(1, min(input.count, 2048)) }
        self.wantsBase64 = root["encoding_format"]?.string == "base64"
        self.dimensions = min(max(root["dimensions"]?.int ?? Self.usualDimensions(self.model), 1), 4096)
    }

    /// As OpenAI's models have them; few for others, so that answers stay short.
    private static func usualDimensions(_ model: String) -> Int {
        if model.hasPrefix("text-embedding-3-large") { return 3072 }
        return model.hasPrefix("text-embedding-") ? 1536 : 8
    }

    /// A call is made when one is demanded.
    private mutating func readTool(_ root: JSONValue) {
        guard let tools = root["tools"], tools.count > 0, let choice = root["tool_choice"] else { return }
        if let name = choice["function"]?["name"]?.string {
            self.toolName = name
        } else if choice.string == "required" {
            tools.forEachElement { tool in
                self.toolName = tool["function"]?["name"]?.string
                return false
            }
        }
    }

    private static func lastText(_ root: JSONValue) -> String? {
        var text: String?
        root["messages"]?.forEachElement { message in
            if let content = message["content"]?.string {
                text = content
            } else {
                message["content"]?.forEachElement { part in
                    text = part["text"]?.string ?? text
                    return true
                }
            }
            return true
        }
        return text ?? root["prompt"]?.string ?? root["input"]?.string
    }
}
