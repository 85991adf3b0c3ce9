import SluiceWire

/// A message of Anthropic's as a whole answer.
struct AnthropicResponse {
    private let call: PreparedCall
    private var text = ""
    private var hasText = false
    private var scalars = 0
    private var choice = ChatChoice(index: 0, content: nil, finishReason: .stop)

    static func read(_ response: HTTPClientResponse, to call: PreparedCall) throws(ProviderError) -> ChatResponse {
        var reader = AnthropicResponse(call: call)
        var failure: ProviderError?
        let answer = try? JSON.read(response.body) { root -> ChatResponse? in
            if root["type"]?.string == "error" {
                failure = AnthropicErrors.reported(root)
                return nil
            }
            let requestID = ProviderRequestID.read(response.headers)
            failure = AnthropicStop.failure(root["stop_reason"]?.string, requestID: requestID)
            return reader.read(root)
        }
        if let failure { throw failure }
        guard var answer = answer ?? nil else {
            throw .malformed(AnthropicBody.provider, "it is no message")
        }
        answer.requestID = ProviderRequestID.read(response.headers)
        return answer
    }

    private init(call: PreparedCall) { self.call = call }

    private mutating func read(_ root: JSONValue) -> ChatResponse? {
        guard let content = root["content"], content.kind == .array else { return nil }
        content.forEachElement { block in
            self.read(block: block)
            return true
        }
        if self.hasText { self.choice.content = self.text }
        let native = root["stop_reason"]?.string
        self.choice.nativeFinishReason = native
        self.choice.finishReason = AnthropicStop.reason(native, hasCalls: !self.choice.toolCalls.isEmpty)
        if let stop = root["stop_sequence"], stop.kind == .string {
            self.choice.choiceAdditional.append(JSONField("stop_sequence", stop.text))
        }
        if let details = root["stop_details"], details.kind == .object {
            self.choice.refusal = details["explanation"]?.string
            self.choice.choiceAdditional.append(JSONField("stop_details", details.text))
        }
        var usage = AnthropicUsage()
        usage.read(root["usage"])
        var answer = ChatResponse(
            id: root["id"]?.string ?? self.call.requestID,
            model: root["model"]?.string ?? self.call.model,
            created: self.call.now,
            choices: [self.choice],
            usage: usage.chat
        )
        answer.serviceTier = usage.serviceTier
        return answer
    }

    private mutating func read(block: JSONValue) {
        switch block["type"]?.string {
        case "text":
            let text = block["text"]?.string ?? ""
            let start = self.scalars
            self.scalars += text.unicodeScalars.count
            self.text += text
            self.hasText = true
            let range = start..<self.scalars
            block["citations"]?.forEachElement { citation in
                self.choice.citations.append(AnthropicCitation.read(citation, range))
                return true
            }
        case "thinking":
            let signature = block["signature"]?.string
            self.choice.reasoning.append(
                ReasoningBlock(
                    text: block["thinking"]?.string ?? "",
                    signature: signature?.isEmpty == false ? signature : nil
                )
            )
        case "redacted_thinking":
            self.choice.reasoning.append(ReasoningBlock(text: "", redacted: block["data"]?.string))
        case "tool_use": self.read(call: block)
        // The provider's own tools, and what is newer than we are: none of the client's affair.
        default: break
        }
    }

    private mutating func read(call block: JSONValue) {
        let name = block["name"]?.string ?? ""
        let input = block["input"]
        if name == self.call.formatTool {
            let text = input?.text.text ?? "{}"
            self.scalars += text.unicodeScalars.count
            self.text += text
            self.hasText = true
            return
        }
        let original = self.call.toolNames[name] ?? name
        let isCustom = self.call.customTools.contains(original)
        let arguments = isCustom ? input?["input"]?.string : nil
        self.choice.toolCalls.append(
            ToolCall(
                id: block["id"]?.string ?? "",
                name: original,
                arguments: arguments ?? input?.text.text ?? "{}",
                isCustom: isCustom
            )
        )
    }
}

/// What a text refers to.
enum AnthropicCitation {
    /// - Parameter range: of the text that refers to it, in the whole answer.
    static func read(_ native: JSONValue, _ range: Range<Int>) -> Citation {
        var citation = Citation(
            url: (native["url"] ?? native["source"])?.string,
            title: (native["title"] ?? native["document_title"])?.string,
            quote: native["cited_text"]?.string,
            range: range
        )
        citation.native = native.text
        return citation
    }
}
