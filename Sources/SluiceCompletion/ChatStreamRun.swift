import SluiceBasics
import SluiceWire

/// One iteration of a stream.
final class ChatStreamRun {
    private enum Source {
        case notOpened
        case open(any HTTPBodyReader, any ChatStreamDecoder, CompletionRoute)
        case ended
    }

    private let core: CompletionCore
    private let request: ChatRequest
    private let options: CompletionOptions
    private var call: CompletionCall?
    private var source = Source.notOpened
    /// Events that wait to be handed out, the next at `position`. At most those of one piece of the body.
    private var events: [ChatStreamEvent] = []
    private var position = 0
    /// What is thrown when the events are used up.
    private var failure: ProviderError?
    private var usage: ChatUsage?
    private var collector: ChatResponseCollector?
    /// When the attempt's first content must have come; `nil`: it has come, or only the whole call counts.
    private var contentDeadline: Instant?
    /// Whether the caller has been given an open stream.
    private var isFlowing = false

    init(_ core: CompletionCore, _ request: ChatRequest, _ options: CompletionOptions) {
        self.core = core
        var request = request
        request.isStream = true
        self.request = request
        self.options = options
    }

    deinit { self.close() }

    func next() async throws(ProviderError) -> ChatStreamEvent? {
        do throws(ProviderError) {
            if case .notOpened = self.source { try await self.open() }
            while self.position == self.events.count {
                if let failure = self.failure { throw failure }
                guard case .open = self.source else { return self.end() }
                try await self.read()
            }
        } catch {
            self.reset()
            self.call?.fail(error)
            self.call = nil
            throw error
        }
        let event = self.events[self.position]
        self.position += 1
        return event
    }

    private func reset() {
        self.close()
        self.source = .ended
        self.events = []
        self.position = 0
        self.failure = nil
    }

    private func close() {
        if case .open(let reader, _, _) = self.source { reader.close() }
    }

    private func end() -> ChatStreamEvent? {
        let collector = self.collector
        self.call?.succeed(usage: self.usage) { try? collector?.response().openAIBody() }
        self.call = nil
        return nil
    }

    // MARK: Opening

    /// Makes attempts until one has content: what fails before has shown the caller nothing and may be repeated.
    private func open() async throws(ProviderError) {
        self.source = .ended
        let call = try CompletionCall(
            self.core,
            model: self.request.model,
            operation: OpenAIOperation.chatCompletions.rawValue,
            isStream: true,
            self.options
        )
        self.call = call
        if let script = self.core.configuration.script { return try await self.open(script, call) }
        let route = try self.core.route(self.request.model, self.options)
        call.begin(provider: route.handler.provider) { self.request.openAIBody() }
        try await call.attempts { time throws(ProviderError) in
            self.forget(call)
            do throws(ProviderError) {
                try await self.open(route, call, time)
            } catch {
                self.reset()
                throw error
            }
        }
        self.contentDeadline = nil
        self.isFlowing = true
    }

    /// What an attempt before this one has said is no part of the answer.
    private func forget(_ call: CompletionCall) {
        self.usage = nil
        guard call.needsContent else { return }
        self.collector = ChatResponseCollector(maximumBytes: self.core.configuration.network.maximumResponseBytes)
    }

    private func open(_ script: CompletionScript, _ call: CompletionCall) async throws(ProviderError) {
        call.begin(provider: "script") { self.request.openAIBody() }
        self.forget(call)
        let events = try await call.attempts { time throws(ProviderError) in
            try script.answer(self.request, timeout: time.answer)
        }
        for event in events { self.take(event) }
        if events.last != .done { self.failure = .truncated("script") }
    }

