/// Checks a chat request as OpenAI does, and reads what it asks for.
struct MockAzureReader {
    let call: MockAzureCall

    func read(_ root: MockJSON) throws(MockRefusal) -> MockAsk {
        let root = try Self.checked(root)
        if self.call.deployment == nil && root["model"] == nil {
            throw MockRefusal(400, "you must provide a model parameter")
        }
        try Self.checkMessages(root["messages"]?.elements ?? [])
        try Self.checkParameters(root)
        return self.ask(root)
    }

    private static func checked(_ root: MockJSON) throws(MockRefusal) -> MockJSON {
        do throws(MockFinding) {
            return try MockChecker(allowsNull: true).check(root, MockAzureShape.chat)
        } catch {
            let path = error.path.reduce("") { text, name in
                Int(name) != nil ? "\(text)[\(name)]" : text.isEmpty ? name : "\(text).\(name)"
            }
            switch error.kind {
            case .unknown:
                throw MockRefusal(400, "Unknown parameter: '\(path)'.", kind: "unknown_parameter", parameter: path)
            case .missing:
                let words = "Missing required parameter: '\(path)'."
                throw MockRefusal(400, words, kind: "missing_required_parameter", parameter: path)
            case .wrongType:
                let words = "Invalid type for '\(path)': \(error.words)."
                throw MockRefusal(400, words, kind: "invalid_type", parameter: path)
            default:
                let words = "Invalid value for '\(path)': \(error.words)."
                throw MockRefusal(400, words, kind: "invalid_value", parameter: path)
            }
        }
    }

    private static func checkMessages(_ messages: [MockJSON]) throws(MockRefusal) {
        var open: [String] = []
        for (index, message) in messages.enumerated() {
            if message["role"] == "tool" {
                guard let place = open.firstIndex(where: { .string($0) == message["tool_call_id"] }) else {
                    throw MockRefusal(
                        400,
                        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                            + "'tool_calls'.",
                        parameter: "messages.[\(index)].role"
                    )
                }
                open.remove(at: place)
                continue
            }
            try Self.checkAnswered(open)
            open = (message["tool_calls"]?.elements ?? []).compactMap { $0["id"]?.string }
            if message["role"] == "assistant", message["content"] == nil, open.isEmpty, message["refusal"] == nil {
                throw MockRefusal(
                    400,
                    "Invalid value for 'content': expected a string, got null.",
                    parameter: "messages.[\(index)].content"
                )
            }
        }
        try Self.checkAnswered(open)
    }

    private static func checkAnswered(_ open: [String]) throws(MockRefusal) {
        guard !open.isEmpty else { return }
        throw MockRefusal(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                + "'tool_call_id'. The following tool_call_ids did not have response messages: "
                + open.joined(separator: ", "),
            parameter: "messages"
        )
    }

    private static func checkParameters(_ root: MockJSON) throws(MockRefusal) {
        if root["max_tokens"] != nil && root["max_completion_tokens"] != nil {
            throw .invalid("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
        }
        if root["tool_choice"] != nil && root["tools"] == nil && root["tool_choice"] != "none" {
            throw MockRefusal(
                400,
                "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
                parameter: "tool_choice"
            )
        }
        if root["response_format"]?["type"] == "json_object",
            !(root["messages"]?.text.lowercased().contains("json") ?? false)
        {
            throw MockRefusal(
                400,
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                parameter: "messages"
            )
        }
        if root["stream_options"] != nil && root["stream"] != true {
            throw MockRefusal(
                400,
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                parameter: "stream_options"
            )
        }
        if root["top_logprobs"] != nil && root["logprobs"] != true {
            throw .invalid("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
        }
    }

    // MARK: Ask

    private func ask(_ root: MockJSON) -> MockAsk {
        var ask = MockAsk()
        ask.model = self.call.deployment ?? root["model"]?.string ?? ""
        ask.isStream = root["stream"]?.bool ?? false
        ask.includesUsage = root["stream_options"]?["include_usage"]?.bool ?? false
        ask.maximumTokens = root["max_completion_tokens"]?.int ?? root["max_tokens"]?.int
        ask.stops = root["stop"]?.string.map { [$0] } ?? root["stop"]?.elements.compactMap(\.string) ?? []
        ask.choices = min(root["n"]?.int ?? 1, 16)
        ask.wantsLogProbabilities = root["logprobs"] == true
        ask.tools = (root["tools"]?.elements ?? []).compactMap { tool in
            guard let function = tool["function"] else { return nil }
            return MockAsk.Tool(name: function["name"]?.string ?? "", parameters: function["parameters"] ?? [:])
        }
        ask.allowsParallelCalls = root["parallel_tool_calls"] != false
        switch root["tool_choice"]?.string {
        case "required": ask.demand = .any
        case "none": ask.demand = .none
        default:
            let choice = root["tool_choice"]
            if let name = choice?["function"]?["name"]?.string { ask.demand = .named(name) }
            if choice?["allowed_tools"]?["mode"] == "required" { ask.demand = .any }
        }
        let format = root["response_format"]
        ask.wantsJSON = format?["type"] == "json_object" || format?["type"] == "json_schema"
        ask.schema = format?["json_schema"]?["schema"]
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
