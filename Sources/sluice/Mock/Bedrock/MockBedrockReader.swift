/// Checks a Converse request as AWS does, and reads what it asks for.
struct MockBedrockReader {
    let call: MockBedrockCall

    func read(_ root: MockJSON) throws(MockRefusal) -> MockAsk {
        do throws(MockFinding) {
            _ = try MockChecker().check(root, MockBedrockShape.converse)
        } catch {
            throw .invalid("1 validation error detected: Value at '\(error.dotted)' failed to satisfy: \(error.words)")
        }
        try self.checkTools(root)
        try self.checkMessages(root)
        return self.ask(root)
    }

    private var isClaude: Bool { self.call.model.contains("anthropic") }

    private func checkTools(_ root: MockJSON) throws(MockRefusal) {
        var names: Set<String> = []
        for (index, tool) in (root["toolConfig"]?["tools"]?.elements ?? []).enumerated() {
            guard let specification = tool["toolSpec"] else { continue }
            let name = specification["name"]?.string ?? ""
            guard MockAnthropicReader.isName(name, upTo: 64) else {
                throw .invalid(
                    "Value '\(name)' at 'toolConfig.tools.\(index).toolSpec.name' failed to satisfy [a-zA-Z0-9_-]+"
                )
            }
            guard names.insert(name).inserted else { throw .invalid("The tool name \(name) is not unique.") }
            if specification["description"]?.string?.isEmpty ?? false {
                throw .invalid(
                    "Value at 'toolConfig.tools.\(index).toolSpec.description' must have length of at least 1"
                )
            }
            guard specification["inputSchema"]?["json"]?["type"] == "object" else {
                throw .invalid("The value at toolConfig.tools.\(index).toolSpec.inputSchema.json.type must be object.")
            }
        }
        let choice = root["toolConfig"]?["toolChoice"]
        let isForced = choice?["any"] != nil || choice?["tool"] != nil
        if isForced, !["anthropic", "nova", "mistral-large"].contains(where: { self.call.model.contains($0) }) {
            throw .invalid("This model doesn't support the toolConfig.toolChoice.any field. Remove it and try again.")
        }
        let own = root["additionalModelRequestFields"]?["tool_choice"]
        if choice != nil && own != nil {
            throw .invalid("The additional field tool_choice conflicts with an existing field.")
        }
        if own != nil && names.isEmpty {
            throw .invalid("tool_choice may only be specified while providing tools")
        }
        if let name = (choice?["tool"] ?? own)?["name"]?.string, !names.contains(name) {
            throw .invalid("The tool \(name) of toolChoice is not among the tools.")
        }
        let isForcedOwn = own?["type"] == "any" || own?["type"] == "tool"
        if isForced || isForcedOwn, self.isClaude,
            root["additionalModelRequestFields"]?["thinking"]?["type"] == "enabled"
        {
            throw .invalid("Thinking may not be enabled when tool_choice forces tool use.")
        }
        for part in root["system"]?.elements ?? [] where part["text"]?.string?.isEmpty ?? false {
            throw .invalid("The text field in the system content block is blank. Add text to the field, and try again.")
        }
    }

    private func checkMessages(_ root: MockJSON) throws(MockRefusal) {
        let messages = root["messages"]?.elements ?? []
        guard messages.first?["role"] == "user" else {
            throw .invalid(
                "A conversation must start with a user message. Try again with a conversation that starts with a user "
                    + "message."
            )
        }
        var open: [String] = []
        var hasTools = false
        for (index, message) in messages.enumerated() {
            if index > 0, messages[index - 1]["role"] == message["role"] {
                throw .invalid("A conversation must alternate between user and assistant roles.")
            }
            let blocks = message["content"]?.elements ?? []
            guard !blocks.isEmpty else {
                throw .invalid("The content field in the Message object at messages.\(index) is empty.")
            }
            let isUser = message["role"] == "user"
            for (place, block) in blocks.enumerated() {
                try self.check(block, isUser: isUser, "messages.\(index).content.\(place)")
            }
            let answered = blocks.compactMap { $0["toolResult"]?["toolUseId"]?.string }
            guard answered.sorted() == open.sorted() else {
                throw .invalid(
                    answered.count > open.count
                        ? "The number of toolResult blocks at messages.\(index).content exceeds the number of toolUse "
                            + "blocks of previous turn."
                        : "Expected toolResult blocks at messages.\(index).content for the following Ids: "
                            + open.joined(separator: ", ")
                )
            }
            open = blocks.compactMap { $0["toolUse"]?["toolUseId"]?.string }
            hasTools = hasTools || !open.isEmpty
        }
        guard open.isEmpty else { throw .invalid("Expected toolResult blocks for: \(open.joined(separator: ", "))") }
        if hasTools && root["toolConfig"] == nil {
            throw .invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        }
    }

