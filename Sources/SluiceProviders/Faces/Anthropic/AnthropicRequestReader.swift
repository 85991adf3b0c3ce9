import SluiceWire

/// Reads a Messages request member by member.
struct AnthropicRequestReader {
    private let refusesSampling: Bool
    private var request = ChatRequest(model: "", messages: [])
    private var system: [ChatMessage] = []
    private var hasModel = false
    private var hasMessages = false

    /// Hints for Anthropic's own machinery: nobody else has a use for them, and nothing is lost without them.
    private static let hints: Set<String> = ["diagnostics", "user_profile_id", "workspace_id"]

    static func request(
        _ root: JSONValue,
        refusesSampling: Bool,
        needsLimit: Bool
    ) throws(FieldFault) -> ChatRequest {
        var reader = AnthropicRequestReader(refusesSampling: refusesSampling)
        try root.members("") { name, value throws(FieldFault) in
            if try reader.take(name, value) { return }
            if try reader.takeTools(name, value) { return }
            if Self.hints.contains(name) { return }
            // Anthropic refuses every member that it does not know; others pass, for they may be newer than we are.
            guard !OpenAIRequestReader.ownMembers.contains(name) else {
                throw FieldFault(
                    name,
                    "belongs to OpenAI's API, not to Messages: extra inputs are not permitted",
                    code: "unknown_parameter"
                )
            }
            reader.request.additional.append(JSONField(name, value.text))
        }
        guard reader.hasModel else { throw .missing("model") }
        guard reader.hasMessages else { throw .missing("messages") }
        guard !needsLimit || reader.request.maximumTokens != nil else { throw .missing("max_tokens") }
        if !reader.system.isEmpty { reader.request.messages.insert(contentsOf: reader.system, at: 0) }
        return reader.request
    }

    private init(refusesSampling: Bool) { self.refusesSampling = refusesSampling }

    private mutating func take(_ name: String, _ value: JSONValue) throws(FieldFault) -> Bool {
        switch name {
        case "model":
            self.request.model = try value.string(name)
            self.hasModel = true
        case "messages":
            let reader = AnthropicMessageReader(isStrict: self.refusesSampling)
            self.request.messages = try reader.messages(value)
            self.hasMessages = true
        case "max_tokens":
            let limit = try value.int(name)
            guard limit > 0 else { throw FieldFault(name, "must be above 0", code: "invalid_value") }
            self.request.maximumTokens = limit
        case "system": try self.takeSystem(value)
        case "stream":
            self.request.isStream = try value.bool(name)
            // A message's stream always tells what it has used.
            self.request.includesUsage = self.request.isStream
        case "stop_sequences": self.request.stop = try value.strings(name)
        case "temperature":
            try self.refuseSampling(name)
            self.request.temperature = try Self.share(value, name)
        case "top_p":
            try self.refuseSampling(name)
            self.request.topP = try Self.share(value, name)
        case "top_k":
            try self.refuseSampling(name)
            self.request.topK = try value.int(name)
        case "metadata":
            guard value.kind == .object else { throw FieldFault(name, "must be an object") }
            self.request.user = value["user_id"]?.string
        case "service_tier":
            let tier = try value.string(name)
            self.request.serviceTier = tier == "standard_only" ? "default" : tier
        default: return false
        }
        return true
    }

    private func refuseSampling(_ name: String) throws(FieldFault) {
        guard self.refusesSampling else { return }
        let version = AnthropicVersion.withoutSampling
        throw FieldFault(name, "is not taken since API version \(version)", code: "unsupported_parameter")
    }

    private static func share(_ value: JSONValue, _ name: String) throws(FieldFault) -> Double {
        let share = try value.double(name)
        guard (0...1).contains(share) else { throw FieldFault(name, "must be 0 to 1", code: "invalid_value") }
        return share
    }

    private mutating func takeSystem(_ value: JSONValue) throws(FieldFault) {
        if let text = value.string {
            if !text.isEmpty { self.system = [.system(text)] }
            return
        }
        var message = ChatMessage(role: .system, content: [])
        guard value.kind == .array else { throw FieldFault("system", "must be a string or a list of texts") }
        try value.elements("system") { block throws(FieldFault) in
            guard block["type"]?.string == "text" else {
                throw FieldFault("type", "must be 'text'", code: "invalid_value")
            }
            message.content.append(try AnthropicBlockReader.text(block))
        }
        if !message.content.isEmpty { self.system = [message] }
    }

    // MARK: Tools and what the answer is to be

