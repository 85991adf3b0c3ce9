import SluiceBasics
import SluiceCompletion
import SluiceTestKit
import SluiceWire
import Testing

/// Attempts, pauses and time-outs, on a clock that pauses move.
struct RetryTests {
    private func ask(_ client: CompletionClient) async throws(ProviderError) -> ChatResponse {
        try await client.completion(model: "openai/m", messages: [.user("x")])
    }

    @Test func `pauses double, and half of each is drawn`() async throws {
        let ground = TestGround([.refused(500), .broken(.reset), .refused(503), .good])
        let client = ground.client { $0.retries = RetrySettings(attempts: 4) }
        #expect(try await self.ask(client).text == "Hello!")
        #expect(ground.requests.count == 4)
        for (pause, full) in zip(ground.pauses, [0.5, 1, 2]) {
            #expect((full / 2...full).contains(pause.inSeconds))
        }
        #expect(Set(ground.pauses).count == 3)
    }

    @Test func `a provider that says how long is obeyed`() async throws {
        let ground = TestGround([.refused(429, [("Retry-After", "7")]), .good])
        _ = try await self.ask(ground.client())
        #expect((7...7.7).contains(ground.pauses.first?.inSeconds ?? 0))
    }

    @Test func `who is asked to wait for too long is told at once`() async throws {
        let ground = TestGround([.refused(429, [("Retry-After", "3600")])])
        let error = await #expect(throws: ProviderError.self) { try await self.ask(ground.client()) }
        #expect(error?.kind == .rateLimit && error?.retryAfter == .seconds(3600))
        #expect(ground.pauses.isEmpty)
    }

    @Test(arguments: [400, 401, 403, 404, 422])
    func `what would fail again is not repeated`(status: Int) async throws {
        let ground = TestGround([.refused(status), .good])
        await #expect(throws: ProviderError.self) { try await self.ask(ground.client()) }
        #expect(ground.requests.count == 1)
    }

    @Test func `attempts have an end, and the last error is thrown`() async throws {
        let ground = TestGround([.refused(500), .refused(502), .refused(503), .good])
        let error = await #expect(throws: ProviderError.self) { try await self.ask(ground.client()) }
        #expect(error?.status == 503)
        #expect(ground.requests.count == 3)
    }

    @Test func `no pause reaches beyond the whole call's time`() async throws {
        let ground = TestGround([.refused(429, [("Retry-After", "20")]), .good])
        let client = ground.client { $0.timeout = .seconds(10) }
        let error = await #expect(throws: ProviderError.self) { try await self.ask(client) }
        #expect(error?.kind == .rateLimit)
        #expect(ground.requests.count == 1)
    }

    @Test func `each attempt gets what is left, or less`() async throws {
        let ground = TestGround([.broken(.timeout), .refused(429, [("Retry-After", "50")]), .good])
        let client = ground.client { configuration in
            configuration.timeout = .seconds(60)
            configuration.attemptTimeout = .seconds(30)
        }
        _ = try await self.ask(client)
        let timeouts = ground.requests.map(\.timeout.inSeconds)
        #expect(timeouts.count == 3)
        #expect(timeouts.prefix(2) == [30, 30])
        #expect(timeouts.last ?? 99 < 10)
    }

    @Test func `cancelling ends a pause`() async throws {
        let ground = TestGround([.refused(500), .good], hangsInPauses: true)
        let client = ground.client()
        let task = Task { try await client.completion(model: "openai/m", messages: []) }
        await ground.isWaiting.wait()
        task.cancel()
        let error = await #expect(throws: ProviderError.self) { try await task.value }
        #expect(error?.kind == .cancelled)
        #expect(ground.requests.count == 1)
    }

    @Test func `cancelling ends a transfer, and is not repeated`() async throws {
        let ground = TestGround([.hang, .good])
        let client = ground.client()
        let task = Task { try await client.completion(model: "openai/m", messages: []) }
        await ground.isWaiting.wait()
        task.cancel()
        let error = await #expect(throws: ProviderError.self) { try await task.value }
        #expect(error?.kind == .cancelled)
        #expect(ground.requests.count == 1)
    }

    @Test func `settings of a call win, and absurd ones do no harm`() async throws {
        let ground = TestGround([.refused(500), .good])
        var options = CompletionOptions()
        options.retries = .never
        await #expect(throws: ProviderError.self) {
            try await ground.client().completion(model: "openai/m", messages: [], options: options)
        }
        var absurd = RetrySettings(attempts: .min)
        absurd.firstPause = .seconds(-5)
        absurd.longestPause = .seconds(Int64.max)
        let client = ground.client { $0.retries = absurd }
        #expect(try await self.ask(client).text == "Hello!")
    }
}
