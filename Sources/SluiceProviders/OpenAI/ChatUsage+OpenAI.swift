import SluiceWire

extension ChatUsage {
    /// Reads `usage`; `nil` when it counts nothing.
    package init?(openAI value: JSONValue) {
        guard value.kind == .object else { return nil }
        self.init(promptTokens: 0, completionTokens: 0)
        var total: Int?
        var hasCount = false
        value.forEachMember { name, value in
            guard !value.isNull else { return true }
            switch name {
            case "prompt_tokens":
                self.promptTokens = Self.count(value) ?? 0
                hasCount = true
            case "completion_tokens":
                self.completionTokens = Self.count(value) ?? 0
                hasCount = true
            case "total_tokens": total = Self.count(value)
            case "prompt_tokens_details": self.takePrompt(value)
            case "completion_tokens_details": self.takeCompletion(value)
            // DeepSeek's words.
            case "prompt_cache_hit_tokens": self.cachedTokens = self.cachedTokens ?? Self.count(value)
            case "prompt_cache_miss_tokens": break
            default: self.additional.append(JSONField(name, value.text))
            }
            return true
        }
        guard hasCount || total != nil else { return nil }
        if let total, total != self.totalTokens { self.statedTotal = total }
    }

    private mutating func takePrompt(_ details: JSONValue) {
        details.forEachMember { name, value in
            switch name {
            case _ where value.isNull: break
            case "cached_tokens": self.cachedTokens = Self.count(value) ?? self.cachedTokens
            case "cache_write_tokens": self.cacheWriteTokens = Self.count(value) ?? self.cacheWriteTokens
            case "audio_tokens": self.audioPromptTokens = Self.count(value)
            default: self.promptDetails.append(JSONField(name, value.text))
            }
            return true
        }
    }

    private mutating func takeCompletion(_ details: JSONValue) {
        details.forEachMember { name, value in
            switch name {
            case _ where value.isNull: break
            case "reasoning_tokens": self.reasoningTokens = Self.count(value)
            case "audio_tokens": self.audioCompletionTokens = Self.count(value)
            case "accepted_prediction_tokens": self.acceptedPredictionTokens = Self.count(value)
            case "rejected_prediction_tokens": self.rejectedPredictionTokens = Self.count(value)
            default: self.completionDetails.append(JSONField(name, value.text))
            }
            return true
        }
    }

    /// A count that is none is not negative.
    private static func count(_ value: JSONValue) -> Int? {
        value.kind == .number ? max(0, value.int ?? value.double.flatMap { Int(exactly: $0.rounded()) } ?? 0) : nil
    }

    /// Writes the members of `usage`.
    package func write(to json: inout JSONWriter) {
        json.field("prompt_tokens", self.promptTokens)
        json.field("completion_tokens", self.completionTokens)
        json.field("total_tokens", self.totalTokens)
        let hasPrompt = self.cachedTokens != nil || self.cacheWriteTokens != nil || self.audioPromptTokens != nil
        if hasPrompt || !self.promptDetails.isEmpty {
            json.object("prompt_tokens_details") { json in
                json.known("cached_tokens", self.cachedTokens)
                json.known("cache_write_tokens", self.cacheWriteTokens)
                json.known("audio_tokens", self.audioPromptTokens)
                for field in self.promptDetails { json.field(field.name, field.value) }
            }
        }
        let hasPredictions = self.acceptedPredictionTokens != nil || self.rejectedPredictionTokens != nil
        let hasCompletion = self.reasoningTokens != nil || self.audioCompletionTokens != nil || hasPredictions
        if hasCompletion || !self.completionDetails.isEmpty {
            json.object("completion_tokens_details") { json in
                json.known("reasoning_tokens", self.reasoningTokens)
                json.known("audio_tokens", self.audioCompletionTokens)
                json.known("accepted_prediction_tokens", self.acceptedPredictionTokens)
                json.known("rejected_prediction_tokens", self.rejectedPredictionTokens)
                for field in self.completionDetails { json.field(field.name, field.value) }
            }
        }
        for field in self.additional { json.field(field.name, field.value) }
    }
}

extension JSONWriter {
    /// Writes the member only if there is a value.
    mutating func known(_ name: String, _ value: Int?) {
        if let value { self.field(name, value) }
    }

    mutating func known(_ name: String, _ value: String?) {
        if let value { self.field(name, value) }
    }
}

extension Citation {
    /// Reads `annotations`.
    static func list(openAI value: JSONValue) -> [Citation] {
        var citations: [Citation] = []
        value.forEachElement { value in
            citations.append(Citation(openAI: value))
            return true
        }
        return citations
    }

    /// Reads one of `annotations`; what is not a `url_citation` or ours is kept whole.
    package init(openAI value: JSONValue) {
        self.init()
        guard let source = value["url_citation"] ?? value["citation"], source.kind == .object else {
            self.native = value.text
            return
        }
        self.url = source["url"]?.string
        self.title = source["title"]?.string
        self.quote = source["quote"]?.string
        if let start = source["start_index"]?.int, let end = source["end_index"]?.int, 0 <= start, start <= end {
            self.range = start..<end
        }
        self.native = value["native"].flatMap { $0.isNull ? nil : $0.text }
    }

    /// Writes an element of `annotations`.
    package func write(to json: inout JSONWriter) {
        let isNativeOnly = self.url == nil && self.title == nil && self.quote == nil && self.range == nil
        if isNativeOnly, let native = self.native { return json.value(native) }
        json.object { json in
            let type = self.url == nil ? "citation" : "url_citation"
            json.field("type", type)
            json.object(type) { json in
                json.known("url", self.url)
                json.known("title", self.title)
                json.known("quote", self.quote)
                json.known("start_index", self.range?.lowerBound)
                json.known("end_index", self.range?.upperBound)
            }
            if let native = self.native { json.field("native", native) }
        }
    }
}
