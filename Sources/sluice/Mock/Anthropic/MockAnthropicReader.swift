/// Checks a Messages request as Anthropic does, and reads what it asks for.
struct MockAnthropicReader {
    let version: String
    /// Whether tokens are only to be counted.
    let isCount: Bool

    func read(_ root: MockJSON) throws(MockRefusal) -> MockAsk {
        if self.version == MockAnthropic.withoutSampling {
            for name in ["temperature", "top_p", "top_k"] where root[name] != nil {
                throw .invalid("\(name): Extra inputs are not permitted")
            }
        }
        do throws(MockFinding) {
            let shape = self.isCount ? MockAnthropicShape.count : MockAnthropicShape.messages
            _ = try MockChecker().check(root, shape)
        } catch {
            throw .invalid("\(error.dotted): \(Self.words(error))")
        }
        try self.checkParameters(root)
        try MockAnthropicConversation(root, version: self.version).check()
        return Self.ask(root)
    }

    private static func words(_ finding: MockFinding) -> String {
        switch finding.kind {
        case .unknown: "Extra inputs are not permitted"
        case .missing: "Field required"
        case .wrongType(let type): "Input should be \(type)"
        case .outOfRange(let range): "Input should be \(range)"
        case .notOneOf(let words): "Input tag does not match any of the expected tags: \(words)"
        case .notExactlyOne: finding.words
        }
    }

    // MARK: Parameters

    private func checkParameters(_ root: MockJSON) throws(MockRefusal) {
        if root["tool_choice"] != nil, root["tools"]?.elements.isEmpty ?? true {
            throw .invalid("tool_choice may only be specified while providing tools")
        }
        let isNewer = ["4-1", "4-5", "4-6", "4-7"].contains { root["model"]?.string?.contains($0) ?? false }
        if isNewer, root["temperature"] != nil, root["top_p"] != nil {
            throw .invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
        }
        for (index, stop) in (root["stop_sequences"]?.elements ?? []).enumerated()
        where stop.string?.allSatisfy(\.isWhitespace) ?? true {
            throw .invalid("stop_sequences.\(index): each stop sequence must contain non-whitespace")
        }
        try self.checkThinking(root)
        try self.checkTools(root)
        if let schema = root["output_config"]?["format"]?["schema"] { try Self.checkSchema(schema) }
    }

    private func checkThinking(_ root: MockJSON) throws(MockRefusal) {
        guard let thinking = root["thinking"], thinking["type"] != "disabled" else { return }
        if let budget = thinking["budget_tokens"]?.int, let maximum = root["max_tokens"]?.int, budget >= maximum {
            throw .invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
        }
        if let temperature = root["temperature"]?.number, temperature != 1 {
            throw .invalid("`temperature` may only be set to 1 when thinking is enabled")
        }
        if root["top_k"] != nil { throw .invalid("`top_k` must be unset when thinking is enabled") }
        if let share = root["top_p"]?.number, share < 0.95 {
            throw .invalid("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled")
        }
        if let choice = root["tool_choice"]?["type"]?.string, choice == "any" || choice == "tool" {
            throw .invalid("Thinking may not be enabled when tool_choice forces tool use.")
        }
    }

    private func checkTools(_ root: MockJSON) throws(MockRefusal) {
        var names: Set<String> = []
        for (index, tool) in (root["tools"]?.elements ?? []).enumerated() {
            let name = tool["name"]?.string ?? ""
            guard Self.isName(name, upTo: 128) else {
                throw .invalid("tools.\(index).custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'")
            }
            guard names.insert(name).inserted else { throw .invalid("tools: Tool names must be unique.") }
            if let schema = tool["input_schema"], schema["type"] != "object" {
                throw .invalid("tools.\(index).custom.input_schema.type: Field required to be 'object'")
            }
        }
        if let name = root["tool_choice"]?["name"]?.string, !names.contains(name) {
            throw .invalid("Tool '\(name)' not found in provided tools")
        }
    }

    static func isName(_ text: String, upTo length: Int) -> Bool {
        (1...length).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 95
                    || byte == 45
            }
    }

    /// Structured outputs take a part of JSON Schema only.
    private static func checkSchema(_ schema: MockJSON) throws(MockRefusal) {
        let refused = [
            "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
            "maxItems", "uniqueItems",
        ]
        for name in refused where schema[name] != nil {
            let type = schema["type"]?.string ?? "any"
            throw .invalid("output_config.format.schema: For '\(type)' type, property '\(name)' is not supported")
        }
        if schema["type"] == "object", schema["additionalProperties"] != false {
            let words = "For 'object' type, 'additionalProperties' must be explicitly set to false"
            throw .invalid("output_config.format.schema: \(words)")
        }
        for name in ["properties", "$defs", "definitions"] {
            for member in schema[name]?.members ?? [] { try Self.checkSchema(member.value) }
        }
        for name in ["anyOf", "allOf", "oneOf"] {
            for element in schema[name]?.elements ?? [] { try Self.checkSchema(element) }
        }
        if let items = schema["items"], items.isObject { try Self.checkSchema(items) }
    }

    // MARK: Ask

    private static func ask(_ root: MockJSON) -> MockAsk {
        var ask = MockAsk()
        ask.model = root["model"]?.string ?? ""
        ask.isStream = root["stream"]?.bool ?? false
        ask.maximumTokens = root["max_tokens"]?.int
        ask.stops = root["stop_sequences"]?.elements.compactMap(\.string) ?? []
        ask.tools = (root["tools"]?.elements ?? []).compactMap { tool in
            guard let schema = tool["input_schema"] else { return nil }
            return MockAsk.Tool(name: tool["name"]?.string ?? "", parameters: schema)
        }
        switch root["tool_choice"]?["type"]?.string {
        case "any": ask.demand = .any
        case "tool": ask.demand = .named(root["tool_choice"]?["name"]?.string ?? "")
        case "none": ask.demand = .none
        default: break
        }
        ask.allowsParallelCalls = root["tool_choice"]?["disable_parallel_tool_use"]?.bool != true
        ask.schema = root["output_config"]?["format"]?["schema"]
        ask.wantsJSON = ask.schema != nil
        ask.wantsReasoning = ["enabled", "adaptive"].contains(root["thinking"]?["type"]?.string ?? "")
        ask.marksCache = root.text.contains("\"cache_control\":{")
        for part in Self.blocks(root["system"]) { ask.read(part["text"]?.string ?? "", isUser: false) }
        for message in root["messages"]?.elements ?? [] {
            let isUser = message["role"] == "user"
            ask.endsWithToolResult = false
            for block in Self.blocks(message["content"]) {
                if block["type"] == "tool_result" { ask.endsWithToolResult = true }
                if block["citations"]?["enabled"] == true { ask.wantsCitations = true }
                if let text = block["text"]?.string { ask.read(text, isUser: isUser) }
            }
        }
        return ask
    }

    /// A string is one block of text.
    static func blocks(_ content: MockJSON?) -> [MockJSON] {
        if let text = content?.string { return [["type": "text", "text": .string(text)]] }
        return content?.elements ?? []
    }
}
