import SluiceWire

/// Tools and the choice among them.
struct GeminiTools: Sendable {
    /// Changed names: what the provider is told → what the client said.
    private(set) var changedNames: [String: String] = [:]
    /// What the client says → what the provider is told; only names that differ.
    private var sentNames: [String: String] = [:]
    private let model: GeminiModel

    private static let maximumNameBytes = 64
    /// Tools of Google's own, by the member that holds their settings.
    private static let ownTools: [StaticString] = [
        "googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval", "codeExecution",
        "code_execution", "urlContext", "url_context", "googleMaps", "google_maps", "computerUse", "computer_use",
        "fileSearch", "file_search", "enterpriseWebSearch", "enterprise_web_search", "retrieval", "mcpServers",
        "mcp_servers",
    ]

    init(_ request: ChatRequest, _ model: GeminiModel) {
        self.model = model
        guard request.tools.contains(where: { !Self.isName($0.name) }) else { return }
        let taken = Set(request.tools.lazy.map(\.name).filter { Self.isName($0) })
        var names = DistinctNames(taken, maximumLength: Self.maximumNameBytes)
        for tool in request.tools where !Self.isName(tool.name) && self.sentNames[tool.name] == nil {
            guard case .function = tool.kind else { continue }
            let name = names.make(Self.spelled(tool.name))
            self.sentNames[tool.name] = name
            self.changedNames[name] = tool.name
        }
    }

    /// As the provider is told.
    func name(_ name: String) -> String {
        if Self.isName(name) { return name }
        return self.sentNames[name] ?? Self.spelled(name)
    }

    private static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= Self.maximumNameBytes else { return false }
        guard (first | 0x20) &- 97 < 26 || first == UInt8(ascii: "_") else { return false }
        return name.utf8.allSatisfy(Self.isPart)
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 97 < 26 || byte &- 48 < 10 || "_.:-".utf8.contains(byte)
    }

    private static func spelled(_ name: String) -> String {
        var bytes = name.utf8.prefix(Self.maximumNameBytes - 1).map { Self.isPart($0) ? $0 : UInt8(ascii: "_") }
        let isLetter = bytes.first.map { ($0 | 0x20) &- 97 < 26 } == true
        if !isLetter { bytes.insert(UInt8(ascii: "_"), at: 0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Writing

    func write(
        _ request: ChatRequest,
        _ screen: inout ParameterScreen,
        _ budget: inout GeminiSchemaBudget,
        to json: inout JSONWriter
    ) {
        let searches = request.additional.contains { $0.name == "web_search_options" }
        guard !request.tools.isEmpty || searches else { return }
        let hasFunctions = request.tools.contains { if case .function = $0.kind { true } else { false } }
        json.array("tools") { json in
            if hasFunctions {
                json.object { json in
                    json.array("functionDeclarations") { json in
                        for tool in request.tools {
                            guard case .function(let parameters, _) = tool.kind else { continue }
                            json.object { self.write(tool, parameters, &budget, to: &$0) }
                        }
                    }
                }
            }
            for tool in request.tools {
                switch tool.kind {
                case .function: break
                case .custom: screen.reject("tools.custom")
                case .other(let value):
                    if Self.isOwn(value) { json.value(value) } else { screen.reject("tools.\(tool.name)") }
                }
            }
            if searches { json.object { $0.object("googleSearch") { _ in } } }
        }
    }

    private static func isOwn(_ tool: JSONText) -> Bool {
        (try? JSON.read(tool.bytes) { root in Self.ownTools.contains { root[$0] != nil } }) ?? false
    }

    private func write(
        _ tool: ChatTool,
        _ parameters: JSONText?,
        _ budget: inout GeminiSchemaBudget,
        to json: inout JSONWriter
    ) {
        json.field("name", self.name(tool.name))
        if let description = tool.description { json.field("description", description) }
        guard let parameters else { return }
        if self.model.takesJSONSchema {
            json.field("parametersJsonSchema", parameters)
        } else if let reduced = GeminiSchema.reduced(parameters, of: "the tool '\(tool.name)'", &budget) {
            json.field("parameters", reduced)
        }
    }

    func writeChoice(
        _ request: ChatRequest,
        _ screen: inout ParameterScreen,
        to json: inout JSONWriter
    ) {
        guard let choice = request.toolChoice else { return }
        switch choice {
        case .auto: self.writeMode("AUTO", [], to: &json)
        case .none: self.writeMode("NONE", [], to: &json)
        case .required: self.writeMode("ANY", [], to: &json)
        case .function(let name): self.writeMode("ANY", [name], to: &json)
        case .allowed(let names, let isRequired): self.writeMode(isRequired ? "ANY" : "VALIDATED", names, to: &json)
        case .custom, .other: screen.reject("tool_choice")
        }
    }

    private func writeMode(_ mode: String, _ names: [String], to json: inout JSONWriter) {
        json.object("toolConfig") { json in
            json.object("functionCallingConfig") { json in
                json.field("mode", mode)
                guard !names.isEmpty else { return }
                json.array("allowedFunctionNames") { json in for name in names { json.value(self.name(name)) } }
            }
        }
    }
}

extension JSONText {
    static func string(_ text: String) -> JSONText { JSONText(stringLiteral: text) }
}
