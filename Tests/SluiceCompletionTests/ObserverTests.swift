import SluiceBasics
import SluiceCompletion
import SluiceWire
import Testing

/// What observers are told, and when.
struct ObserverTests {
    @Test func `before, success and end`() async throws {
        let observer = TestObserver(wantsContent: true)
        let ground = TestGround([.refused(503), .good])
        _ = try await ground.client { $0.observers = [observer] }.completion(model: "openai/m", messages: [.user("x")])
        #expect(observer.events == ["will", "success", "end"])
        let last = try #require(observer.reports.last)
        #expect(last.attempts == 2 && last.provider == "openai" && last.outcome == "done" && last.status == 200)
        #expect(last.promptTokens == 3 && last.completionTokens == 2)
        #expect(last.total ?? .zero >= .milliseconds(250))
        let request = try #require(last.request)
        try JSON.read(request) { #expect($0["messages"]?.count == 1) }
        let answer = try #require(last.answer)
        try JSON.read(answer) { #expect($0["choices"]?.count == 1) }
        #expect(Set(observer.reports.map(\.id)).count == 1)
    }

    @Test func `before, failure and end`() async throws {
        let observer = TestObserver()
        let ground = TestGround([.refused(400)])
        let client = ground.client { $0.observers = [observer] }
        await #expect(throws: ProviderError.self) { try await client.completion(model: "openai/m", messages: []) }
        #expect(observer.events == ["will", "failure", "end"])
        #expect(observer.reports.last?.errorClass == "bad_request")
        #expect(observer.reports.last?.request == nil)
    }

    @Test func `every piece of a stream`() async throws {
        let observer = TestObserver(wantsContent: true)
        let ground = TestGround([.goodStream])
        let client = ground.client { $0.observers = [observer] }
        let answer = try await client.stream(model: "openai/m", messages: [.user("x")]).collected()
        #expect(answer.text == "Hello!")
        #expect(observer.events == ["will", "success", "end"])
        #expect(observer.chunks.map(\.index) == Array(0..<Sample.stream.count))
        #expect(observer.chunks.compactMap(\.bytes) == Sample.stream.map { Array($0.utf8) })
        #expect(observer.reports.last?.completionTokens == 2)
        #expect(observer.reports.last?.timeToFirstToken != nil)
    }

    @Test func `a stream that is dropped was cancelled`() async throws {
        let observer = TestObserver()
        let ground = TestGround([.goodStream])
        let client = ground.client { $0.observers = [observer] }
        for try await _ in client.stream(model: "openai/m", messages: []) { break }
        #expect(observer.events == ["will", "failure", "end"])
        #expect(observer.reports.last?.outcome == "cancelled")
    }
}
