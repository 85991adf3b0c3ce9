import SluiceWire

/// The body of `generateContent`.
struct GeminiRequest {
    let provider: String
    let isVertex: Bool
    let request: ChatRequest
    let model: GeminiModel
    let tools: GeminiTools

    private(set) var screen: ParameterScreen

    private static let parameters: ChatParameters = [
        .tools, .toolChoice, .responseFormat, .maximumTokens, .maximumCompletionTokens, .stop, .choiceCount,
        .modalities, .temperature, .topP, .topK, .frequencyPenalty, .presencePenalty, .seed, .logprobs, .topLogprobs,
        .reasoningEffort, .thinking, .serviceTier,
    ]

    /// Members of requests that are Google's own, and go into its body as they are.
    private static let ownMembers: [(name: String, own: String)] = [
        ("safety_settings", "safetySettings"), ("safetySettings", "safetySettings"),
        ("cached_content", "cachedContent"), ("cachedContent", "cachedContent"), ("labels", "labels"),
    ]
    /// All members that are read.
    private static let members =
        Self.ownMembers.map(\.name) + GeminiGeneration.ownMembers.map(\.name) + ["web_search_options", "audio"]

    init(_ call: ProviderCall, provider: String, isVertex: Bool, model: GeminiModel) {
        self.provider = provider
        self.isVertex = isVertex
        var request = call.request
        self.screen = ParameterScreen(provider: provider, policy: call.endpoint.unsupported)
        self.screen.screen(&request, supports: Self.parameters, members: Self.members)
        self.request = request
        self.model = model
        self.tools = GeminiTools(request, model)
    }

    mutating func body() throws(ProviderError) -> [UInt8] {
        let media = GeminiMedia(provider: self.provider, isVertex: self.isVertex, model: self.model)
        var contents = GeminiContents(self.request.messages, self.model, self.tools, media)
        var budget = GeminiSchemaBudget()
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            contents.write(to: &json)
            self.tools.write(self.request, &self.screen, &budget, to: &json)
            self.tools.writeChoice(self.request, &self.screen, to: &json)
            GeminiGeneration(request: self.request, model: self.model).write(&self.screen, &budget, to: &json)
            self.writeTier(to: &json)
            self.writeOwnMembers(to: &json)
            for field in self.screen.passed { json.field(field.name, field.value) }
        }
        if let failure = contents.failure ?? budget.failure(provider: self.provider) { throw failure }
        try self.screen.check()
        return json.bytes
    }

    private func writeTier(to json: inout JSONWriter) {
        switch self.request.serviceTier {
        case nil, "auto": break
        case "default": json.field("serviceTier", "standard")
        case let tier?: json.field("serviceTier", tier)
        }
    }

    private func writeOwnMembers(to json: inout JSONWriter) {
        for field in self.request.additional {
            guard let own = Self.ownMembers.first(where: { $0.name == field.name })?.own else { continue }
            json.field(own, field.value)
        }
    }
}
