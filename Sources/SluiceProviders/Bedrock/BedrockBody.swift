import SluiceWire

/// The body of a Converse call: first everything is settled that the model cannot have, then it is written at once.
struct BedrockBody {
    private static let parameters: ChatParameters = [
        .tools, .toolChoice, .parallelToolCalls, .responseFormat, .maximumTokens, .maximumCompletionTokens, .stop,
        .temperature, .topP, .topK, .reasoningEffort, .thinking, .user, .safetyIdentifier, .metadata, .serviceTier,
    ]

    private(set) var request: ChatRequest
    let policy: UnsupportedParameterPolicy
    let model: BedrockModel
    let settings: [String: String]

    private var screen: ParameterScreen
    /// The first thing that cannot be sent at all.
    var fault: ProviderError?
    var names: BedrockNames

    var thinking: Thinking?
    var effort: String?
    var temperature: Double?
    var topP: Double?
    var tools: [ChatTool] = []
    var choice = BedrockToolChoice.unsaid
    /// The schema of the answer, where `outputConfig` is to hold it.
    var format: ResponseFormat?
    /// The tool that stands for the response format.
    var formatTool: String?
    /// Members of `additionalModelRequestFields`.
    var modelFields: [JSONField] = []
    /// Members of the body that the client wrote in Converse's own words.
    var ownFields: [JSONField] = []
    /// Members of `requestMetadata`.
    var metadata: [(name: String, value: String)] = []

    init(_ call: ProviderCall) {
        self.request = call.request
        self.policy = call.endpoint.unsupported
        self.screen = ParameterScreen(provider: BedrockHandler.name, policy: call.endpoint.unsupported)
        self.settings = call.endpoint.settings
        self.model = BedrockModel(call.endpoint.settings["base_model"] ?? call.request.model)
        self.names = BedrockNames(call.request.tools)
    }

    /// Names of parameters that were left out.
    var dropped: [String] { self.screen.dropped }

    /// - Throws: `unsupportedParameter` with all names where the policy says so; `badRequest` for content that Bedrock
    ///   does not take.
    mutating func write() throws(ProviderError) -> [UInt8] {
        self.screen.screen(&self.request, supports: Self.parameters, members: nil)
        self.takeAdditional()
        self.settleThinking()
        self.settleSampling()
        self.settleTools()
        self.settleFormat()
        self.settleCaller()
        var json = JSONWriter(reserving: 2_048)
        json.object { json in
            self.writeMessages(&json)
            self.writeSystem(&json)
            self.writeInference(&json)
            self.writeTools(&json)
            self.writeOutput(&json)
            self.writeServiceTier(&json)
            self.writeMetadata(&json)
            for field in self.ownFields { json.field(field.name, field.value) }
            self.writeModelFields(&json)
        }
        if let fault = self.fault { throw fault }
        try self.screen.check()
        return json.bytes
    }

    /// Names a parameter that the model cannot have, or passes it on all the same.
    mutating func unsupported(_ name: String, _ value: @autoclosure () -> JSONText) {
        self.drop(name)
        if self.policy == .pass { self.modelFields.append(JSONField(name, value())) }
    }

    mutating func drop(_ name: String) { self.screen.reject(name) }

    mutating func fail(_ message: String, parameter: String? = nil) {
        guard self.fault == nil else { return }
        self.fault = ProviderError(
            .badRequest,
            message,
            provider: BedrockHandler.name,
            code: "unsupported_content",
            parameter: parameter
        )
    }

    // MARK: Members in Converse's own words

    private static let ownNames: Set<String> = [
        "guardrailConfig", "performanceConfig", "promptVariables", "additionalModelResponseFieldPaths",
    ]
    /// OpenAI's, which mean nothing to any model here.
    private static let foreignNames: Set<String> = [
        "audio", "prediction", "web_search_options", "moderation", "prompt_cache_options",
    ]

    private mutating func takeAdditional() {
        for field in self.request.additional {
            switch field.name {
            case "additionalModelRequestFields":
                let members = JSONMembers.unique(JSONMembers.scan(field.value.bytes))
                for member in members {
                    self.modelFields.append(JSONField(member.name, JSONText(trusted: Array(member.value))))
                }
            case "requestMetadata": self.takeMetadata(field.value, "requestMetadata")
            case _ where Self.ownNames.contains(field.name): self.ownFields.append(field)
            case "cache_control", "inference_geo", "speed": self.unsupported(field.name, field.value)
            case "context_management" where self.model.claude == nil: self.unsupported(field.name, field.value)
            case _ where Self.foreignNames.contains(field.name): self.unsupported(field.name, field.value)
            default: self.modelFields.append(field)
            }
        }
        self.modelFields += self.screen.passed
    }

    mutating func takeMetadata(_ object: JSONText, _ name: String) {
        for member in JSONMembers.unique(JSONMembers.scan(object.bytes)) {
            let value = JSONMembers.string(member.value) ?? String(decoding: member.value, as: UTF8.self)
            self.takeMetadata(member.name, value, name)
        }
    }

    /// The log of calls takes sixteen words of some letters; what it does not take is named.
    mutating func takeMetadata(_ name: String, _ value: String, _ parameter: String) {
        let isFit = (1...256).contains(name.utf8.count) && value.utf8.count <= 256 && self.metadata.count < 16
        let isNew = !self.metadata.contains { $0.name == name }
        guard isFit, isNew, name.utf8.allSatisfy(Self.isMetadata), value.utf8.allSatisfy(Self.isMetadata) else {
            return self.drop(parameter)
        }
        self.metadata.append((name, value))
    }

    private static func isMetadata(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122: true
        default: " :_@$#=/+,-.".utf8.contains(byte)
        }
    }

    private func writeMetadata(_ json: inout JSONWriter) {
        guard !self.metadata.isEmpty else { return }
        json.object("requestMetadata") { json in
            for (name, value) in self.metadata { json.field(name, value) }
        }
    }

    // The client's own words come first and win.
    private func writeModelFields(_ json: inout JSONWriter) {
        guard !self.modelFields.isEmpty else { return }
        json.object("additionalModelRequestFields") { json in
            for (index, field) in self.modelFields.enumerated() {
                let isRepeated = self.modelFields[..<index].contains { $0.name == field.name }
                if !isRepeated { json.field(field.name, field.value) }
            }
        }
    }
}
