import SluiceWire

/// Tools, their choice and the answer's form in the Responses API's flat spelling.
enum ResponsesTools {
    static func tools(_ body: RequestFields) throws(InvalidRequest) -> [ChatTool] {
        var tools: [ChatTool] = []
        for (index, element) in try body.elements("tools").enumerated() {
            tools.append(try Self.tool(try RequestFields(element, at: "tools[\(index)]")))
        }
        return tools
    }

    private static func tool(_ fields: RequestFields) throws(InvalidRequest) -> ChatTool {
        let type = try fields.requiredString("type")
        let kind: ChatTool.Kind
        switch type {
        case "function":
            let parameters = try fields.object("parameters")?.value.text
            kind = .function(parameters: parameters, isStrict: try fields.bool("strict"))
        case "custom": kind = .custom(format: try Self.format(ofCustom: fields))
        default:
            throw InvalidRequest(
                "The field '\(fields.name("type"))' is '\(type.prefix(64))': tools that OpenAI runs itself are not "
                    + "available with a chat model. Use function or custom.",
                param: fields.name("type"),
                code: "unsupported_parameter"
            )
        }
        var tool = ChatTool(
            name: try fields.requiredString("name"),
            description: try fields.string("description"),
            kind: kind
        )
        tool.cacheMark = fields.cacheMark
        return tool
    }

    /// Chat wraps the grammar once more.
    private static func format(ofCustom fields: RequestFields) throws(InvalidRequest) -> JSONText? {
        guard let format = try fields.object("format") else { return nil }
        guard try format.string("type") == "grammar", format["grammar"] == nil else { return format.value.text }
        var json = JSONWriter()
        let definition = try format.requiredString("definition")
        let syntax = try format.requiredString("syntax")
        json.object {
            $0.field("type", "grammar")
            $0.object("grammar") {
                $0.field("definition", definition)
                $0.field("syntax", syntax)
            }
        }
        return JSONText(trusted: json.bytes)
    }

    static func choice(_ body: RequestFields) throws(InvalidRequest) -> ToolChoice? {
        guard let value = body["tool_choice"] else { return nil }
        if let word = value.string {
            switch word {
            case "auto": return .auto
            case "none": return ToolChoice.none
            case "required": return .required
            default: throw body.invalidType("tool_choice", "auto, none, required or an object")
            }
        }
        let fields = try RequestFields(value, at: "tool_choice")
        let type = try fields.requiredString("type")
        switch type {
        case "function": return .function(try fields.requiredString("name"))
        case "custom": return .custom(try fields.requiredString("name"))
        case "allowed_tools":
            let mode = try fields.string("mode") ?? "auto"
            guard mode == "auto" || mode == "required" else { throw fields.invalidType("mode", "auto or required") }
            var names: [String] = []
            for (index, element) in try fields.elements("tools").enumerated() {
                let tool = try RequestFields(element, at: "tool_choice.tools[\(index)]")
                names.append(try tool.requiredString("name"))
            }
            return .allowed(names, isRequired: mode == "required")
        default:
            throw InvalidRequest(
                "The field 'tool_choice.type' is '\(type.prefix(64))'; known here are function, custom and "
                    + "allowed_tools.",
                param: "tool_choice.type",
                code: "unsupported_parameter"
            )
        }
    }

    /// - Parameter text: the field `text`.
    static func format(_ text: RequestFields) throws(InvalidRequest) -> ResponseFormat? {
        guard let format = try text.object("format") else { return nil }
        let type = try format.requiredString("type")
        switch type {
        case "text": return .text
        case "json_object": return .jsonObject
        case "json_schema":
            guard let schema = try format.object("schema") else { throw format.missing("schema") }
            return .jsonSchema(
                name: try format.string("name") ?? "response",
                description: try format.string("description"),
                schema: schema.value.text,
                isStrict: try format.bool("strict")
            )
        default: throw format.invalidType("type", "text, json_object or json_schema")
        }
    }
}
