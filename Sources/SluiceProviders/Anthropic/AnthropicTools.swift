import SluiceWire

/// What the model may call, and whether it must.
extension AnthropicBody {
    mutating func writeTools(_ json: inout JSONWriter) {
        let tools = self.offeredTools()
        let search = self.request.additional.first { $0.name == "web_search_options" }?.value
        if !tools.isEmpty || search != nil || self.format.tool != nil {
            json.array("tools") { json in
                for tool in tools { self.write(tool, &json) }
                if let search { Self.writeSearch(search, &json) }
                if case .tool(let name, let description, let schema) = self.format {
                    json.object { json in
                        json.field("type", "custom")
                        json.field("name", name)
                        json.field("description", description)
                        Self.writeSchema(schema, &json)
                    }
                }
            }
            return self.writeChoice(hasClientTools: !tools.isEmpty, &json)
        }
        let called = self.calledTools()
        guard !called.isEmpty else { return }
        // Calls in the history want their tools told; none of them is to be called again.
        json.array("tools") { json in
            for name in called {
                json.object { json in
                    json.field("type", "custom")
                    json.field("name", name)
                    Self.writeSchema(nil, &json)
                }
            }
        }
        json.object("tool_choice") { $0.field("type", "none") }
    }

    private func offeredTools() -> [ChatTool] {
        guard case .allowed(let names, _) = self.request.toolChoice else { return self.request.tools }
        let allowed = Set(names)
        return self.request.tools.filter { allowed.contains($0.name) }
    }

    /// As they are sent, each once.
    private func calledTools() -> [String] {
        var names: [String] = []
        var known: Set<String> = []
        for message in self.request.messages {
            for call in message.toolCalls {
                let name = self.names.sent(call.name)
                if known.insert(name).inserted { names.append(name) }
            }
        }
        return names
    }

    private mutating func write(_ tool: ChatTool, _ json: inout JSONWriter) {
        switch tool.kind {
        case .other(let whole): json.value(whole)
        case .function(let parameters, let isStrict):
            json.object { json in
                json.field("type", "custom")
                json.field("name", self.names.sent(tool.name))
                if let description = tool.description { json.field("description", description) }
                if isStrict == true, self.model.hasFormats {
                    Self.writeSchema(parameters.map { AnthropicSchema.reduced($0) }, &json)
                    json.field("strict", true)
                } else {
                    Self.writeSchema(parameters, &json)
                }
                for field in tool.additional where Self.toolMembers.contains(field.name) {
                    json.field(field.name, field.value)
                }
                Self.write(tool.cacheMark, &json)
            }
        case .custom(let format):
            if format != nil, self.policy != .pass { _ = self.isSent("tools.custom.format") }
            json.object { json in
                json.field("type", "custom")
                json.field("name", self.names.sent(tool.name))
                if let description = tool.description { json.field("description", description) }
                json.rawField("input_schema", Self.plainInput)
                Self.write(tool.cacheMark, &json)
            }
        }
    }

    /// Members of tools that OpenAI does not know.
    static let toolMembers = ["allowed_callers", "defer_loading", "eager_input_streaming", "input_examples"]

    /// A custom tool takes one text.
    private static let plainInput = Array(
        #"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#.utf8
    )
    private static let noInput = Array(#"{"type":"object","properties":{}}"#.utf8)

    /// The API wants `type` to be `object`; some clients leave it out.
    private static func writeSchema(_ schema: JSONText?, _ json: inout JSONWriter) {
        guard let schema else { return json.rawField("input_schema", Self.noInput) }
        enum Shape {
            case whole
            case untyped
            case empty
        }
        let shape = try? JSON.read(schema.bytes) { root -> Shape in
            guard root.kind == .object, root.count > 0 else { return .empty }
            return root["type"] == nil ? .untyped : .whole
        }
        switch shape {
        case .whole: json.field("input_schema", schema)
        case .untyped:
            json.object("input_schema") { json in
                json.field("type", "object")
                for member in JSONMembers.scan(schema.bytes) { json.rawField(member.name, member.value) }
            }
        case .empty, nil: json.rawField("input_schema", Self.noInput)
        }
    }

    private mutating func writeChoice(hasClientTools: Bool, _ json: inout JSONWriter) {
        var type = "auto"
        var name: String?
        switch self.request.toolChoice {
        case nil where self.format.tool == nil:
            guard self.request.parallelToolCalls == false else { return }
        case nil, .auto, .allowed(_, isRequired: false):
            if let tool = self.format.tool {
                type = hasClientTools ? "any" : "tool"
                name = hasClientTools ? nil : tool
            }
        case .none?:
            type = self.format.tool == nil ? "none" : "tool"
            name = self.format.tool
        case .required, .allowed(_, isRequired: true): type = "any"
        case .function(let wanted), .custom(let wanted):
            type = "tool"
            name = self.names.sent(wanted)
        case .other(let whole):
            if self.isSent("tool_choice") { json.field("tool_choice", whole) }
            return
        }
        json.object("tool_choice") { json in
            json.field("type", type)
            if let name { json.field("name", name) }
            if self.request.parallelToolCalls == false, type != "none" {
                json.field("disable_parallel_tool_use", true)
            }
        }
    }

    /// OpenAI's `web_search_options` as Anthropic's own search.
    private static func writeSearch(_ options: JSONText, _ json: inout JSONWriter) {
        json.object { json in
            json.field("type", "web_search_20250305")
            json.field("name", "web_search")
            _ = try? JSON.read(options.bytes) { root in
                switch root["search_context_size"]?.string {
                case "low": json.field("max_uses", 1)
                case "medium": json.field("max_uses", 5)
                case "high": json.field("max_uses", 10)
                default: break
                }
                guard let place = root["user_location"]?["approximate"] else { return }
                json.object("user_location") { json in
                    json.field("type", "approximate")
                    place.forEachMember { name, value in
                        if name != "type", let text = value.string { json.field(name, text) }
                        return true
                    }
                }
            }
        }
    }
}
