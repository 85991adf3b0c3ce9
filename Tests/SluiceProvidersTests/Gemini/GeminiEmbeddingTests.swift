import SluiceWire
import Testing

@testable import SluiceProviders

struct GeminiEmbeddingTests {
    private func prepared(
        _ request: EmbeddingRequest,
        _ handler: GeminiHandler = .keyed
    ) throws -> PreparedCall {
        let endpoint = GeminiTestSupport.endpoint(["project": "p", "location": "global"])
        return try handler.prepare(EmbeddingCall(request: request, endpoint: endpoint, now: 1, requestID: "r"))
    }

    private func answer(_ body: String) throws -> EmbeddingResponse {
        let call = try self.prepared(EmbeddingRequest(model: "m", texts: ["a"]))
        return try GeminiHandler.keyed.embeddings(HTTPClientResponse(status: 200, body: Array(body.utf8)), to: call)
    }

    @Test func `one text`() throws {
        var request = EmbeddingRequest(model: "gemini-embedding-001", texts: ["hi"])
        request.dimensions = 256
        request.additional = [JSONField("task_type", "RETRIEVAL_QUERY")]
        let call = try self.prepared(request)
        #expect(call.url.hasSuffix("/v1beta/models/gemini-embedding-001:embedContent"))
        #expect(
            String(decoding: call.body, as: UTF8.self)
                == #"{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"hi"}]},"#
                + #""outputDimensionality":256,"taskType":"RETRIEVAL_QUERY"}"#
        )
        let answer = try self.answer(#"{"embedding":{"values":[0.5,-1]},"usageMetadata":{"promptTokenCount":3}}"#)
        #expect(answer.vectors == [[0.5, -1]])
        #expect(answer.promptTokens == 3)
    }

    @Test func `several texts, in their order`() throws {
        let call = try self.prepared(EmbeddingRequest(model: "gemini-embedding-001", texts: ["a", "b"]))
        #expect(call.url.hasSuffix(":batchEmbedContents"))
        #expect(
            String(decoding: call.body, as: UTF8.self)
                == #"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]}},"#
                + #"{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]}}]}"#
        )
        #expect(try self.answer(#"{"embeddings":[{"values":[1]},{"values":[2]}]}"#).vectors == [[1], [2]])
    }

    @Test func `Vertex predicts`() throws {
        var request = EmbeddingRequest(model: "text-embedding-005", texts: ["a", "b"])
        request.dimensions = 8
        request.additional = [JSONField("task_type", "CLUSTERING")]
        let call = try self.prepared(request, .vertex)
        #expect(call.url.hasSuffix("/publishers/google/models/text-embedding-005:predict"))
        #expect(
            String(decoding: call.body, as: UTF8.self)
                == #"{"instances":[{"content":"a","task_type":"CLUSTERING"},"#
                + #"{"content":"b","task_type":"CLUSTERING"}],"parameters":{"outputDimensionality":8}}"#
        )
        let body = """
            {"predictions":[{"embeddings":{"values":[1,2],"statistics":{"token_count":3.0,"truncated":false}}},
            {"embeddings":{"values":[3,4],"statistics":{"token_count":4}}}]}
            """
        let answer = try self.answer(body)
        #expect(answer.vectors == [[1, 2], [3, 4]])
        #expect(answer.promptTokens == 7)
    }

    @Test func `newer models on Vertex embed one content`() throws {
        let call = try self.prepared(EmbeddingRequest(model: "gemini-embedding-2", texts: ["a"]), .vertex)
        #expect(call.url.hasSuffix("/gemini-embedding-2:embedContent"))
        #expect(
            String(decoding: call.body, as: UTF8.self)
                == #"{"content":{"parts":[{"text":"a"}]},"embedContentConfig":{}}"#
        )
        #expect(throws: ProviderError.self) {
            try self.prepared(EmbeddingRequest(model: "gemini-embedding-2", texts: ["a", "b"]), .vertex)
        }
    }

    @Test func `tokens in place of texts are refused, so is an answer without vectors`() {
        let error = #expect(throws: ProviderError.self) {
            try self.prepared(EmbeddingRequest(model: "m", input: .tokens([[1, 2]])))
        }
        #expect(error?.kind == .badRequest)
        for body in ["{}", "", #"{"embeddings":[]}"#] {
            #expect(throws: ProviderError.self) { try self.answer(body) }
        }
    }
}
