import SluiceWire

/// What the model has to do with its tools.
enum BedrockToolChoice: Equatable {
    case unsaid
    case auto
    case any
    case tool(String)
    /// Of Claude alone: tools are known and must not be called.
    case none
}

extension BedrockBody {
    private static let emptySchema: JSONText = ["type": "object", "properties": [:]]

    private var hasToolHistory: Bool {
        self.request.messages.contains { !$0.toolCalls.isEmpty || $0.role == .tool || $0.role == .function }
    }

    mutating func settleTools() {
        self.tools = self.request.tools.filter { self.isExpressible($0) }
        self.takeNativeTools()
        switch self.request.toolChoice {
        case nil: break
        case .auto: self.choice = .auto
        case .required: self.choice = .any
        case .function(let name), .custom(let name): self.choice = .tool(self.names.tool(name))
        case .allowed(let names, let isRequired):
            let allowed = Set(names)
            self.tools.removeAll { !allowed.contains($0.name) }
            self.choice = isRequired ? .any : .auto
        case .some(.none): self.forbidTools()
        case .other: self.drop("tool_choice")
        }
        self.declareHistory()
        if self.choice == .any || self.isToolForced, !self.model.canForceTools, self.policy != .pass {
            self.drop("tool_choice")
            self.choice = .unsaid
        }
        if self.request.parallelToolCalls == false, !self.tools.isEmpty, self.model.claude == nil {
            self.drop("parallel_tool_calls")
        }
    }

    private var isToolForced: Bool {
        if case .tool = self.choice { true } else { false }
    }

    /// Custom tools answer in free text, which Converse has no form for.
    private mutating func isExpressible(_ tool: ChatTool) -> Bool {
        if case .custom = tool.kind {
            self.drop("tools.custom")
            return false
        }
        return true
    }

    /// Tools of Anthropic's own go past Converse to the model.
    private mutating func takeNativeTools() {
        var own: [JSONText] = []
        self.tools.removeAll { tool in
            guard case .other(let json) = tool.kind, !Self.isConverseTool(json) else { return false }
            own.append(json)
            return true
        }
        guard !own.isEmpty else { return }
        guard self.model.claude != nil || self.policy == .pass else { return self.drop("tools") }
        var json = JSONWriter()
        json.array { json in for tool in own { json.value(tool) } }
        self.modelFields.append(JSONField("tools", JSONText(trusted: json.bytes)))
    }

    private static func isConverseTool(_ json: JSONText) -> Bool {
        let name = JSONMembers.scan(json.bytes).first?.name
        return name == "toolSpec" || name == "systemTool" || name == "cachePoint"
    }

    /// Converse knows no `none`. Without tools in the conversation none need be mentioned; Claude can be told.
    private mutating func forbidTools() {
        if !self.hasToolHistory {
            self.tools = []
        } else if self.model.claude != nil {
            self.choice = .none
        } else {
            self.drop("tool_choice")
        }
    }

    /// A conversation that has called tools must declare some, or it is refused. Claude is told not to call them.
    private mutating func declareHistory() {
        guard self.tools.isEmpty, self.hasToolHistory else { return }
        var seen: Set<String> = []
        for message in self.request.messages {
            for call in message.toolCalls where seen.insert(call.name).inserted {
                self.tools.append(.function(call.name))
            }
        }
        if self.tools.isEmpty { self.tools.append(.function("tool")) }
        self.choice = self.model.claude != nil ? .none : .unsaid
    }

    mutating func writeTools(_ json: inout JSONWriter) {
        guard !self.tools.isEmpty else { return }
        if let choice = self.claudeChoice() { self.modelFields.append(JSONField("tool_choice", choice)) }
        let isSaid = self.model.claude == nil || !self.isClaudeTold
        json.object("toolConfig") { json in
            json.array("tools") { json in
                for tool in self.tools { self.write(tool, &json) }
            }
            switch self.choice {
            case .auto where isSaid: json.object("toolChoice") { $0.object("auto") { _ in } }
            case .any where isSaid: json.object("toolChoice") { $0.object("any") { _ in } }
            case .tool(let name) where isSaid:
                json.object("toolChoice") { json in json.object("tool") { $0.field("name", name) } }
            default: break
            }
        }
    }

    /// Whether Claude hears of its tools' choice in its own words, in place of Converse's.
    private var isClaudeTold: Bool { self.choice == .none || self.request.parallelToolCalls == false }

    private func claudeChoice() -> JSONText? {
        guard self.model.claude != nil, self.isClaudeTold else { return nil }
        switch self.choice {
        case .none: return ["type": "none"]
        case .unsaid, .auto: return ["type": "auto", "disable_parallel_tool_use": true]
        case .any: return ["type": "any", "disable_parallel_tool_use": true]
        case .tool(let name):
            return ["type": "tool", "name": JSONText(stringLiteral: name), "disable_parallel_tool_use": true]
        }
    }

    private mutating func write(_ tool: ChatTool, _ json: inout JSONWriter) {
        switch tool.kind {
        case .custom: break
        case .other(let own): json.value(own)
        case .function(let parameters, let isStrict):
            json.object { json in
                json.object("toolSpec") { json in
                    json.field("name", self.names.tool(tool.name))
                    if let description = tool.description, !description.isEmpty {
                        json.field("description", description)
                    }
                    json.object("inputSchema") { $0.field("json", Self.schema(parameters)) }
                    if isStrict == true { json.field("strict", true) }
                }
            }
        }
        if let mark = tool.cacheMark { self.writeCachePoint(mark, &json) }
    }

    private static func schema(_ parameters: JSONText?) -> JSONText {
        guard let parameters, parameters.bytes.count > 2, parameters != .null else { return Self.emptySchema }
        return parameters
    }

    /// Everything before it may be kept by the provider.
    mutating func writeCachePoint(_ mark: CacheMark, _ json: inout JSONWriter) {
        guard self.model.hasCachePoints || self.policy == .pass else { return self.drop("cache_control") }
        json.object { json in
            json.object("cachePoint") { json in
                json.field("type", "default")
                if let time = mark.timeToLive { json.field("ttl", time) }
            }
        }
    }
}
