import SluiceWire

/// One candidate of an answer, as far as it has come.
struct GeminiCandidate: Sendable {
    /// More calls are refused.
    private static let maximumCalls = 1024

    let index: Int
    private let provider: String
    private var callCount = 0
    private var imageCount = 0
    private var hasAudio = false
    private var text = GeminiText()
    private var finishReason: String?
    private var reason: FinishReason = .stop
    private var citations: [Citation] = []
    private var sources: [Citation] = []
    private var grounding: JSONText?
    private var safetyRatings: JSONText?
    private var signature: String?

    init(index: Int, provider: String) {
        self.index = index
        self.provider = provider
    }

    var isFinished: Bool { self.finishReason != nil }

    /// - Returns: why it failed.
    mutating func read(
        _ value: JSONValue,
        _ call: PreparedCall,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        var failure: ProviderError?
        value["content"]?["parts"]?.forEachElement { part in
            failure = self.readPart(part, call, emit)
            return failure == nil
        }
        if let failure { return failure }
        if let result = value["logprobsResult"], let logprobs = GeminiLogprobs.read(result) {
            emit(.logprobs(choice: self.index, logprobs))
        }
        if let metadata = value["groundingMetadata"], metadata.count > 0 {
            let found = GeminiCitations(&self.text).read(grounding: metadata)
            if !found.isEmpty { self.citations = found }
            self.grounding = metadata.text
        }
        if let metadata = value["citationMetadata"] {
            let found = GeminiCitations(&self.text).read(citations: metadata)
            if !found.isEmpty { self.sources = found }
        }
        return self.readFinish(value)
    }

    private mutating func readFinish(_ value: JSONValue) -> ProviderError? {
        guard let native = value["finishReason"]?.string, native != "FINISH_REASON_UNSPECIFIED" else { return nil }
        self.finishReason = native
        switch GeminiFinish.of(native) {
        case .reason(let reason):
            self.reason = reason
            if reason == .contentFilter, let ratings = value["safetyRatings"], ratings.count > 0 {
                self.safetyRatings = ratings.text
            }
            return nil
        case .failure(let kind):
            let message = value["finishMessage"]?.string
            return ProviderError(
                kind,
                message ?? "the model's answer ended with \(native)",
                provider: self.provider,
                code: native
            )
        }
    }

    private mutating func readPart(
        _ part: JSONValue,
        _ call: PreparedCall,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        let signature = part["thoughtSignature"]?.string
        if let text = part["text"]?.string {
            if part["thought"]?.bool == true {
                self.text.appendThought()
                if !text.isEmpty { emit(.reasoning(choice: self.index, text)) }
                if let signature { emit(.reasoningSignature(choice: self.index, signature)) }
            } else {
                self.text.append(text)
                if !text.isEmpty { emit(.content(choice: self.index, text)) }
                if let signature { self.signature = signature }
            }
            return nil
        }
        self.text.appendOther()
        if let function = part["functionCall"] { return self.readCall(function, signature, call, emit) }
        if let signature { self.signature = signature }
        if let data = part["inlineData"] { self.readData(data, call, emit) }
        return nil
    }

    /// Calls come whole.
    private mutating func readCall(
        _ function: JSONValue,
        _ signature: String?,
        _ call: PreparedCall,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        guard let name = function["name"]?.string, self.callCount < Self.maximumCalls else {
            return .malformed(self.provider, "a function call has no name, or there are too many")
        }
        let position = self.callCount
        self.callCount += 1
        var id = function["id"]?.string ?? ""
        if id.isEmpty { id = Self.id(call, self.index, position) }
        if let signature { id = GeminiSignature.join(id, signature) }
        let arguments = function["args"].map { $0.kind == .object ? $0.text.text : "{}" } ?? "{}"
        let known = call.toolNames.isEmpty ? name : call.toolNames[name] ?? name
        let made = ToolCall(id: id, name: known, arguments: "", signature: signature)
        emit(.toolCall(choice: self.index, index: position, made))
        emit(.toolArguments(choice: self.index, index: position, arguments))
        return nil
    }

    /// A name for a call that the provider did not give one, no other's in the conversation.
    private static func id(_ call: PreparedCall, _ choice: Int, _ position: Int) -> String {
        // FNV-1a, spread by a multiplication: requests differ in their names alone.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in call.requestID.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = (hash ^ UInt64(truncatingIfNeeded: call.now)) &* 0x9e37_79b9_7f4a_7c15
        hash = (hash ^ UInt64(truncatingIfNeeded: choice * 65_536 + position)) &* 0x9e37_79b9_7f4a_7c15
        hash ^= hash >> 32
        let hex = String(hash, radix: 16)
        return "call_" + String(repeating: "0", count: 16 - hex.utf8.count) + hex
    }

    /// Images and speech.
    private mutating func readData(_ data: JSONValue, _ call: PreparedCall, _ emit: (ChatStreamEvent) -> Void) {
        guard let base64 = data["data"]?.string else { return }
        let type = data["mimeType"]?.string ?? "application/octet-stream"
        if type.hasPrefix("audio/") {
            // Of what follows in a stream only the data is new.
            let audio: JSONText =
                self.hasAudio
                ? ["data": .string(base64)]
                : ["id": .string(call.requestID), "format": .string(type), "data": .string(base64)]
            self.hasAudio = true
            return emit(.other(choice: self.index, JSONField("audio", audio)))
        }
        var json = JSONWriter(reserving: base64.utf8.count + 128)
        json.array { json in
            json.object { json in
                json.field("type", "image_url")
                json.object("image_url") { $0.field("url", "data:\(type);base64,\(base64)") }
                json.field("index", self.imageCount)
            }
        }
        self.imageCount += 1
        emit(.other(choice: self.index, JSONField("images", JSONText(trusted: json.bytes))))
    }

    func finish(_ emit: (ChatStreamEvent) -> Void) {
        for citation in self.citations + self.sources { emit(.citation(choice: self.index, citation)) }
        if let grounding = self.grounding {
            emit(.other(choice: self.index, JSONField("grounding_metadata", grounding)))
        }
        if let ratings = self.safetyRatings {
            emit(.other(choice: self.index, JSONField("safety_ratings", ratings)))
        }
        if let signature = self.signature {
            emit(.other(choice: self.index, JSONField("thought_signature", .string(signature))))
        }
        let reason: FinishReason = self.reason == .stop && self.callCount > 0 ? .toolCalls : self.reason
        emit(.finish(choice: self.index, reason, native: self.finishReason))
    }
}