    private func open(
        _ route: CompletionRoute,
        _ call: CompletionCall,
        _ time: AttemptTime
    ) async throws(ProviderError) {
        self.contentDeadline = time.answer < time.left ? call.ground.now() + time.answer : nil
        var asked = self.request
        asked.model = route.model
        let prepared = try route.handler.prepare(
            ProviderCall(request: asked, endpoint: route.endpoint, now: call.now, requestID: call.id)
        )
        call.dropped(prepared.dropped)
        // A stream that has begun may take all the time that is left.
        let request = self.core.request(prepared, time.left)
        let http = call.ground.http
        let stream: HTTPClientStream
        do {
            stream = try await self.inTime { () async throws(HTTPClientError) in try await http.stream(request) }
        } catch {
            throw ProviderError(error, provider: route.handler.provider).scrubbed(of: route.secrets)
        }
        guard (200..<300).contains(stream.status) else {
            let body = try await self.body(of: stream, route)
            let answer = HTTPClientResponse(status: stream.status, headers: stream.headers, body: body)
            throw route.handler.failure(answer, now: call.now).scrubbed(of: route.secrets)
        }
        let type = stream.headers["content-type"]?.lowercased() ?? ""
        if type.hasPrefix("application/json") {
            // A provider that does not stream answers in one piece.
            let body = try await self.body(of: stream, route)
            let answer = HTTPClientResponse(status: stream.status, headers: stream.headers, body: body)
            let response = try route.scrubbing { () throws(ProviderError) in
                try route.handler.answer(answer, to: prepared)
            }
            for event in response.events { self.take(event) }
            return
        }
        self.source = .open(stream.body, route.handler.decoder(stream.headers, for: prepared), route)
        while case .open = self.source, !self.hasContent { try await self.read() }
        if let failure = self.failure, !self.hasContent { throw failure }
    }

    /// Whether something has come that an attempt must not be repeated behind.
    private var hasContent: Bool {
        self.events.contains { if case .start = $0 { false } else { true } }
    }

    private func body(of stream: HTTPClientStream, _ route: CompletionRoute) async throws(ProviderError) -> [UInt8] {
        defer { stream.body.close() }
        let limit = max(1, self.core.configuration.network.maximumResponseBytes)
        var body: [UInt8] = []
        do {
            while let piece = try await self.next(stream.body) {
                guard body.count + piece.count <= limit else { break }
                body.append(contentsOf: piece)
            }
        } catch {
            throw ProviderError(error, provider: route.handler.provider).scrubbed(of: route.secrets)
        }
        return body
    }

    // MARK: Reading

    private func next(_ reader: any HTTPBodyReader) async throws(HTTPClientError) -> [UInt8]? {
        try await self.inTime { () async throws(HTTPClientError) in try await reader.next() }
    }

    /// Bounds what is waited for by what an attempt, or a stream that has begun, is given.
    private func inTime<Success: Sendable>(
        _ operation: @escaping @Sendable () async throws(HTTPClientError) -> Success
    ) async throws(HTTPClientError) -> Success {
        guard let ground = self.call?.ground else { return try await operation() }
        if let deadline = self.contentDeadline {
            let message = "the provider sent no content within the attempt's time"
            return try await ground.before(deadline, orElse: message, operation)
        }
        guard self.isFlowing, let span = self.call?.chunkTimeout else { return try await operation() }
        let message = "the provider's stream stood still for \(span.inSeconds) s"
        return try await ground.before(ground.now() + span, orElse: message, operation)
    }

    /// What goes wrong behind content is noted, so that the content is handed out first.
    private func read() async throws(ProviderError) {
        guard case .open(let reader, var decoder, let route) = self.source else { return }
        let bytes: [UInt8]?
        do {
            bytes = try await self.next(reader)
        } catch {
            throw ProviderError(error, provider: route.handler.provider).scrubbed(of: route.secrets)
        }
        if self.position == self.events.count {
            self.events.removeAll(keepingCapacity: true)
            self.position = 0
        }
        // Let go of the other reference, so that feeding does not copy what the decoder holds.
        self.source = .ended
        do throws(ProviderError) {
            if let bytes {
                self.call?.received(bytes)
                try decoder.feed(bytes) { self.take($0) }
                self.source = .open(reader, decoder, route)
            } else {
                try decoder.finish { self.take($0) }
            }
        } catch {
            reader.close()
            self.failure = error.scrubbed(of: route.secrets)
        }
    }

    private func take(_ event: ChatStreamEvent) {
        switch event {
        case .usage(let usage): self.usage = usage
        case .start, .done: break
        default: self.call?.receivedContent()
        }
        self.collector?.take(event)
        self.events.append(event)
    }
}
