import SluiceBasics
import SluiceWire

/// What the calls of one client have in common.
final class CompletionCore: Sendable {
    let configuration: CompletionConfiguration
    let shell: any CompletionShell
    private let resolution: ModelResolution
    private let random: Lock<SeededRandom>

    init(_ configuration: CompletionConfiguration, shell: any CompletionShell, seed: UInt64) {
        self.configuration = configuration
        self.shell = shell
        self.resolution = configuration.resolution()
        self.random = Lock(SeededRandom(seed: seed))
    }

    func nextUnit() -> Double { self.random.withLock { $0.unit() } }

    func nextID() -> String {
        let number = self.random.withLock { $0.next() }
        let digits = String(number, radix: 16)
        return "req_" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    func route(_ model: String, _ options: CompletionOptions) throws(ProviderError) -> CompletionRoute {
        try self.resolution.route(model, options, self.configuration)
    }

    // MARK: Whole answers

    func completion(_ request: ChatRequest, _ options: CompletionOptions) async throws(ProviderError) -> ChatResponse {
        var request = request
        request.isStream = false
        let call = try CompletionCall(
            self,
            model: request.model,
            operation: OpenAIOperation.chatCompletions.rawValue,
            isStream: false,
            options
        )
        let response = try await call.ending { () async throws(ProviderError) in
            try await self.whole(request, options, call)
        }
        call.succeed(usage: response.usage) { response.openAIBody() }
        return response
    }

    private func whole(
        _ request: ChatRequest,
        _ options: CompletionOptions,
        _ call: CompletionCall
    ) async throws(ProviderError) -> ChatResponse {
        if let script = self.configuration.script {
            call.begin(provider: "script") { request.openAIBody() }
            return try await call.attempts { time throws(ProviderError) in
                try ChatResponse(collecting: script.answer(request, timeout: time.answer), provider: "script")
            }
        }
        let route = try self.route(request.model, options)
        call.begin(provider: route.handler.provider) { request.openAIBody() }
        var asked = request
        asked.model = route.model
        return try await call.attempts { time throws(ProviderError) in
            let prepared = try route.handler.prepare(
                ProviderCall(request: asked, endpoint: route.endpoint, now: call.now, requestID: call.id)
            )
            call.dropped(prepared.dropped)
            let answer = try await self.execute(prepared, route, call, time.answer)
            return try route.scrubbing { () throws(ProviderError) in try route.handler.answer(answer, to: prepared) }
        }
    }

    func embedding(
        _ request: EmbeddingRequest,
        _ options: CompletionOptions
    ) async throws(ProviderError) -> EmbeddingResponse {
        let call = try CompletionCall(
            self,
            model: request.model,
            operation: OpenAIOperation.embeddings.rawValue,
            isStream: false,
            options
        )
        let response = try await call.ending { () async throws(ProviderError) in
            try await self.embedding(request, options, call)
        }
        call.succeed(usage: nil, promptTokens: response.promptTokens) { nil }
        return response
    }

    private func embedding(
        _ request: EmbeddingRequest,
        _ options: CompletionOptions,
        _ call: CompletionCall
    ) async throws(ProviderError) -> EmbeddingResponse {
        if let script = self.configuration.script {
            call.begin(provider: "script") { [] }
            return try await call.attempts { time throws(ProviderError) in
                try script.answer(request, timeout: time.answer)
            }
        }
        let route = try self.route(request.model, options)
        call.begin(provider: route.handler.provider) { [] }
        var asked = request
        asked.model = route.model
        return try await call.attempts { time throws(ProviderError) in
            let prepared = try route.handler.prepare(
                EmbeddingCall(request: asked, endpoint: route.endpoint, now: call.now, requestID: call.id)
            )
            call.dropped(prepared.dropped)
            let answer = try await self.execute(prepared, route, call, time.answer)
            return try route.scrubbing { () throws(ProviderError) in
                try route.handler.embeddings(answer, to: prepared)
            }
        }
    }

    /// - Returns: an answer with a status of success.
    private func execute(
        _ prepared: PreparedCall,
        _ route: CompletionRoute,
        _ call: CompletionCall,
        _ timeout: Duration
    ) async throws(ProviderError) -> HTTPClientResponse {
        let answer: HTTPClientResponse
        do {
            answer = try await call.ground.http.execute(self.request(prepared, timeout))
        } catch {
            throw ProviderError(error, provider: route.handler.provider).scrubbed(of: route.secrets)
        }
        guard (200..<300).contains(answer.status) else {
            throw route.handler.failure(answer, now: call.now).scrubbed(of: route.secrets)
        }
        return answer
    }

    func request(_ prepared: PreparedCall, _ timeout: Duration) -> HTTPClientRequest {
        HTTPClientRequest(
            method: prepared.method,
            url: prepared.url,
            headers: prepared.headers,
            body: prepared.body,
            timeout: timeout,
            maximumResponseBytes: max(1, self.configuration.network.maximumResponseBytes)
        )
    }
}

extension CompletionRoute {
    /// Errors that leave `body` hold no keys.
    func scrubbing<Success>(_ body: () throws(ProviderError) -> Success) throws(ProviderError) -> Success {
        do throws(ProviderError) {
            return try body()
        } catch {
            throw error.scrubbed(of: self.secrets)
        }
    }
}
