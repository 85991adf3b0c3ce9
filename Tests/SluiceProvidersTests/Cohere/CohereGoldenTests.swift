import SluiceWire
import Testing

@testable import SluiceProviders

struct CohereGoldenTests {
    @Test(arguments: GoldenFiles.names("cohere", "request-"))
    func `a request becomes the body that Cohere documents`(name: String) throws {
        let file = try GoldenFiles.members("cohere", name)
        let prepared = try CohereTestSupport.prepared(ChatRequest(openAI: #require(file["request"]).bytes))
        #expect(String(decoding: prepared.body, as: UTF8.self) == file["body"]?.text)
        #expect(prepared.url == file["url"]?.string)
        #expect(Set(prepared.dropped) == Set(file["dropped"]?.strings ?? []))
        #expect(prepared.headers["authorization"] == "Bearer k")
    }

    @Test(arguments: GoldenFiles.names("cohere", "answer-"))
    func `an answer becomes OpenAI's`(name: String) throws {
        let file = try GoldenFiles.members("cohere", name)
        let answer = try CohereTestSupport.answer(#require(file["whole"]).text)
        #expect(String(decoding: answer.openAIBody(), as: UTF8.self) == file["answer"]?.text)
    }

    @Test(arguments: GoldenFiles.names("cohere", "answer-"))
    func `a stream collected is the whole answer`(name: String) throws {
        let file = try GoldenFiles.members("cohere", name)
        let whole = try CohereTestSupport.answer(#require(file["whole"]).text)
        for isNamed in [true, false] {
            let bytes = CohereTestSupport.stream(try #require(file["events"]).elements, named: isNamed)
            let decoded = try CohereTestSupport.decoded([bytes + Array("data: [DONE]\n\n".utf8)])
            #expect(decoded.error == nil)
            #expect(try decoded.response == whole)
        }
    }

    @Test(arguments: GoldenFiles.names("cohere", "answer-"))
    func `any split of the bytes gives the same events`(name: String) throws {
        let events = try #require(GoldenFiles.members("cohere", name)["events"]).elements
        let bytes = Array(": ping\r\n\r\n".utf8) + CohereTestSupport.stream(events)
        let whole = try CohereTestSupport.decoded([bytes])
        #expect(whole.error == nil)
        #expect(try CohereTestSupport.decoded(bytes.map { [$0] }) == whole)
        for cut in stride(from: 0, through: bytes.count, by: 13) {
            #expect(try CohereTestSupport.decoded([Array(bytes[..<cut]), Array(bytes[cut...])]) == whole)
        }
    }

    @Test(arguments: GoldenFiles.names("cohere", "answer-"))
    func `a stream without its message-end is an error, wherever it is cut`(name: String) throws {
        let events = try #require(GoldenFiles.members("cohere", name)["events"]).elements
        for count in 0..<events.count {
            let decoded = try CohereTestSupport.decoded([CohereTestSupport.stream(Array(events[..<count]))])
            #expect(decoded.error?.code == "stream_truncated")
            #expect(!decoded.events.contains(.done))
        }
    }
}