    private mutating func takeTools(_ name: String, _ value: JSONValue) throws(FieldFault) -> Bool {
        switch name {
        case "tools":
            try value.elements(name) { value throws(FieldFault) in self.request.tools.append(try Self.tool(value)) }
        case "tool_choice": try self.takeChoice(value)
        case "thinking": return try self.takeThinking(value)
        case "output_config":
            guard value.kind == .object else { throw FieldFault(name, "must be an object") }
            if let effort = value["effort"], !effort.isNull {
                self.request.reasoningEffort = try effort.string("output_config.effort")
            }
            if let format = value["format"], !format.isNull { try self.takeFormat(format, "output_config.format") }
            self.keepRest(of: value, name, but: ["effort", "format"])
        case "output_format": try self.takeFormat(value, name)
        default: return false
        }
        return true
    }

    /// What is newer than we are goes on to Anthropic, and is named where somebody else answers.
    private mutating func keepRest(of value: JSONValue, _ name: String, but known: Set<String>) {
        var rest = JSONWriter(reserving: 32)
        var isEmpty = true
        rest.object { json in
            value.forEachMember { member, value in
                guard !known.contains(member), !value.isNull else { return true }
                json.field(member, value.text)
                isEmpty = false
                return true
            }
        }
        if !isEmpty { self.request.additional.append(JSONField(name, JSONText(trusted: rest.bytes))) }
    }

    private mutating func takeFormat(_ value: JSONValue, _ name: String) throws(FieldFault) {
        guard value["type"]?.string == "json_schema" else {
            throw FieldFault(name + ".type", "must be 'json_schema'", code: "invalid_value")
        }
        guard let schema = value["schema"], schema.kind == .object else {
            throw FieldFault(name + ".schema", "must be an object")
        }
        self.request.responseFormat = .jsonSchema(
            name: value["name"]?.string ?? "answer",
            description: nil,
            schema: schema.text,
            isStrict: true
        )
    }

    private mutating func takeThinking(_ value: JSONValue) throws(FieldFault) -> Bool {
        switch value["type"]?.string {
        case "enabled":
            guard let budget = value["budget_tokens"] else { throw .missing("thinking.budget_tokens") }
            let tokens = try budget.int("thinking.budget_tokens")
            guard tokens >= AnthropicModel.minimumBudget else {
                let least = AnthropicModel.minimumBudget
                throw FieldFault("thinking.budget_tokens", "must be at least \(least)", code: "invalid_value")
            }
            self.request.thinking = .enabled(budgetTokens: tokens)
        case "disabled", "between_tools": self.request.thinking = .disabled
        case "adaptive": self.request.thinking = .adaptive
        case nil: throw .missing("thinking.type")
        default:
            if let budget = value["budget_tokens"], !budget.isNull { _ = try budget.int("thinking.budget_tokens") }
            return false
        }
        return true
    }

    private mutating func takeChoice(_ value: JSONValue) throws(FieldFault) {
        guard value.kind == .object else { throw FieldFault("tool_choice", "must be an object") }
        switch value["type"]?.string {
        case "auto": self.request.toolChoice = .auto
        case "any": self.request.toolChoice = .required
        case "none": self.request.toolChoice = ToolChoice.none
        case "tool":
            guard let name = value["name"]?.string else { throw .missing("tool_choice.name") }
            self.request.toolChoice = .function(name)
        case nil: throw .missing("tool_choice.type")
        default:
            throw FieldFault(
                "tool_choice.type",
                "must be 'auto', 'any', 'tool' or 'none'",
                code: "invalid_value"
            )
        }
        if value["disable_parallel_tool_use"]?.bool == true { self.request.parallelToolCalls = false }
    }

    private static func tool(_ value: JSONValue) throws(FieldFault) -> ChatTool {
        guard value.kind == .object else { throw FieldFault("", "must be an object") }
        if let type = value["type"]?.string, type != "custom" {
            guard type != "function" else {
                throw FieldFault("type", "must be 'custom' or a tool of the provider's own", code: "invalid_value")
            }
            // A tool of the provider's own.
            var tool = ChatTool(name: value["name"]?.string ?? type, kind: .other(value.text))
            tool.cacheMark = value["cache_control"].flatMap(CacheMark.init(openAI:))
            return tool
        }
        guard let name = value["name"] else { throw .missing("name") }
        guard let schema = value["input_schema"] else { throw .missing("input_schema") }
        var tool = ChatTool(
            name: try name.string("name"),
            kind: .function(parameters: try schema.object("input_schema"), isStrict: value["strict"]?.bool)
        )
        guard !tool.name.isEmpty else { throw FieldFault("name", "must not be empty", code: "invalid_value") }
        if let description = value["description"], !description.isNull {
            tool.description = try description.string("description")
        }
        tool.cacheMark = value["cache_control"].flatMap(CacheMark.init(openAI:))
        for name in AnthropicBody.toolMembers {
            if let member = value[named: name], !member.isNull { tool.additional.append(JSONField(name, member.text)) }
        }
        return tool
    }
}
