import Glibc
import SluiceBasics
import SluiceCompletion
import SluiceTestKit
import SluiceTransport
import SluiceWire
import Testing

/// Through sockets: a server of this process, the library's own thread.
@Suite(.serialized)
struct NetworkTests {
    private struct Backend: HTTPHandler {
        let answer: @Sendable (HTTPRequest) async -> HTTPResponse
        func refused(_ refusal: HTTPRefusal) {}
        func respond(to request: HTTPRequest) async -> HTTPResponse { await self.answer(request) }
    }

    private static func serve(
        _ body: (CompletionClient) async throws -> Void,
        _ answer: @escaping @Sendable (HTTPRequest) async -> HTTPResponse
    ) async throws {
        let reactors = try ReactorGroup(count: 1)
        try reactors.start()
        let server = try HTTPServer(
            configuration: HTTPServerConfiguration(host: "127.0.0.1", port: 0),
            reactors: reactors,
            handler: Backend(answer: answer)
        )
        var configuration = CompletionConfiguration()
        configuration.usesEnvironment = false
        configuration.providers["openai"] = ProviderSettings(
            baseURL: "http://127.0.0.1:\(server.port)/v1",
            apiKey: "k"
        )
        try await body(CompletionClient(configuration))
        await server.stop(grace: .milliseconds(100))
    }

    private static let json = HTTPFields([("Content-Type", "application/json")])
    private static let events = HTTPFields([("Content-Type", "text/event-stream")])

    @Test func `whole answers, many at once`() async throws {
        try await Self.serve { client in
            try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<50 {
                    group.addTask { try await client.completion(model: "openai/m", messages: [.user("x")]).text }
                }
                for try await text in group { #expect(text == "Hello!") }
            }
        } _: { _ in
            HTTPResponse(status: 200, headers: Self.json, body: .bytes(Array(Sample.answer.utf8)))
        }
    }

    @Test func `a stream, and one that is left closes its connection`() async throws {
        let left = Signal()
        try await Self.serve { client in
            let answer = try await client.stream(model: "openai/m", messages: [.user("x")]).collected()
            #expect(answer.text == "Hello!")
            for try await _ in client.stream(model: "openai/endless", messages: [.user("x")]) { break }
            await left.wait()
        } _: { request in
            let isEndless = String(decoding: request.body, as: UTF8.self).contains("endless")
            return HTTPResponse(
                status: 200,
                headers: Self.events,
                body: .stream { writer in
                    for chunk in Sample.stream.dropLast() { try await writer.write(Array(chunk.utf8)) }
                    do {
                        while isEndless { try await writer.write(Array(Sample.chunk(#"{"content":"x"}"#).utf8)) }
                    } catch {
                        left.set()
                        throw error
                    }
                    try await writer.write(Array("data: [DONE]\n\n".utf8))
                }
            )
        }
    }

    @Test func `signs of life are no content: the attempt is left, its connection closed, another made`() async throws {
        let left = Signal()
        let count = Lock(0)
        try await Self.serve { client in
            var options = CompletionOptions()
            options.attemptTimeout = .milliseconds(500)
            let stream = client.stream(model: "openai/m", messages: [.user("x")], options: options)
            let answer = try await stream.collected()
            #expect(answer.text == "Hello!")
            await left.wait()
        } _: { _ in
            let isFirst = count.withLock { count in
                count += 1
                return count == 1
            }
            return HTTPResponse(
                status: 200,
                headers: Self.events,
                body: .stream { writer in
                    do {
                        while isFirst { try await writer.write(Array(": ping\n\n".utf8)) }
                    } catch {
                        left.set()
                        throw error
                    }
                    for chunk in Sample.stream { try await writer.write(Array(chunk.utf8)) }
                }
            )
        }
        #expect(count.withLock { $0 } == 2)
    }

    @Test func `blocking calls from threads of the program's own`() async throws {
        try await Self.serve { client in
            let threads = Lock<[pthread_t]>([])
            let texts = Lock<[String]>([])
            for _ in 0..<4 {
                let work = Unmanaged.passRetained(
                    Work {
                        let answer = try? client.blocking.completion(model: "openai/m", messages: [.user("x")])
                        texts.withLock { $0.append(answer?.text ?? "nothing") }
                    }
                )
                var thread = pthread_t()
                pthread_create(
                    &thread,
                    nil,
                    { context in
                        if let context { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body() }
                        return nil
                    },
                    work.toOpaque()
                )
                let started = thread
                threads.withLock { $0.append(started) }
            }
            for thread in threads.withLock({ $0 }) { pthread_join(thread, nil) }
            #expect(texts.withLock { $0 } == Array(repeating: "Hello!", count: 4))
        } _: { _ in
            HTTPResponse(status: 200, headers: Self.json, body: .bytes(Array(Sample.answer.utf8)))
        }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    @Test func `a blocking stream can be left`() throws {
        let script = CompletionScript([.text("one"), .text("two")])
        var configuration = CompletionConfiguration()
        configuration.script = script
        let client = CompletionClient(configuration)
        let texts = Lock<[String]>([])
        try client.blocking.stream(ChatRequest(model: "m", messages: [])) { event in
            if let text = event.text { texts.withLock { $0.append(text) } }
            return event.text == nil
        }
        #expect(texts.withLock { $0 } == ["one"])
        #expect(try client.blocking.completion(model: "m", messages: []).text == "two")
    }

    @Test func `a blocking call on the library's own thread is an error`() throws {
        final class Nested: CompletionObserver {
            let seen = Lock<ProviderError?>(nil)
            func willCall(_ report: CompletionReport) {
                do throws(ProviderError) {
                    _ = try CompletionClient().blocking.completion(model: "openai/m", messages: [])
                } catch {
                    self.seen.withLock { $0 = error }
                }
            }
        }
        let observer = Nested()
        var configuration = CompletionConfiguration()
        configuration.script = CompletionScript([.text("x")])
        configuration.observers = [observer]
        _ = try CompletionClient(configuration).blocking.completion(model: "m", messages: [])
        #expect(observer.seen.withLock { $0?.code } == "blocking_call")
    }

    @Test func `nobody listens`() async throws {
        var configuration = CompletionConfiguration()
        configuration.usesEnvironment = false
        configuration.retries = .never
        configuration.providers["openai"] = ProviderSettings(baseURL: "http://127.0.0.1:1/v1", apiKey: "k")
        let error = await #expect(throws: ProviderError.self) {
            try await CompletionClient(configuration).completion(model: "openai/m", messages: [])
        }
        #expect(error?.kind == .connection && error?.isRetryable == true)
    }
}
