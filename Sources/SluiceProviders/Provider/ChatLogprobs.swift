import SluiceWire

/// OpenAI's form of log probabilities: `{"content":[{"token","logprob","bytes","top_logprobs":[…]}],"refusal":null}`.
package enum ChatLogprobs {
    package struct Token: Sendable, Equatable {
        package var text: String
        /// Natural logarithm, at most 0.
        package var logprob: Double

        package init(text: String, logprob: Double) {
            self.text = text
            self.logprob = logprob
        }
    }

    package static func make(_ tokens: [(chosen: Token, alternatives: [Token])]) -> JSONText {
        var json = JSONWriter(reserving: 64 + tokens.count * 96)
        json.object { json in
            json.array("content") { json in
                for token in tokens {
                    json.object { json in
                        Self.write(token.chosen, to: &json)
                        json.array("top_logprobs") { json in
                            for alternative in token.alternatives {
                                json.object { Self.write(alternative, to: &$0) }
                            }
                        }
                    }
                }
            }
            json.nullField("refusal")
        }
        return JSONText(trusted: json.bytes)
    }

    private static func write(_ token: Token, to json: inout JSONWriter) {
        json.field("token", token.text)
        json.field("logprob", token.logprob)
        json.array("bytes") { json in for byte in token.text.utf8 { json.value(Int(byte)) } }
    }
}