    private func check(_ block: MockJSON, isUser: Bool, _ path: String) throws(MockRefusal) {
        if let text = block["text"]?.string, text.allSatisfy(\.isWhitespace) {
            throw .invalid(
                "The text field in the ContentBlock object at \(path) is blank. Add text to the text field, and "
                    + "try again."
            )
        }
        let ofUser = ["image", "document", "toolResult", "video", "audio", "guardContent", "searchResult"]
        let ofAssistant = ["toolUse", "reasoningContent"]
        if let stray = (isUser ? ofAssistant : ofUser).first(where: { block[$0] != nil }) {
            throw .invalid("\(path): \(stray) is not allowed in a message of this role")
        }
        if let id = (block["toolUse"] ?? block["toolResult"])?["toolUseId"]?.string,
            !MockAnthropicReader.isName(id, upTo: 64)
        {
            throw .invalid("Value '\(id)' at '\(path).toolUseId' failed to satisfy constraint: [a-zA-Z0-9_-]+")
        }
        if let name = block["document"]?["name"]?.string,
            !name.allSatisfy({ $0.isLetter || $0.isNumber || " -()[]".contains($0) }) || name.contains("  ")
        {
            throw .invalid(
                "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
                    + "parentheses, and square brackets."
            )
        }
        for (kind, prefix) in [("image", "image/"), ("document", "application/")] {
            guard let media = block[kind], let bytes = media["source"]?["bytes"]?.string else { continue }
            guard MockMedia.isBase64(bytes) else { throw .invalid("\(path).\(kind).source.bytes: invalid base64") }
            if let type = MockMedia.type(ofBase64: bytes), type != prefix + (media["format"]?.string ?? "") {
                throw .invalid("The model returned the following errors: Could not process \(kind)")
            }
        }
        if self.isClaude, let reasoning = block["reasoningContent"]?["reasoningText"],
            reasoning["signature"]?.string != MockSignature.of(reasoning["text"]?.string ?? "")
        {
            throw .invalid("The model returned the following errors: \(path): Invalid `signature` in `thinking` block")
        }
    }

    // MARK: Ask

    private func ask(_ root: MockJSON) -> MockAsk {
        var ask = MockAsk()
        ask.model = self.call.model
        ask.isStream = self.call.isStream
        ask.maximumTokens = root["inferenceConfig"]?["maxTokens"]?.int
        ask.stops = root["inferenceConfig"]?["stopSequences"]?.elements.compactMap(\.string) ?? []
        ask.tools = (root["toolConfig"]?["tools"]?.elements ?? []).compactMap { tool in
            guard let specification = tool["toolSpec"] else { return nil }
            return MockAsk.Tool(
                name: specification["name"]?.string ?? "",
                parameters: specification["inputSchema"]?["json"] ?? [:]
            )
        }
        let choice = root["toolConfig"]?["toolChoice"]
        if choice?["any"] != nil { ask.demand = .any }
        if let name = choice?["tool"]?["name"]?.string { ask.demand = .named(name) }
        let additional = root["additionalModelRequestFields"]
        // Claude's own form of the choice, which knows more than AWS's.
        if self.isClaude, let choice = additional?["tool_choice"] {
            if choice["type"] == "any" { ask.demand = .any }
            if choice["type"] == "none" { ask.demand = .none }
            if choice["type"] == "tool" { ask.demand = .named(choice["name"]?.string ?? "") }
        }
        ask.allowsParallelCalls = additional?["tool_choice"]?["disable_parallel_tool_use"]?.bool != true
        ask.wantsReasoning = ["enabled", "adaptive"].contains(additional?["thinking"]?["type"]?.string ?? "")
        if let schema = root["outputConfig"]?["textFormat"]?["structure"]?["jsonSchema"]?["schema"]?.string {
            ask.schema = try? MockJSON(bytes: Array(schema.utf8))
            ask.wantsJSON = true
        }
        for part in root["system"]?.elements ?? [] {
            if part["cachePoint"] != nil { ask.marksCache = true }
            ask.read(part["text"]?.string ?? "", isUser: false)
        }
        for message in root["messages"]?.elements ?? [] {
            ask.endsWithToolResult = false
            for block in message["content"]?.elements ?? [] {
                if block["toolResult"] != nil { ask.endsWithToolResult = true }
                if block["cachePoint"] != nil { ask.marksCache = true }
                if block["document"]?["citations"]?["enabled"] == true { ask.wantsCitations = true }
                if let text = block["text"]?.string { ask.read(text, isUser: message["role"] == "user") }
            }
        }
        return ask
    }
}
