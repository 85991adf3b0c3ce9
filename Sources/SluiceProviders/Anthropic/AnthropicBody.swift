import SluiceWire

/// A request for chat as the body of `POST /v1/messages`.
///
/// One writer fills the body from front to back; what has to be known before (names of tools, how the model thinks,
/// whether a tool stands for the response format) is settled first.
struct AnthropicBody {
    let request: ChatRequest
    let model: AnthropicModel
    let policy: UnsupportedParameterPolicy
    /// Whether the version of the API refuses sampling parameters.
    let refusesSampling: Bool
    /// Bound on the answer; the API wants one.
    let maximumTokens: Int
    var names: AnthropicToolNames
    var thinking = AnthropicThinking.unmentioned
    /// `output_config.effort`.
    var effort: String?
    var format = AnthropicFormat.none
    var dropped: [String] = []
    var betas: [String] = []
    var failure: ProviderError?

    static let provider = "anthropic"
    private static let contextBeta = "context-management-2025-06-27"

    init(_ call: ProviderCall, version: String) {
        self.request = call.request
        self.model = AnthropicModel(call.request.model)
        self.policy = call.endpoint.unsupported
        self.refusesSampling = AnthropicVersion.refusesSampling(version)
        self.maximumTokens =
            call.request.tokenLimit ?? call.endpoint.settings["max_tokens"].flatMap { Int($0) }
            ?? self.model.maximumTokens
        self.names = AnthropicToolNames(call.request.tools)
        self.settleFormat()
        self.settleThinking()
    }

    /// What the provider has no word for: left out and named, or sent nevertheless.
    ///
    /// - Returns: whether to send it.
    mutating func isSent(_ parameter: String) -> Bool {
        if self.policy == .pass { return true }
        if !self.dropped.contains(parameter) { self.dropped.append(parameter) }
        return false
    }

    mutating func fail(_ message: String, _ parameter: String, code: String = "unsupported_content") {
        guard self.failure == nil else { return }
        self.failure = ProviderError(
            .badRequest,
            message,
            provider: Self.provider,
            code: code,
            parameter: parameter
        )
    }

    mutating func write() throws(ProviderError) -> [UInt8] {
        var json = JSONWriter(reserving: 2_048)
        json.object { json in
            json.field("model", self.request.model)
            json.field("max_tokens", self.maximumTokens)
            self.writeConversation(&json)
            self.writeTools(&json)
            self.writeThinking(&json)
            self.writeOutput(&json)
            self.writeSampling(&json)
            self.writeRest(&json)
            self.writeUnknown(&json)
            if self.request.isStream { json.field("stream", true) }
        }
        if let failure = self.failure { throw failure }
        if self.policy == .error {
            var screen = ParameterScreen(provider: Self.provider, policy: self.policy)
            for name in self.dropped { screen.reject(name) }
            try screen.check()
        }
        return json.bytes
    }

    // MARK: Parameters

    private mutating func writeSampling(_ json: inout JSONWriter) {
        let request = self.request
        self.writeStop(&json)
        let isRefused = self.refusesSampling || self.model.sampling == .none
        if let temperature = request.temperature {
            if isRefused || (self.thinking.isOn && temperature != 1) {
                if self.isSent("temperature") { json.field("temperature", temperature) }
            } else if temperature > 1 {
                json.field("temperature", self.isSent("temperature") ? temperature : 1)
            } else {
                json.field("temperature", temperature)
            }
        }
        if let topP = request.topP {
            let isOneTooMany = self.model.sampling == .oneOfTwo && request.temperature != nil
            let isTooLow = self.thinking.isOn && topP < 0.95
            if !(isRefused || isOneTooMany || isTooLow) || self.isSent("top_p") { json.field("top_p", topP) }
        }
        if let topK = request.topK, !(isRefused || self.thinking.isOn) || self.isSent("top_k") {
            json.field("top_k", topK)
        }
    }

    /// Texts of space alone are refused.
    private mutating func writeStop(_ json: inout JSONWriter) {
        let all = self.request.stop
        guard !all.isEmpty else { return }
        let hasBlank = all.contains { Self.isBlank($0) }
        let sent = hasBlank && !self.isSent("stop") ? all.filter { !Self.isBlank($0) } : all
        if !sent.isEmpty { json.strings("stop_sequences", sent) }
    }

