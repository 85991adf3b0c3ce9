import SluiceWire

/// How the answer's form is had.
enum AnthropicFormat {
    case none
    /// `output_config.format`, with a schema that the API takes.
    case native(JSONText)
    /// Models without formats are made to call a tool whose input is the answer.
    case tool(name: String, description: String, schema: JSONText)

    var tool: String? {
        if case .tool(let name, _, _) = self { name } else { nil }
    }
}

extension AnthropicBody {
    private static let formatTool = "json_tool_call"

    mutating func settleFormat() {
        switch self.request.responseFormat {
        case nil, .text: break
        case .jsonObject: _ = self.isSent("response_format")
        case .other: break
        case .jsonSchema(let name, let description, let schema, _):
            guard !self.model.hasFormats else {
                self.format = .native(AnthropicSchema.reduced(schema))
                return
            }
            var tool = Self.formatTool
            while self.request.tools.contains(where: { $0.name == tool }) { tool += "_" }
            let purpose = description ?? "Answers with '\(name)': the input is the answer to the user."
            self.format = .tool(name: tool, description: purpose, schema: schema)
        }
    }

    /// `output_config`, from whatever asks for a part of it.
    mutating func writeOutput(_ json: inout JSONWriter) {
        if case .other(let whole) = self.request.responseFormat, self.isSent("response_format") {
            json.field("response_format", whole)
        }
        var schema: JSONText?
        if case .native(let reduced) = self.format { schema = reduced }
        let given = self.request.additional.first { $0.name == "output_config" }?.value
        if schema == nil, self.effort == nil {
            if let given { json.field("output_config", given) }
            return
        }
        json.object("output_config") { json in
            if let effort = self.effort { json.field("effort", effort) }
            for member in given.map({ JSONMembers.unique(JSONMembers.scan($0.bytes)) }) ?? [] {
                let isSaid = member.name == "effort" ? self.effort != nil : member.name == "format" && schema != nil
                if !isSaid { json.rawField(member.name, member.value) }
            }
            guard let schema else { return }
            json.object("format") { json in
                json.field("type", "json_schema")
                json.field("schema", schema)
            }
        }
    }
}
