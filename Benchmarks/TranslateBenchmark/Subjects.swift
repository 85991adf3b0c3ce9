import SluiceProviders
import SluiceWire

/// OpenAI's JSON in front of each provider.
enum ProviderSubject {
    private struct Row {
        var name: String
        var model: String
        var credential = ProviderCredential.key("sk-benchmark")
        var settings: [String: String] = [:]
        var base = "https://api.example.com"
        var sample: WireSample
    }

    static func all() throws -> [Subject] {
        let aws = ProviderCredential.aws(accessKey: "AKIDEXAMPLE", secretKey: "secret", sessionToken: nil)
        let rows = [
            Row(name: "openai", model: "gpt-4o", sample: .openAI),
            Row(name: "groq", model: "llama-3.3-70b", sample: .openAI),
            Row(
                name: "azure",
                model: "gpt-4o",
                settings: ["api_version": "2024-10-21", "deployment": "d"],
                sample: .openAI
            ),
            Row(name: "anthropic", model: "claude-sonnet-4-5", sample: .anthropic),
            Row(name: "gemini", model: "gemini-2.5-flash", sample: .gemini),
            Row(
                name: "vertex",
                model: "gemini-2.5-flash",
                credential: .bearer("ya29.x"),
                settings: ["project": "p", "location": "global"],
                base: "",
                sample: .gemini
            ),
            Row(
                name: "bedrock",
                model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
                credential: aws,
                settings: ["region": "us-east-1"],
                base: "",
                sample: try .bedrock()
            ),
            Row(name: "cohere", model: "command-a-03-2025", sample: .cohere),
        ]
        return try rows.map { try Self.subject($0) }
    }

    private static func subject(_ row: Row) throws -> Subject {
        guard let entry = ProviderRegistry.entries.first(where: { $0.name == row.name }),
            let handler = ProviderRegistry.handler(for: entry)
        else { throw Fault.sample(row.name) }
        var endpoint = ProviderEndpoint(baseURL: row.base, credential: row.credential)
        endpoint.settings = row.settings
        let body = Samples.request(row.model).openAIBody()
        func call(_ request: ChatRequest) -> ProviderCall {
            ProviderCall(request: request, endpoint: endpoint, now: Samples.now, requestID: "req_1")
        }
        let prepared = try handler.prepare(call(ChatRequest(openAI: body)))
        let streamed = try handler.prepare(call(Samples.request(row.model, isStream: true)))
        let whole = HTTPClientResponse(status: 200, body: row.sample.whole.bytes)
        guard try handler.answer(whole, to: prepared).text == Samples.text else { throw Fault.sample(row.name) }
        return Subject(
            name: row.name,
            parts: [
                Part(aim: 0, bytes: body.count) {
                    let prepared = try handler.prepare(call(ChatRequest(openAI: body)))
                    guard !prepared.body.isEmpty else { throw Fault.sample(row.name) }
                },
                Part(aim: 1, bytes: whole.body.count) {
                    let answer = try handler.answer(whole, to: prepared).openAIBody()
                    guard !answer.isEmpty else { throw Fault.sample(row.name) }
                },
                Part(aim: 2, count: row.sample.stream.count, bytes: 0) {
                    var decoder = handler.decoder(HTTPFields(), for: streamed)
                    var encoder = OpenAIStreamEncoder(includesUsage: true)
                    var size = 0
                    for piece in row.sample.stream {
                        var out: [UInt8] = []
                        try decoder.feed(piece) { encoder.encode($0, into: &out) }
                        size += out.count
                    }
                    var out: [UInt8] = []
                    try decoder.finish { encoder.encode($0, into: &out) }
                    guard size + out.count > Samples.text.utf8.count else { throw Fault.sample(row.name) }
                },
            ]
        )
    }
}

/// Other clients' JSON in front of OpenAI's.
enum FaceSubject {
    static func all() throws -> [Subject] { [try Self.anthropic(), try Self.responses(), try Self.completions()] }

    private static var headers: HTTPFields { HTTPFields([("anthropic-version", "2023-06-01")]) }

    /// The stream of an OpenAI-shaped backend through a face's encoder.
    private static func stream(_ make: @escaping () -> (ChatStreamEvent, inout [UInt8]) -> Void) -> Part {
        let pieces = WireSample.openAI.stream
        return Part(aim: 2, count: pieces.count, bytes: 0) {
            var decoder = OpenAIStreamDecoder(provider: "openai")
            let encode = make()
            for piece in pieces {
                var out: [UInt8] = []
                try decoder.feed(piece) { encode($0, &out) }
            }
            var out: [UInt8] = []
            try decoder.finish { encode($0, &out) }
        }
    }

    private static func answer(_ write: @escaping (ChatResponse) -> [UInt8]) -> Part {
        let whole = WireSample.openAI.whole.bytes
        return Part(aim: 1, bytes: whole.count) {
            let answer = write(try ChatResponse(openAI: whole, provider: "openai"))
            guard answer.count > Samples.text.utf8.count else { throw Fault.sample("a face") }
        }
    }

    private static func request(_ body: [UInt8], _ read: @escaping ([UInt8]) throws -> ChatRequest) -> Part {
        Part(aim: 0, bytes: body.count) {
            guard try !read(body).openAIBody().isEmpty else { throw Fault.sample("a face") }
        }
    }

    private static func anthropic() throws -> Subject {
        let headers = Self.headers
        return Subject(
            name: "face: anthropic",
            parts: [
                Self.request(Samples.anthropicRequest.bytes) { try AnthropicFace.request($0, headers: headers) },
                Self.answer { AnthropicFace.answer($0) },
                Self.stream {
                    var encoder = AnthropicStreamEncoder()
                    return { encoder.encode($0, into: &$1) }
                },
            ]
        )
    }

    private static func responses() throws -> Subject {
        let body = Samples.responsesRequest.bytes
        let echo = try ResponsesFace.call(body).echo
        return Subject(
            name: "face: responses",
            parts: [
                Self.request(body) { try ResponsesFace.request($0) },
                Self.answer { ResponsesFace.answer($0, echo: echo) },
                Self.stream {
                    var encoder = ResponsesStreamEncoder(echo: echo, model: "m", id: "r", now: Samples.now)
                    return { encoder.encode($0, into: &$1) }
                },
            ]
        )
    }

    private static func completions() throws -> Subject {
        let body = Samples.completionsRequest.bytes
        let form = try CompletionsFace.call(body).form
        return Subject(
            name: "face: completions",
            parts: [
                Self.request(body) { try CompletionsFace.request($0) },
                Self.answer { CompletionsFace.answer($0, form: form) },
                Self.stream {
                    var encoder = CompletionsStreamEncoder(form: form, model: "m", id: "r", now: Samples.now)
                    return { encoder.encode($0, into: &$1) }
                },
            ]
        )
    }
}
