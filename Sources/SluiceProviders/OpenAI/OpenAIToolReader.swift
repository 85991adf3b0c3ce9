import SluiceWire

/// Reads tools, the choice among them, and the form of the answer.
enum OpenAIToolReader {
    static func tool(_ value: JSONValue) throws(FieldFault) -> ChatTool {
        guard value.kind == .object else { throw FieldFault("", "must be an object") }
        let type = value["type"]?.string
        if type == "custom", let definition = value["custom"] { return try Self.custom(value, definition) }
        if type == "function" || type == nil, let definition = value["function"] {
            return try Self.functionTool(value, definition)
        }
        guard type != "function" else { throw .missing("function") }
        let name = value["name"]?.string ?? type ?? ""
        var tool = ChatTool(name: name, kind: .other(value.text))
        tool.cacheMark = value["cache_control"].flatMap(CacheMark.init(openAI:))
        return tool
    }

    private static func functionTool(_ value: JSONValue, _ definition: JSONValue) throws(FieldFault) -> ChatTool {
        var tool: ChatTool
        do throws(FieldFault) {
            tool = try Self.function(definition)
        } catch {
            throw error.inside("function")
        }
        try Self.takeOutside(of: value, "function", &tool)
        return tool
    }

    /// A function's definition, of `tools` or of `functions`.
    static func function(_ definition: JSONValue) throws(FieldFault) -> ChatTool {
        var tool = ChatTool(name: "", kind: .function(parameters: nil, isStrict: nil))
        var parameters: JSONText?
        var isStrict: Bool?
        var hasName = false
        try definition.members("") { name, value throws(FieldFault) in
            switch name {
            case "name":
                tool.name = try value.string(name)
                hasName = true
            case "description": tool.description = try value.string(name)
            case "parameters": parameters = try value.object(name)
            case "strict": isStrict = try value.bool(name)
            case "cache_control": tool.cacheMark = CacheMark(openAI: value)
            default: tool.definitionAdditional.append(JSONField(name, value.text))
            }
        }
        guard hasName else { throw .missing("name") }
        tool.kind = .function(parameters: parameters, isStrict: isStrict)
        return tool
    }

    private static func custom(_ value: JSONValue, _ definition: JSONValue) throws(FieldFault) -> ChatTool {
        var tool = ChatTool(name: "", kind: .custom(format: nil))
        var format: JSONText?
        try definition.members("custom") { name, value throws(FieldFault) in
            switch name {
            case "name": tool.name = try value.string(name)
            case "description": tool.description = try value.string(name)
            case "format": format = try value.object(name)
            default: tool.definitionAdditional.append(JSONField(name, value.text))
            }
        }
        guard !tool.name.isEmpty else { throw FieldFault.missing("name").inside("custom") }
        tool.kind = .custom(format: format)
        try Self.takeOutside(of: value, "custom", &tool)
        return tool
    }

    private static func takeOutside(
        of value: JSONValue,
        _ definition: String,
        _ tool: inout ChatTool
    ) throws(FieldFault) {
        try value.members("") { name, value throws(FieldFault) in
            switch name {
            case "type", definition: break
            case "cache_control": tool.cacheMark = CacheMark(openAI: value)
            default: tool.additional.append(JSONField(name, value.text))
            }
        }
    }

    static func choice(_ value: JSONValue) throws(FieldFault) -> ToolChoice {
        if let word = value.string {
            switch word {
            case "auto": return .auto
            case "none": return .none
            case "required", "any": return .required
            default:
                throw FieldFault(
                    "tool_choice",
                    "must be 'none', 'auto', 'required' or an object that names a tool",
                    code: "invalid_value"
                )
            }
        }
        guard value.kind == .object else { throw FieldFault("tool_choice", "must be a string or an object") }
        switch value["type"]?.string {
        case "function":
            guard let name = value["function"]?["name"]?.string else { throw .missing("tool_choice.function.name") }
            return .function(name)
        case "custom":
            guard let name = value["custom"]?["name"]?.string else { throw .missing("tool_choice.custom.name") }
            return .custom(name)
        case "allowed_tools": return Self.allowed(value["allowed_tools"] ?? value) ?? .other(value.text)
        default: return .other(value.text)
        }
    }

    private static func allowed(_ value: JSONValue) -> ToolChoice? {
        guard let mode = value["mode"]?.string, mode == "auto" || mode == "required", let tools = value["tools"]
        else { return nil }
        var names: [String] = []
        tools.forEachElement { tool in
            let name = tool["function"]?["name"]?.string ?? tool["custom"]?["name"]?.string ?? tool["name"]?.string
            if let name { names.append(name) }
            return name != nil
        }
        guard tools.kind == .array, names.count == tools.count else { return nil }
        return .allowed(names, isRequired: mode == "required")
    }

    /// `function_call` of a request.
    static func functionChoice(_ value: JSONValue) throws(FieldFault) -> ToolChoice {
        switch value.string {
        case "auto": return .auto
        case "none": return .none
        default:
            guard let name = value["name"]?.string else {
                throw FieldFault("function_call", "must be 'none', 'auto' or name a function", code: "invalid_value")
            }
            return .function(name)
        }
    }

    static func format(_ value: JSONValue) throws(FieldFault) -> ResponseFormat {
        guard value.kind == .object else { throw FieldFault("response_format", "must be an object") }
        switch value["type"]?.string {
        case "text": return .text
        case "json_object": return .jsonObject
        case "json_schema":
            guard let definition = value["json_schema"] else { throw .missing("response_format.json_schema") }
            guard definition.kind == .object else {
                throw FieldFault("response_format.json_schema", "must be an object")
            }
            guard let schema = definition["schema"], schema.kind == .object, let name = definition["name"]?.string
            else { return .other(value.text) }
            return .jsonSchema(
                name: name,
                description: definition["description"]?.string,
                schema: schema.text,
                isStrict: definition["strict"]?.bool
            )
        case nil: throw .missing("response_format.type")
        default: return .other(value.text)
        }
    }
}

extension CacheMark {
    /// Reads `{"type": "ephemeral", "ttl": "1h"}`; `nil` for anything else.
    package init?(openAI value: JSONValue) {
        guard value["type"]?.string == "ephemeral" else { return nil }
        self.init(timeToLive: value["ttl"]?.string)
    }
}
