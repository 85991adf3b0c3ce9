import SluiceWire

/// The body of `generateContent`.
struct GeminiRequest {
    let provider: String
    let isVertex: Bool
    let request: ChatRequest
    let model: GeminiModel
    let tools: GeminiTools

    private(set) var unsupported: UnsupportedParameters

    /// Members of requests that are Google's own, and go into its body as they are.
    private static let ownMembers: [(name: String, own: String)] = [
        ("safety_settings", "safetySettings"), ("safetySettings", "safetySettings"),
        ("cached_content", "cachedContent"), ("cachedContent", "cachedContent"), ("labels", "labels"),
    ]
    /// Members that are read elsewhere.
    private static let readMembers = ["web_search_options", "audio"]

    init(_ call: ProviderCall, provider: String, isVertex: Bool, model: GeminiModel) {
        self.provider = provider
        self.isVertex = isVertex
        self.request = call.request
        self.model = model
        self.tools = GeminiTools(call.request, model)
        self.unsupported = UnsupportedParameters(call.endpoint.unsupported)
    }

    mutating func body() throws(ProviderError) -> [UInt8] {
        let media = GeminiMedia(provider: self.provider, isVertex: self.isVertex, model: self.model)
        var contents = GeminiContents(self.request.messages, self.model, self.tools, media)
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            contents.write(to: &json)
            self.tools.write(self.request, &self.unsupported, to: &json)
            self.tools.writeChoice(self.request, &self.unsupported, to: &json)
            GeminiGeneration(request: self.request, model: self.model).write(&self.unsupported, to: &json)
            self.writeTier(to: &json)
            self.noteUnsupported()
            self.writeOwnMembers(to: &json)
            self.unsupported.write(to: &json)
        }
        if let failure = contents.failure { throw failure }
        try self.unsupported.check(self.provider)
        return json.bytes
    }

    private mutating func writeTier(to json: inout JSONWriter) {
        switch self.request.serviceTier {
        case nil, "auto": break
        case "default": json.field("serviceTier", "standard")
        case let tier?: json.field("serviceTier", tier)
        }
    }

    private mutating func writeOwnMembers(to json: inout JSONWriter) {
        for field in self.request.additional {
            if let own = Self.ownMembers.first(where: { $0.name == field.name })?.own {
                json.field(own, field.value)
            } else if !Self.readMembers.contains(field.name),
                !GeminiGeneration.ownMembers.contains(where: { $0.name == field.name })
            {
                self.unsupported.note(field.name, field.value)
            }
        }
    }

    private mutating func noteUnsupported() {
        let request = self.request
        if let value = request.logitBias { self.unsupported.note("logit_bias", value) }
        if request.parallelToolCalls == false { self.unsupported.note("parallel_tool_calls", false) }
        if let value = request.verbosity { self.unsupported.note("verbosity", .string(value)) }
        if let value = request.user { self.unsupported.note("user", .string(value)) }
        if let value = request.safetyIdentifier { self.unsupported.note("safety_identifier", .string(value)) }
        if let value = request.metadata { self.unsupported.note("metadata", value) }
        if let value = request.store { self.unsupported.note("store", JSONText(booleanLiteral: value)) }
        if let value = request.promptCacheKey { self.unsupported.note("prompt_cache_key", .string(value)) }
        if let value = request.promptCacheRetention { self.unsupported.note("prompt_cache_retention", .string(value)) }
    }
}
