import SluiceWire

/// `embedContent` and `batchEmbedContents`; on Vertex `predict`, and `embedContent` for what is newer.
struct GeminiEmbeddings {
    let provider: String
    let isVertex: Bool

    private static let ownMembers: [(name: String, own: String)] = [
        ("task_type", "taskType"), ("taskType", "taskType"), ("title", "title"),
    ]

    func request(_ call: EmbeddingCall) throws(ProviderError) -> (method: String, body: [UInt8], dropped: [String]) {
        guard case .texts(let texts) = call.request.input else {
            throw ProviderError(
                .badRequest,
                "provider '\(self.provider)' takes texts, not tokens",
                provider: self.provider,
                parameter: "input"
            )
        }
        var screen = ParameterScreen(provider: self.provider, policy: call.endpoint.unsupported)
        for field in call.request.additional where !Self.ownMembers.contains(where: { $0.name == field.name }) {
            screen.reject(field.name)
        }
        try screen.check()
        var json = JSONWriter(reserving: 256 + texts.reduce(0) { $0 + $1.utf8.count + 64 })
        let method: String
        if self.isVertex, !Self.embedsContent(call.request.model) {
            method = "predict"
            self.writePrediction(call.request, texts, to: &json)
        } else if texts.count == 1 {
            method = "embedContent"
            json.object { json in
                if self.isVertex {
                    Self.writeContent(texts[0], to: &json)
                    json.object("embedContentConfig") { self.writeSettings(call.request, to: &$0) }
                } else {
                    self.writeOne(texts[0], call.request, to: &json)
                }
            }
        } else {
            guard !self.isVertex else {
                throw ProviderError(
                    .badRequest,
                    "model '\(call.request.model)' on Vertex embeds one text in a call",
                    provider: self.provider,
                    parameter: "input"
                )
            }
            method = "batchEmbedContents"
            json.object { json in
                json.array("requests") { json in
                    for text in texts { json.object { self.writeOne(text, call.request, to: &$0) } }
                }
            }
        }
        return (method, json.bytes, screen.dropped)
    }

    /// Models on Vertex that are newer than `predict`.
    private static func embedsContent(_ model: String) -> Bool {
        let last = model.split(separator: "/").last ?? ""
        guard last.hasPrefix("gemini-") else { return false }
        return !last.hasPrefix("gemini-embedding-001") && !last.hasPrefix("gemini-embedding-exp")
    }

    private static func writeContent(_ text: String, to json: inout JSONWriter) {
        json.object("content") { json in
            json.array("parts") { json in json.object { $0.field("text", text) } }
        }
    }

    private func writeOne(_ text: String, _ request: EmbeddingRequest, to json: inout JSONWriter) {
        let name = GeminiModel(request.model).name
        json.field("model", name.contains("/") ? name : "models/\(name)")
        Self.writeContent(text, to: &json)
        self.writeSettings(request, to: &json)
    }

    private func writeSettings(_ request: EmbeddingRequest, to json: inout JSONWriter) {
        if let dimensions = request.dimensions { json.field("outputDimensionality", dimensions) }
        for field in request.additional {
            guard let own = Self.ownMembers.first(where: { $0.name == field.name })?.own else { continue }
            json.field(own, field.value)
        }
    }

    private func writePrediction(
        _ request: EmbeddingRequest,
        _ texts: [String],
        to json: inout JSONWriter
    ) {
        let task = request.additional.first { $0.name == "task_type" || $0.name == "taskType" }?.value
        let title = request.additional.first { $0.name == "title" }?.value
        json.object { json in
            json.array("instances") { json in
                for text in texts {
                    json.object { json in
                        json.field("content", text)
                        if let task { json.field("task_type", task) }
                        if let title { json.field("title", title) }
                    }
                }
            }
            if let dimensions = request.dimensions {
                json.object("parameters") { $0.field("outputDimensionality", dimensions) }
            }
        }
    }

    // MARK: Answers

    func answer(_ response: HTTPClientResponse, to call: PreparedCall) throws(ProviderError) -> EmbeddingResponse {
        let read = try? JSON.read(response.body) { root -> EmbeddingResponse in
            var vectors: [[Float]] = []
            var tokens = root["usageMetadata"]?["promptTokenCount"]?.int
            if let one = root["embedding"]?["values"] { vectors.append(Self.vector(one)) }
            root["embeddings"]?.forEachElement { embedding in
                if let values = embedding["values"] { vectors.append(Self.vector(values)) }
                return true
            }
            root["predictions"]?.forEachElement { prediction in
                let embedding = prediction["embeddings"]
                if let values = embedding?["values"] { vectors.append(Self.vector(values)) }
                if let count = embedding?["statistics"]?["token_count"]?.double, let own = Int(exactly: count) {
                    tokens = (tokens ?? 0).addingReportingOverflow(own).partialValue
                }
                return true
            }
            return EmbeddingResponse(model: call.model, vectors: vectors, promptTokens: tokens)
        }
        guard let read, !read.vectors.isEmpty else { throw .malformed(self.provider, "it holds no embedding") }
        return read
    }

    private static func vector(_ values: JSONValue) -> [Float] {
        var vector: [Float] = []
        vector.reserveCapacity(values.count)
        values.forEachElement { value in
            vector.append(Float(value.double ?? 0))
            return true
        }
        return vector
    }
}
