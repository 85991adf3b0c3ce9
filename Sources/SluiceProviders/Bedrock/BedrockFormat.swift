import SluiceWire

extension BedrockBody {
    private static let objectTool = "json_answer"
    private static let maximumNameLength = 64

    /// A schema goes to `outputConfig`, or to a tool that must be called where a model knows no other way.
    mutating func settleFormat() {
        switch self.request.responseFormat {
        case nil, .text: break
        case .jsonSchema(let name, let description, let schema, _):
            guard self.usesFormatTool else {
                self.format = self.request.responseFormat
                return
            }
            self.answerByTool(name, description ?? "Gives the answer.", schema)
        case .jsonObject:
            self.answerByTool(Self.objectTool, "Gives the answer, a JSON object.", ["type": "object"])
        case .other(let form): self.unsupported("response_format", form)
        }
    }

    private var usesFormatTool: Bool {
        switch self.settings["structured_output"] {
        case "native": false
        case "tool": true
        default: !self.model.hasFormats
        }
    }

    private mutating func answerByTool(_ wanted: String, _ description: String, _ schema: JSONText) {
        let isFree = self.choice == .unsaid || self.choice == .auto || self.choice == .any || self.choice == .none
        guard self.model.canForceTools, isFree else { return self.drop("response_format") }
        var name = self.names.tool(wanted)
        while self.tools.contains(where: { self.names.tool($0.name) == name }) {
            name = "\(name.prefix(Self.maximumNameLength - 1))_"
        }
        let isAlone = self.tools.isEmpty || self.choice == .none
        self.tools.append(.function(name, description: description, parameters: schema))
        // A model that thinks cannot be made to call.
        self.choice = self.isThinking ? .auto : isAlone ? .tool(name) : .any
        self.formatTool = name
    }

    func writeOutput(_ json: inout JSONWriter) {
        guard self.format != nil || self.effort != nil else { return }
        json.object("outputConfig") { json in
            if case .jsonSchema(let name, let description, let schema, _) = self.format {
                json.object("textFormat") { json in
                    json.field("type", "json_schema")
                    json.object("structure") { json in
                        json.object("jsonSchema") { json in
                            json.field("schema", self.reduced(schema).text)
                            if !name.isEmpty { json.field("name", name) }
                            if let description, !description.isEmpty { json.field("description", description) }
                        }
                    }
                }
            }
            if let effort = self.effort { json.field("effort", effort) }
        }
    }

    private func reduced(_ schema: JSONText) -> JSONText {
        self.model.claude == nil ? schema : AnthropicSchema.reduced(schema)
    }
}
