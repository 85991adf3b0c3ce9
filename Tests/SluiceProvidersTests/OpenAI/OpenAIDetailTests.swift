import SluiceProviders
import SluiceWire
import Testing

/// Members within members that have no name here.
struct OpenAIDetailTests {
    @Test func `details of usage that have no name here survive`() throws {
        let body = Array(
            """
            {"id":"1","object":"chat.completion","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":5,
            "completion_tokens":6,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":1,"image_tokens":2},
            "completion_tokens_details":{"text_tokens":3}}}
            """.utf8
        )
        let response = try ChatResponse(openAI: body, provider: "p")
        #expect(response.usage?.cachedTokens == 1)
        #expect(GoldenFiles.sorted(response.openAIBody()) == GoldenFiles.sorted(body))
    }

    @Test func `members within images, sound and files that have no name here survive`() throws {
        let body = Array(
            """
            {"model":"m","messages":[{"role":"user","content":[
            {"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low","newer":[1]}},
            {"type":"input_audio","input_audio":{"data":"AAAA","format":"wav","rate":8000}},
            {"type":"file","file":{"filename":"a","file_id":"f","newer":{"a":null}}}]}]}
            """.utf8
        )
        let request = try ChatRequest(openAI: body)
        #expect(GoldenFiles.sorted(request.openAIBody()) == GoldenFiles.sorted(body))
        #expect(try ChatRequest(openAI: request.openAIBody()) == request)
    }
}
