import SluiceBasics
import SluiceCompletion
import SluiceTestKit
import SluiceWire
import Testing

/// How long a stream may take to begin, to pause and to end, and what of an attempt stays behind.
struct StreamTimeTests {
    private static func stream(_ pieces: [String]) -> TestGround.Line {
        .stream(pieces, contentType: "text/event-stream")
    }

    private func collect(
        _ ground: TestGround,
        _ change: (inout CompletionConfiguration) -> Void
    ) async throws -> ChatResponse {
        try await ground.client(change).stream(model: "openai/m", messages: [.user("x")]).collected()
    }

    /// The pieces of a good stream, each after some seconds.
    private func slowly(_ seconds: Int) -> [String] { Sample.stream.flatMap { ["wait \(seconds)", $0] } }

    @Test func `an attempt's time does not cut a stream that flows`() async throws {
        // The role comes after 12 s, the first content after 24, the end after 72.
        let ground = TestGround([Self.stream(self.slowly(12))])
        let answer = try await self.collect(ground) { configuration in
            configuration.timeout = .seconds(600)
            configuration.attemptTimeout = .seconds(30)
        }
        #expect(answer.text == "Hello!")
        // The transfer itself may take as long as the whole call.
        #expect(ground.requests.map(\.timeout) == [.seconds(600)])
    }

    @Test func `a stream without content within an attempt's time is left, and another attempt made`() async throws {
        for pieces in [["wait 31", "hang"], [Sample.stream[0], "wait 20", ": ping\n\n", "wait 20", "hang"]] {
            let ground = TestGround([Self.stream(pieces + ["more"]), .goodStream])
            let answer = try await self.collect(ground) { $0.attemptTimeout = .seconds(30) }
            #expect(answer.text == "Hello!")
            #expect(ground.requests.count == 2 && ground.closed == 1)
        }
    }

    @Test func `without another attempt the error is a timeout`() async throws {
        let ground = TestGround([Self.stream(["wait 31", "hang"])])
        let error = await #expect(throws: ProviderError.self) {
            try await self.collect(ground) { configuration in
                configuration.attemptTimeout = .seconds(30)
                configuration.retries = .never
            }
        }
        #expect(error?.kind == .timeout && error?.isRetryable == true)
    }

    @Test func `a pause between pieces is bounded by a setting of its own, behind what came before it`() async throws {
        let observer = TestObserver()
        let ground = TestGround([Self.stream(Array(Sample.stream.prefix(3)) + ["wait 11", "hang", "more"])])
        let client = ground.client { configuration in
            configuration.chunkTimeout = .seconds(10)
            configuration.observers = [observer]
        }
        var text = ""
        let error = await #expect(throws: ProviderError.self) {
            for try await event in client.stream(model: "openai/m", messages: [.user("x")]) { text += event.text ?? "" }
        }
        #expect(error?.kind == .timeout && error?.message.contains("10") == true)
        #expect(text == "Hello!" && ground.closed == 1 && ground.requests.count == 1)
        #expect(observer.reports.last?.errorClass == "timeout")
    }

    @Test func `pieces that come in time may be many, and the setting of a call wins`() async throws {
        let ground = TestGround([Self.stream(self.slowly(9)), Self.stream(self.slowly(9))])
        #expect(try await self.collect(ground) { $0.chunkTimeout = .seconds(10) }.text == "Hello!")
        let client = ground.client { $0.chunkTimeout = .seconds(1) }
        var options = CompletionOptions()
        options.chunkTimeout = .seconds(10)
        let stream = client.stream(model: "openai/m", messages: [.user("x")], options: options)
        #expect(try await stream.collected().text == "Hello!")
    }

    @Test func `cancelling a stream that is waited for in time is a cancellation, not a timeout`() async throws {
        let ground = TestGround([Self.stream(Array(Sample.stream.prefix(2)) + ["hang", "more"])])
        let client = ground.client { $0.chunkTimeout = .seconds(10) }
        let task = Task {
            for try await _ in client.stream(model: "openai/m", messages: [.user("x")]) {}
        }
        await ground.isWaiting.wait()
        task.cancel()
        let error = await #expect(throws: ProviderError.self) { try await task.value }
        #expect(error?.kind == .cancelled && ground.closed == 1)
    }

    @Test func `what a failed attempt has said is no part of what observers are told`() async throws {
        let observer = TestObserver(wantsContent: true)
        let said =
            #"data: {"id":"other","object":"chat.completion.chunk","created":1,"model":"m-0","#
            + #""choices":[{"index":1,"delta":{"role":"assistant"},"finish_reason":null}]}"# + "\n\n"
        let ground = TestGround([Self.stream([said, "cut"]), .goodStream])
        let answer = try await self.collect(ground) { configuration in
            configuration.observers = [observer]
            // Six events and six letters: one attempt has room, not two.
            configuration.network.maximumResponseBytes = 6 * 16 + 6
        }
        #expect(ground.requests.count == 2 && answer.text == "Hello!")
        let told = try #require(observer.reports.last?.answer)
        try JSON.read(told) { root in
            #expect(root["id"]?.string == "chatcmpl-1" && root["choices"]?.count == 1)
        }
    }

    @Test func `the whole form and the stream's make the same request of the same parameters`() async throws {
        let ground = TestGround([.good, .goodStream])
        let client = ground.client()
        _ = try await client.completion(
            model: "openai/m",
            messages: [.user("x")],
            tools: [.function("f")],
            toolChoice: .required,
            parallelToolCalls: false,
            responseFormat: .jsonObject,
            maximumTokens: 5,
            stop: ["END"],
            choiceCount: 1,
            verbosity: "low",
            modalities: ["text"],
            temperature: 0.5,
            topP: 0.9,
            frequencyPenalty: 0.1,
            presencePenalty: 0.2,
            seed: 7,
            logitBias: ["1": 2],
            topLogprobs: 3,
            reasoningEffort: "low",
            user: "u",
            safetyIdentifier: "s",
            metadata: ["a": "b"],
            serviceTier: "flex",
            store: true,
            promptCacheKey: "k",
            promptCacheRetention: "24h",
            additional: [JSONField("newer", 1)]
        )
        _ = try await client.stream(
            model: "openai/m",
            messages: [.user("x")],
            tools: [.function("f")],
            toolChoice: .required,
            parallelToolCalls: false,
            responseFormat: .jsonObject,
            maximumTokens: 5,
            stop: ["END"],
            choiceCount: 1,
            verbosity: "low",
            modalities: ["text"],
            temperature: 0.5,
            topP: 0.9,
            frequencyPenalty: 0.1,
            presencePenalty: 0.2,
            seed: 7,
            logitBias: ["1": 2],
            topLogprobs: 3,
            reasoningEffort: "low",
            user: "u",
            safetyIdentifier: "s",
            metadata: ["a": "b"],
            serviceTier: "flex",
            store: true,
            promptCacheKey: "k",
            promptCacheRetention: "24h",
            additional: [JSONField("newer", 1)]
        ).collected()
        let whole = try ChatRequest(openAI: ground.requests[0].body)
        var streamed = try ChatRequest(openAI: ground.requests[1].body)
        #expect(streamed.isStream && streamed.includesUsage)
        streamed.isStream = false
        streamed.includesUsage = false
        streamed.streamOptions = []
        #expect(streamed == whole && whole.logprobs == true && whole.additional == [JSONField("newer", 1)])
    }
}
