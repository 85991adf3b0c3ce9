import SluiceWire

/// What a `response` object repeats of its request, as JSON.
package struct ResponsesEcho: Sendable {
    private let fields: [JSONField]
    /// Said unless the answer says otherwise.
    let serviceTier: String?
    /// Whether the log probabilities of tokens were asked for.
    let wantsLogprobs: Bool

    /// Reads what has been checked already.
    init(_ body: RequestFields, _ request: ChatRequest) {
        var fields: [JSONField] = []
        for (name, fallback) in Self.names {
            guard let value = body.value[name], !value.isNull else {
                fields.append(JSONField("\(name)", JSONText(trusted: Array(fallback.utf8))))
                continue
            }
            fields.append(JSONField("\(name)", value.text))
        }
        self.fields = fields
        self.serviceTier = request.serviceTier
        self.wantsLogprobs = request.logprobs == true
    }

    /// With what stands there when the client says nothing.
    private static let names: [(StaticString, String)] = [
        ("instructions", "null"), ("max_output_tokens", "null"), ("max_tool_calls", "null"), ("metadata", "{}"),
        ("parallel_tool_calls", "true"), ("prompt_cache_key", "null"), ("reasoning", "{\"effort\":null}"),
        ("safety_identifier", "null"), ("temperature", "1"), ("text", "{\"format\":{\"type\":\"text\"}}"),
        ("tool_choice", "\"auto\""), ("tools", "[]"), ("top_p", "1"), ("user", "null"),
    ]

    func write(into json: inout JSONWriter) {
        for field in self.fields { json.field(field.name, field.value) }
    }
}

/// Names of a response and of its items, made from the name of the chat's answer.
struct ResponsesNames {
    let response: String
    private let stem: String

    init(_ id: String) {
        var stem = id[...]
        for prefix in ["chatcmpl-", "resp_"] where stem.hasPrefix(prefix) { stem = stem.dropFirst(prefix.count) }
        let safe = stem.utf8.prefix(64).map { byte -> UInt8 in
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "_"): byte
            default: UInt8(ascii: "_")
            }
        }
        self.stem = String(decoding: safe, as: UTF8.self)
        self.response = "resp_\(self.stem)"
    }

    /// - Parameter kind: `msg`, `rs`, `fc`, `ctc`.
    func item(_ kind: String, _ index: Int) -> String { "\(kind)_\(self.stem)_\(index)" }
}
