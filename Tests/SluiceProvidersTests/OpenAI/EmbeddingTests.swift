import SluiceProviders
import SluiceWire
import Testing

@Suite("Embeddings in OpenAI's form")
struct EmbeddingTests {
    @Test(
        "a request loses nothing on its way through",
        arguments: [
            #"{"model":"m","input":["a","b"],"dimensions":256,"encoding_format":"base64","user":"u","input_type":"q"}"#,
            #"{"model":"m","input":[[1,2],[3]]}"#,
        ]
    )
    func requests(text: String) throws {
        let request = try EmbeddingRequest(openAI: Array(text.utf8))
        #expect(GoldenFiles.sorted(request.openAIBody()) == GoldenFiles.sorted(text))
    }

    @Test("a text alone, and a text as tokens")
    func inputs() throws {
        #expect(try EmbeddingRequest(openAI: Array(#"{"model":"m","input":"a"}"#.utf8)).input == .texts(["a"]))
        #expect(try EmbeddingRequest(openAI: Array(#"{"model":"m","input":[1,2]}"#.utf8)).input == .tokens([[1, 2]]))
    }

    @Test(
        "an error names the field",
        arguments: [
            (#"{"input":"a"}"#, "model"), (#"{"model":"m"}"#, "input"), (#"{"model":"m","input":[]}"#, "input"),
            (#"{"model":"m","input":[[1,"x"]]}"#, "input[0][1]"), (#"{"model":"m","input":["a",1]}"#, "input[1]"),
            (#"{"model":"m","input":"a","encoding_format":"int8"}"#, "encoding_format"),
        ]
    )
    func faults(text: String, param: String) {
        #expect {
            try EmbeddingRequest(openAI: Array(text.utf8))
        } throws: { ($0 as? InvalidRequest)?.param == param }
    }

    @Test("vectors survive as numbers and in base64", arguments: [EmbeddingRequest.Encoding.float, .base64])
    func vectors(encoding: EmbeddingRequest.Encoding) throws {
        let vectors: [[Float]] = [
            [0.1, -2.5e-8, 3, 0], [.leastNonzeroMagnitude, .greatestFiniteMagnitude, -0.0, 1e10],
        ]
        let response = EmbeddingResponse(model: "m", vectors: vectors, promptTokens: 7)
        #expect(try EmbeddingResponse(openAI: response.openAIBody(encoding: encoding), provider: "p") == response)
    }

    @Test("vectors come in the order of the texts, whatever the order of the answer")
    func order() throws {
        let text = #"{"model":"m","data":[{"index":1,"embedding":[2]},{"index":0,"embedding":"AACAPw=="}],"usage":{}}"#
        #expect(try EmbeddingResponse(openAI: Array(text.utf8), provider: "p").vectors == [[1], [2]])
    }

    @Test(
        "an answer without vectors is an error",
        arguments: [
            "{}", #"{"data":[{"embedding":"AAA"}]}"#, #"{"data":[{"embedding":["x"]}]}"#, #"{"error":{"message":"m"}}"#,
            "x",
        ]
    )
    func broken(text: String) {
        #expect(throws: ProviderError.self) { try EmbeddingResponse(openAI: Array(text.utf8), provider: "p") }
    }
}