    private mutating func writeRest(_ json: inout JSONWriter) {
        let request = self.request
        self.writeUser(&json)
        if let tier = request.serviceTier {
            switch tier {
            case "auto", "standard_only": json.field("service_tier", tier)
            case "default": json.field("service_tier", "standard_only")
            default: if self.isSent("service_tier") { json.field("service_tier", tier) }
            }
        }
        if let count = request.choiceCount, count != 1, self.isSent("n") { json.field("n", count) }
        if let seed = request.seed, self.isSent("seed") { json.field("seed", seed) }
        if let bias = request.logitBias, self.isSent("logit_bias") { json.field("logit_bias", bias) }
        if request.logprobs == true, self.isSent("logprobs") { json.field("logprobs", true) }
        if let top = request.topLogprobs, top != 0, self.isSent("top_logprobs") { json.field("top_logprobs", top) }
        if let penalty = request.frequencyPenalty, penalty != 0, self.isSent("frequency_penalty") {
            json.field("frequency_penalty", penalty)
        }
        if let penalty = request.presencePenalty, penalty != 0, self.isSent("presence_penalty") {
            json.field("presence_penalty", penalty)
        }
        if let verbosity = request.verbosity, verbosity != "medium", self.isSent("verbosity") {
            json.field("verbosity", verbosity)
        }
        if request.modalities.contains(where: { $0 != "text" }), self.isSent("modalities") {
            json.array("modalities") { json in for modality in request.modalities { json.value(modality) } }
        }
        if request.store == true, self.isSent("store") { json.field("store", true) }
        if let key = request.promptCacheKey, self.isSent("prompt_cache_key") { json.field("prompt_cache_key", key) }
        if let kept = request.promptCacheRetention, self.isSent("prompt_cache_retention") {
            json.field("prompt_cache_retention", kept)
        }
    }

    /// `metadata.user_id`: no mail address and no telephone number, which Anthropic does not want to know.
    private mutating func writeUser(_ json: inout JSONWriter) {
        var user = self.request.user ?? self.request.safetyIdentifier
        if let metadata = self.request.metadata {
            var hasOthers = false
            let named = try? JSON.read(metadata.bytes) { root -> String? in
                root.forEachMember { name, _ in
                    hasOthers = hasOthers || (name != "user_id" && name != "pool_id")
                    return !hasOthers
                }
                return root["user_id"]?.string
            }
            user = user ?? (named ?? nil)
            if hasOthers, self.isSent("metadata") { return json.field("metadata", metadata) }
        }
        guard let user, !user.isEmpty else { return }
        guard !Self.isPersonal(user) else {
            if !self.dropped.contains("user") { self.dropped.append("user") }
            return
        }
        json.object("metadata") { $0.field("user_id", user) }
    }

    static func isPersonal(_ user: String) -> Bool {
        let bytes = user.utf8
        if let at = bytes.firstIndex(of: UInt8(ascii: "@")), bytes[at...].contains(UInt8(ascii: ".")) { return true }
        var digits = 0
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits += 1
            case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: " "), UInt8(ascii: "("), UInt8(ascii: ")"): break
            default: return false
            }
        }
        // A number alone may be an account's; telephone numbers say that they are with a plus or with separators.
        return (7...15).contains(digits) && digits < bytes.count
    }

    /// Members of the body that are made of the request's; OpenAI's format has other words for them.
    private static let ownMembers: Set<String> = [
        "model", "max_tokens", "system", "messages", "tools", "tool_choice", "thinking", "stop_sequences",
        "temperature", "top_p", "top_k", "metadata", "service_tier", "stream",
    ]

    /// Members that have no name in `ChatRequest`. OpenAI's own are told apart. Others are the caller's affair and are
    /// sent whatever the policy says, for they may be Anthropic's and newer than we are; but none is written twice.
    private mutating func writeUnknown(_ json: inout JSONWriter) {
        for field in self.request.additional {
            switch field.name {
            case "audio", "prediction", "moderation", "prompt_cache_options", "functions", "function_call":
                if self.isSent(field.name) { json.field(field.name, field.value) }
            case "betas":
                _ = try? JSON.read(field.value.bytes) { root in
                    root.forEachElement { beta in
                        if let name = beta.string { self.betas.append(name) }
                        return true
                    }
                }
            case "web_search_options", "output_config", "output_format": break
            case "context_management":
                self.betas.append(Self.contextBeta)
                json.field(field.name, field.value)
            // A form of it that has no name here, in place of ours.
            case "thinking" where self.thinking == .unmentioned: json.field(field.name, field.value)
            case _ where Self.ownMembers.contains(field.name):
                // Under the policy `pass` neither: which of the two would count, nobody can tell.
                if !self.dropped.contains(field.name) { self.dropped.append(field.name) }
            default: json.field(field.name, field.value)
            }
        }
    }
}
