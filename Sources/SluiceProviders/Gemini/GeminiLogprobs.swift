import SluiceWire

/// `logprobsResult` in OpenAI's form.
enum GeminiLogprobs {
    /// - Returns: `nil` when it holds no token.
    static func read(_ value: JSONValue) -> JSONText? {
        var tokens: [(chosen: ChatLogprobs.Token, alternatives: [ChatLogprobs.Token])] = []
        value["chosenCandidates"]?.forEachElement { candidate in
            tokens.append((Self.token(candidate), []))
            return true
        }
        var index = 0
        value["topCandidates"]?.forEachElement { top in
            guard index < tokens.count else { return false }
            top["candidates"]?.forEachElement { candidate in
                tokens[index].alternatives.append(Self.token(candidate))
                return true
            }
            index += 1
            return true
        }
        return tokens.isEmpty ? nil : ChatLogprobs.make(tokens)
    }

    private static func token(_ value: JSONValue) -> ChatLogprobs.Token {
        ChatLogprobs.Token(text: value["token"]?.string ?? "", logprob: value["logProbability"]?.double ?? 0)
    }
}
