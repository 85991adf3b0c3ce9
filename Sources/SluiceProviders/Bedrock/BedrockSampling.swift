import SluiceWire

extension BedrockBody {
    /// Newer models of Claude's take no sampling, or one of two; one that thinks takes its own temperature only.
    mutating func settleSampling() {
        self.temperature = self.request.temperature
        self.topP = self.request.topP
        if self.policy != .pass {
            if let temperature = self.temperature, temperature > 1 {
                self.drop("temperature")
                self.temperature = 1
            }
            self.settleClaudeSampling()
        }
        self.settleTopK()
    }

    private mutating func settleClaudeSampling() {
        guard let claude = self.model.claude else { return }
        if claude.sampling == .none {
            if self.temperature != nil { self.drop("temperature") }
            if self.topP != nil { self.drop("top_p") }
            (self.temperature, self.topP) = (nil, nil)
        } else if claude.sampling == .oneOfTwo, self.temperature != nil, self.topP != nil {
            self.drop("top_p")
            self.topP = nil
        }
        if self.isThinking, let temperature = self.temperature, temperature != 1 {
            self.drop("temperature")
            self.temperature = nil
        }
    }

    private mutating func settleTopK() {
        guard let topK = self.request.topK else { return }
        switch self.model.family {
        case .claude(let claude) where self.policy != .pass && (claude.sampling == .none || self.isThinking):
            self.drop("top_k")
        case .nova:
            self.modelFields.append(JSONField("inferenceConfig", ["topK": JSONText(integerLiteral: topK)]))
        default: self.modelFields.append(JSONField("top_k", JSONText(integerLiteral: topK)))
        }
    }

    /// Who asks and how it is billed.
    mutating func settleCaller() {
        let request = self.request
        if let metadata = request.metadata { self.takeMetadata(metadata, "metadata") }
        if let user = request.user { self.takeMetadata("user", user, "user") }
        if let identifier = request.safetyIdentifier {
            self.takeMetadata("safety_identifier", identifier, "safety_identifier")
        }
        if let tier = request.serviceTier, tier != "auto", self.serviceTier == nil { self.drop("service_tier") }
    }

    private var serviceTier: String? {
        switch self.request.serviceTier {
        case "default", "priority", "flex", "reserved": self.request.serviceTier
        case "standard": "default"
        default: nil
        }
    }

    func writeServiceTier(_ json: inout JSONWriter) {
        guard let tier = self.serviceTier else { return }
        json.object("serviceTier") { $0.field("type", tier) }
    }

    func writeInference(_ json: inout JSONWriter) {
        let stop = self.request.stop.filter { !$0.isEmpty }
        let limit = self.request.tokenLimit
        guard limit != nil || self.temperature != nil || self.topP != nil || !stop.isEmpty else { return }
        json.object("inferenceConfig") { json in
            if let limit { json.field("maxTokens", limit) }
            if let temperature = self.temperature { json.field("temperature", temperature) }
            if let topP = self.topP { json.field("topP", topP) }
            guard !stop.isEmpty else { return }
            json.array("stopSequences") { json in for sequence in stop { json.value(sequence) } }
        }
    }
}
