import SluiceWire

/// Reads a whole answer of Converse's.
struct BedrockResponse {
    private var choice = ChatChoice(index: 0, content: nil, finishReason: .stop)
    private var text = ""
    private var hasText = false
    private var images: [JSONText] = []
    private let call: PreparedCall

    private init(_ call: PreparedCall) { self.call = call }

    static func read(_ response: HTTPClientResponse, to call: PreparedCall) throws(ProviderError) -> ChatResponse {
        let requestID = ProviderRequestID.read(response.headers)
        do {
            return try JSON.read(response.body) { root throws(ProviderError) in
                var reader = BedrockResponse(call)
                var answer = try reader.answer(root, requestID)
                answer.requestID = requestID
                return answer
            }
        } catch let error as ProviderError {
            throw error
        } catch {
            throw .malformed(BedrockHandler.name, "it is no JSON")
        }
    }

    private mutating func answer(_ root: JSONValue, _ requestID: String?) throws(ProviderError) -> ChatResponse {
        guard let content = root["output"]?["message"]?["content"], content.kind == .array else {
            throw .malformed(BedrockHandler.name, "it has no output.message.content")
        }
        guard let stop = root["stopReason"]?.string else {
            throw .malformed(BedrockHandler.name, "it has no stopReason")
        }
        content.forEachElement { block in
            self.take(block)
            return true
        }
        self.choice.content = self.hasText ? self.text : nil
        let hasCalls = !self.choice.toolCalls.isEmpty
        var reason = try BedrockStop.reason(stop, hasCalls: hasCalls, requestID: requestID)
        if reason == .toolCalls, !hasCalls, self.call.formatTool != nil { reason = .stop }
        self.choice.finishReason = reason
        self.choice.nativeFinishReason = stop
        if !self.images.isEmpty { self.choice.additional.append(JSONField("images", Self.list(self.images))) }
        var answer = ChatResponse(
            id: self.call.requestID,
            model: self.call.model,
            created: self.call.now,
            choices: [self.choice],
            usage: root["usage"].flatMap { ChatUsage(bedrock: $0) }
        )
        answer.serviceTier = root["serviceTier"]?["type"]?.string
        for name in ["trace", "additionalModelResponseFields", "performanceConfig"] {
            if let value = root[named: name], !value.isNull { answer.additional.append(JSONField(name, value.text)) }
        }
        return answer
    }

    private mutating func take(_ block: JSONValue) {
        if let text = block["text"]?.string {
            self.append(text)
        } else if let use = block["toolUse"] {
            self.take(use: use)
        } else if let reasoning = block["reasoningContent"] {
            self.take(reasoning: reasoning)
        } else if let cited = block["citationsContent"] {
            self.take(cited: cited)
        } else if let image = block["image"], let json = Self.image(image) {
            self.images.append(json)
        }
    }

    private mutating func append(_ text: String) {
        self.text += text
        self.hasText = true
    }

    /// Tools that the provider runs by itself are none of the client's.
    private mutating func take(use: JSONValue) {
        guard use["type"]?.string != "server_tool_use" else { return }
        let name = use["name"]?.string ?? ""
        let input = use["input"]?.text.text ?? "{}"
        if name == self.call.formatTool { return self.append(input) }
        self.choice.toolCalls.append(
            ToolCall(
                id: use["toolUseId"]?.string ?? "",
                name: self.call.toolNames[name] ?? name,
                arguments: input
            )
        )
    }

    private mutating func take(reasoning: JSONValue) {
        if let redacted = reasoning["redactedContent"]?.string {
            self.choice.reasoning.append(ReasoningBlock(text: "", redacted: redacted))
        } else if let text = reasoning["reasoningText"] {
            self.choice.reasoning.append(
                ReasoningBlock(text: text["text"]?.string ?? "", signature: text["signature"]?.string)
            )
        }
    }

    private mutating func take(cited: JSONValue) {
        let start = self.text.unicodeScalars.count
        cited["content"]?.forEachElement { piece in
            if let text = piece["text"]?.string { self.append(text) }
            return true
        }
        let range = start..<self.text.unicodeScalars.count
        cited["citations"]?.forEachElement { citation in
            self.choice.citations.append(Citation(bedrock: citation, range: range))
            return true
        }
    }

    /// As models that draw are answered with elsewhere.
    static func image(_ image: JSONValue) -> JSONText? {
        guard let data = image["source"]?["bytes"]?.string else { return nil }
        let format = image["format"]?.string ?? "png"
        return Self.image(format: format, data: data)
    }

    static func image(format: String, data: String) -> JSONText {
        let url = "data:image/\(format);base64,\(data)"
        return ["type": "image_url", "image_url": ["url": JSONText(stringLiteral: url)]]
    }

    private static func list(_ values: [JSONText]) -> JSONText {
        var json = JSONWriter()
        json.array { json in for value in values { json.value(value) } }
        return JSONText(trusted: json.bytes)
    }
}

extension Citation {
    init(bedrock citation: JSONValue, range: Range<Int>?) {
        var quote = ""
        citation["sourceContent"]?.forEachElement { piece in
            quote += piece["text"]?.string ?? ""
            return true
        }
        self.init(
            url: citation["location"]?["web"]?["url"]?.string,
            title: citation["title"]?.string,
            quote: quote.isEmpty ? nil : quote,
            range: range
        )
        self.native = citation.text
    }
}

extension ChatUsage {
    /// Bedrock counts what a cache gave or took apart from the rest of the prompt.
    init?(bedrock usage: JSONValue) {
        guard let input = usage["inputTokens"]?.int, let output = usage["outputTokens"]?.int else { return nil }
        let read = usage["cacheReadInputTokens"]?.int
        let written = usage["cacheWriteInputTokens"]?.int
        let prompt = [input, read ?? 0, written ?? 0].reduce(0) { sum, count in
            let (total, hasOverflown) = sum.addingReportingOverflow(max(0, count))
            return hasOverflown ? .max : total
        }
        self.init(promptTokens: prompt, completionTokens: max(0, output))
        self.cachedTokens = read
        self.cacheWriteTokens = written
    }
}
