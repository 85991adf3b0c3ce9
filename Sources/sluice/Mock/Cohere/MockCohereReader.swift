/// Checks a chat request as Cohere does, and reads what it asks for.
enum MockCohereReader {
    static func read(_ root: MockJSON) throws(MockRefusal) -> MockAsk {
        try Self.check(root, MockCohereShape.chat)
        try Self.checkMessages(root["messages"]?.elements ?? [])
        if let format = root["response_format"], format["type"] == "json_object",
            !(root["tools"]?.elements.isEmpty ?? true) || root["documents"] != nil
        {
            throw .invalid("invalid request: cannot specify response_format with tools or documents")
        }
        if root["tool_choice"] != nil, root["tools"]?.elements.isEmpty ?? true {
            throw .invalid("invalid request: tool_choice may only be specified with tools")
        }
        return Self.ask(root)
    }

    static func check(_ root: MockJSON, _ shape: MockShape) throws(MockRefusal) {
        do throws(MockFinding) {
            _ = try MockChecker().check(root, shape)
        } catch {
            switch error.kind {
            case .unknown:
                throw MockRefusal(422, "unknown field: parameter '\(error.dotted)' is not a valid field")
            case .missing: throw .invalid("invalid request: \(error.dotted) is required")
            default: throw .invalid("invalid request: \(error.dotted) \(error.words)")
            }
        }
    }

    private static func checkMessages(_ messages: [MockJSON]) throws(MockRefusal) {
        var open: [String] = []
        for (index, message) in messages.enumerated() {
            if message["role"] == "tool" {
                let id = message["tool_call_id"]?.string ?? ""
                guard let place = open.firstIndex(of: id) else {
                    throw .invalid(
                        "invalid request: tool_call_id '\(id)' of message \(index) has no tool call before it"
                    )
                }
                open.remove(at: place)
                continue
            }
            if let missing = open.first {
                throw .invalid("invalid request: missing tool response for tool_call_id '\(missing)'")
            }
            open = (message["tool_calls"]?.elements ?? []).compactMap { $0["id"]?.string }
            let isEmpty = message["content"]?.string?.isEmpty ?? message["content"]?.elements.isEmpty ?? true
            if isEmpty && open.isEmpty {
                throw .invalid("invalid request: message at index \(index) must have non-empty content or tool calls")
            }
        }
        guard open.isEmpty else { throw .invalid("invalid request: missing tool response for '\(open[0])'") }
        guard messages.last?["role"] != "assistant" else {
            throw .invalid("invalid request: the last message must be of the user or a tool")
        }
    }

    private static func ask(_ root: MockJSON) -> MockAsk {
        var ask = MockAsk()
        ask.model = root["model"]?.string ?? ""
        ask.isStream = root["stream"]?.bool ?? false
        ask.maximumTokens = root["max_tokens"]?.int
        ask.stops = root["stop_sequences"]?.elements.compactMap(\.string) ?? []
        ask.tools = (root["tools"]?.elements ?? []).map { tool in
            MockAsk.Tool(
                name: tool["function"]?["name"]?.string ?? "",
                parameters: tool["function"]?["parameters"] ?? [:]
            )
        }
        switch root["tool_choice"]?.string {
        case "REQUIRED": ask.demand = .any
        case "NONE": ask.demand = .none
        default: break
        }
        ask.wantsJSON = root["response_format"]?["type"] == "json_object"
        ask.schema = root["response_format"]?["json_schema"] ?? root["response_format"]?["schema"]
        ask.wantsReasoning = root["thinking"]?["type"] == "enabled"
        ask.wantsCitations = root["documents"] != nil
        for message in root["messages"]?.elements ?? [] {
            ask.endsWithToolResult = message["role"] == "tool"
            let isUser = message["role"] == "user"
            if let text = message["content"]?.string { ask.read(text, isUser: isUser) }
            for part in message["content"]?.elements ?? [] {
                if let text = part["text"]?.string { ask.read(text, isUser: isUser) }
            }
        }
        return ask
    }
}
