import SluiceWire

/// The parts that a whole text completion and its chunks have in common.
enum CompletionsWriter {
    static func writeHead(
        id: String,
        model: String,
        created: Int,
        fingerprint: String?,
        into json: inout JSONWriter
    ) {
        json.field("id", id.hasPrefix("chatcmpl-") ? "cmpl-" + id.dropFirst(9) : id)
        json.field("object", "text_completion")
        json.field("created", created)
        json.field("model", model)
        if let fingerprint { json.field("system_fingerprint", fingerprint) }
    }

    /// There are no tools here, so that a call of one is just an end.
    static func finish(_ reason: FinishReason) -> String {
        switch reason {
        case .length: "length"
        case .contentFilter: "content_filter"
        case .stop, .toolCalls, .functionCall: "stop"
        }
    }

    static func writeUsage(_ usage: ChatUsage, into json: inout JSONWriter) {
        json.object("usage") { json in
            json.field("prompt_tokens", usage.promptTokens)
            json.field("completion_tokens", usage.completionTokens)
            json.field("total_tokens", usage.totalTokens)
            if usage.cachedTokens != nil || usage.cacheWriteTokens != nil {
                json.object("prompt_tokens_details") { json in
                    json.field("cached_tokens", usage.cachedTokens ?? 0)
                    if let count = usage.cacheWriteTokens { json.field("cache_write_tokens", count) }
                }
            }
            if let count = usage.reasoningTokens {
                json.object("completion_tokens_details") { $0.field("reasoning_tokens", count) }
            }
        }
    }

    /// Chat's list of tokens → the elder columns.
    ///
    /// - Parameter offset: Unicode scalars of the text before.
    /// - Returns: Unicode scalars of these tokens.
    @discardableResult
    static func writeLogprobs(_ logprobs: JSONText?, offset: Int, into json: inout JSONWriter) -> Int {
        guard let logprobs else {
            json.nullField("logprobs")
            return 0
        }
        let tokens = (try? JSON.read(logprobs.bytes) { Self.tokens($0) }) ?? []
        guard !tokens.isEmpty else {
            json.nullField("logprobs")
            return 0
        }
        var length = 0
        json.object("logprobs") { json in
            json.array("tokens") { json in for token in tokens { json.value(token.text) } }
            json.array("token_logprobs") { json in for token in tokens { json.value(token.logprob) } }
            json.array("top_logprobs") { json in
                for token in tokens {
                    json.object { json in
                        for (text, logprob) in token.alternatives { json.field(text, logprob) }
                    }
                }
            }
            json.array("text_offset") { json in
                for token in tokens {
                    json.value(offset + length)
                    length += token.text.unicodeScalars.count
                }
            }
        }
        return length
    }

    private struct Token {
        var text: String
        var logprob: Double
        var alternatives: [(String, Double)]
    }

    private static func tokens(_ root: JSONValue) -> [Token] {
        guard let list = root.kind == .array ? root : root["content"], list.kind == .array else { return [] }
        return RequestFields.elements(of: list).compactMap { entry in
            guard let text = entry["token"]?.string else { return nil }
            var alternatives: [(String, Double)] = []
            entry["top_logprobs"]?.forEachElement { alternative in
                if let text = alternative["token"]?.string, !alternatives.contains(where: { $0.0 == text }) {
                    alternatives.append((text, alternative["logprob"]?.double ?? 0))
                }
                return true
            }
            return Token(text: text, logprob: entry["logprob"]?.double ?? 0, alternatives: alternatives)
        }
    }
}
