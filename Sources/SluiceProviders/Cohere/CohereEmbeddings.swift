import SluiceWire

/// `POST /v2/embed`.
enum CohereEmbeddings {
    /// What the texts are for, which Cohere wants to know and OpenAI has no word for.
    private static let defaultInputType = "search_document"
    private static let ownMembers = ["input_type", "truncate", "max_tokens", "priority"]

    static func request(
        _ call: EmbeddingCall,
        provider: String
    ) throws(ProviderError) -> (body: [UInt8], dropped: [String]) {
        let request = call.request
        guard case .texts(let texts) = request.input else {
            throw ProviderError(
                .badRequest,
                "Cohere takes texts, not tokens",
                provider: provider,
                parameter: "input"
            )
        }
        var screen = ParameterScreen(provider: provider, policy: call.endpoint.unsupported)
        let isPassing = call.endpoint.unsupported == .pass
        for field in request.additional where !Self.ownMembers.contains(field.name) { screen.reject(field.name) }
        try screen.check()
        var json = JSONWriter(reserving: 256 + texts.reduce(0) { $0 + $1.utf8.count + 4 })
        json.object { json in
            json.field("model", request.model)
            json.array("texts") { json in for text in texts { json.value(text) } }
            if !request.additional.contains(where: { $0.name == "input_type" }) {
                json.field("input_type", Self.defaultInputType)
            }
            json.array("embedding_types") { $0.value("float") }
            if let dimensions = request.dimensions { json.field("output_dimension", dimensions) }
            for field in request.additional where isPassing || Self.ownMembers.contains(field.name) {
                json.field(field.name, field.value)
            }
        }
        return (json.bytes, screen.dropped)
    }

    static func answer(
        _ response: HTTPClientResponse,
        to call: PreparedCall,
        provider: String
    ) throws(ProviderError) -> EmbeddingResponse {
        let read = try? JSON.read(response.body) { root -> EmbeddingResponse in
            var vectors: [[Float]] = []
            let embeddings = root["embeddings"]
            (embeddings?["float"] ?? embeddings)?.forEachElement { values in
                var vector: [Float] = []
                vector.reserveCapacity(values.count)
                values.forEachElement { value in
                    vector.append(Float(value.double ?? 0))
                    return true
                }
                vectors.append(vector)
                return true
            }
            let meta = root["meta"]
            let tokens = meta?["tokens"]?["input_tokens"] ?? meta?["billed_units"]?["input_tokens"]
            return EmbeddingResponse(model: call.model, vectors: vectors, promptTokens: CohereUsage.count(tokens))
        }
        guard let read, !read.vectors.isEmpty else { throw .malformed(provider, "it holds no embedding") }
        return read
    }
}
