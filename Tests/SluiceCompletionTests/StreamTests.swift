import SluiceBasics
import SluiceCompletion
import SluiceTestKit
import SluiceWire
import Testing

/// Streams: events, ends, errors, who closes what.
struct StreamTests {
    private func stream(
        _ ground: TestGround,
        _ change: (inout CompletionConfiguration) -> Void = { _ in }
    ) -> ChatStream {
        ground.client(change).stream(model: "openai/m", messages: [.user("x")])
    }

    @Test func `events come in order, and put together they are the answer`() async throws {
        let ground = TestGround([.goodStream, .goodStream])
        var events: [ChatStreamEvent] = []
        for try await event in self.stream(ground) { events.append(event) }
        #expect(events.compactMap(\.text).joined() == "Hello!")
        #expect(events.last == .done)
        let answer = try await self.stream(ground).collected()
        #expect(answer.text == "Hello!" && answer.usage?.totalTokens == 5 && answer.id == "chatcmpl-1")
        let whole = try await TestGround([.good]).client().completion(model: "openai/m", messages: [.user("x")])
        #expect(answer.choices == whole.choices && answer.usage == whole.usage)
    }

    @Test func `however the bytes are cut, the events are the same`() async throws {
        let bytes = Sample.stream.joined().map { String($0) }
        let ground = TestGround([.goodStream, .stream(bytes, contentType: "text/event-stream")])
        let one = try await self.stream(ground).collected()
        let other = try await self.stream(ground).collected()
        #expect(one == other)
    }

    @Test func `a stream cut off before its proper end is an error`() async throws {
        for end in [[], ["cut"]] {
            let pieces = Array(Sample.stream.prefix(3)) + end
            let ground = TestGround([.stream(pieces, contentType: "text/event-stream")])
            var text = ""
            let error = await #expect(throws: ProviderError.self) {
                for try await event in self.stream(ground) { text += event.text ?? "" }
            }
            #expect(error?.kind == (end.isEmpty ? .badGateway : .connection))
            #expect(text == "Hello!")
            #expect(ground.requests.count == 1)
        }
    }

    @Test func `an error inside a stream comes behind what came before it`() async throws {
        let piece = Sample.chunk(#"{"content":"Hel"}"#) + "data: \(Sample.error("overloaded"))\n\n"
        let ground = TestGround([.stream([piece], contentType: "text/event-stream")])
        var text = ""
        let error = await #expect(throws: ProviderError.self) {
            for try await event in self.stream(ground) { text += event.text ?? "" }
        }
        #expect(text == "Hel")
        #expect(error?.message == "overloaded")
    }

    @Test func `what fails before the first content is repeated`() async throws {
        let start = Sample.stream.prefix(1).map { $0 }
        let ground = TestGround([
            .refused(503), .broken(.connectRefused), .stream(start + ["cut"], contentType: "text/event-stream"),
            .goodStream,
        ])
        let stream = self.stream(ground) { $0.retries = RetrySettings(attempts: 4) }
        let answer = try await stream.collected()
        #expect(answer.text == "Hello!")
        #expect(ground.requests.count == 4)
    }

    @Test func `after an error a stream has ended`() async throws {
        let ground = TestGround([.refused(400)])
        var iterator = self.stream(ground).makeAsyncIterator()
        await #expect(throws: ProviderError.self) { try await iterator.next() }
        #expect(try await iterator.next() == nil)
        #expect(ground.requests.count == 1)
    }

    @Test func `a provider that answers in one piece makes a stream too`() async throws {
        let ground = TestGround([.good])
        #expect(try await self.stream(ground).collected().text == "Hello!")
    }

    @Test func `the provider is not read ahead of the loop, and leaving it closes the transfer`() async throws {
        let ground = TestGround([.goodStream])
        for try await event in self.stream(ground) where event.text == "Hel" { break }
        #expect(ground.reads == 2)
        #expect(ground.closed == 1)
    }

    @Test func `cancelling closes the transfer`() async throws {
        let observer = TestObserver()
        let pieces = Array(Sample.stream.prefix(2)) + ["hang", "more"]
        let ground = TestGround([.stream(pieces, contentType: "text/event-stream")])
        let stream = self.stream(ground) { $0.observers = [observer] }
        let task = Task {
            for try await _ in stream {}
        }
        await ground.isWaiting.wait()
        task.cancel()
        let error = await #expect(throws: ProviderError.self) { try await task.value }
        #expect(error?.kind == .cancelled)
        #expect(ground.closed == 1)
        #expect(observer.reports.last?.outcome == "cancelled")
    }

    @Test func `usage is asked for`() async throws {
        let ground = TestGround([.goodStream])
        _ = try await self.stream(ground).collected()
        try JSON.read(ground.requests.first?.body ?? []) { body in
            #expect(body["stream"]?.bool == true)
            #expect(body["stream_options"]?["include_usage"]?.bool == true)
        }
    }
}
