import SluiceWire
import Testing

@testable import SluiceProviders

struct GeminiGoldenTests {
    @Test(arguments: GoldenFiles.names("gemini", "request-"))
    func `a request becomes the body that Google documents`(name: String) throws {
        let file = try GoldenFiles.members("gemini", name)
        let request = try ChatRequest(openAI: #require(file["request"]).bytes)
        let handler: GeminiHandler = file["provider"]?.string == "vertex" ? .vertex : .keyed
        var endpoint = GeminiTestSupport.endpoint(file["settings"]?.dictionary ?? [:])
        if file["provider"] != nil { endpoint.credential = .bearer("token") }
        let prepared = try handler.prepare(GeminiTestSupport.call(request, endpoint))
        #expect(String(decoding: prepared.body, as: UTF8.self) == file["body"]?.text)
        #expect(prepared.url == file["url"]?.string)
        #expect(prepared.dropped == file["dropped"]?.strings)
    }

    @Test(arguments: GoldenFiles.names("gemini", "answer-"))
    func `an answer becomes OpenAI's`(name: String) throws {
        let file = try GoldenFiles.members("gemini", name)
        let answer = try GeminiTestSupport.answer(#require(file["whole"]).text)
        #expect(String(decoding: answer.openAIBody(), as: UTF8.self) == file["answer"]?.text)
    }

    @Test(arguments: GoldenFiles.names("gemini", "answer-"))
    func `a stream collected is the whole answer`(name: String) throws {
        let file = try GoldenFiles.members("gemini", name)
        let whole = try GeminiTestSupport.answer(#require(file["whole"]).text)
        let events = try #require(file["events"]).elements.map(\.text)
        let decoded = try GeminiTestSupport.decoded([GeminiTestSupport.stream(events)])
        #expect(decoded.error == nil)
        var collected = try decoded.response
        for index in collected.choices.indices { collected.choices[index].stateEmptyContent() }
        #expect(collected == whole)
    }

    @Test(arguments: GoldenFiles.names("gemini", "answer-"))
    func `any split of the bytes gives the same events`(name: String) throws {
        let events = try #require(GoldenFiles.members("gemini", name)["events"]).elements.map(\.text)
        // Comments, and ends of lines of both kinds.
        let bytes = Array(": ping\r\n\r\n".utf8) + GeminiTestSupport.stream(events)
        let whole = try GeminiTestSupport.decoded([bytes])
        #expect(whole.error == nil)
        #expect(try GeminiTestSupport.decoded(bytes.map { [$0] }) == whole)
        for cut in stride(from: 0, through: bytes.count, by: 13) {
            let pieces = [Array(bytes[..<cut]), Array(bytes[cut...])]
            #expect(try GeminiTestSupport.decoded(pieces) == whole)
        }
    }

    @Test(arguments: GoldenFiles.names("gemini", "answer-"))
    func `a stream cut off before its proper end is an error, wherever it is cut`(name: String) throws {
        let events = try #require(GoldenFiles.members("gemini", name)["events"]).elements.map(\.text)
        for count in 0..<events.count {
            let decoded = try GeminiTestSupport.decoded([GeminiTestSupport.stream(Array(events[..<count]))])
            #expect(decoded.error?.code == "stream_truncated")
            #expect(!decoded.events.contains(.done))
        }
        // The last event without its end is no event.
        let bytes = GeminiTestSupport.stream(events)
        #expect(try GeminiTestSupport.decoded([bytes.dropLast(2)]).error?.code == "stream_truncated")
    }
}
