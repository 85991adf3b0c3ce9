import SluiceBasics
import SluiceWire

/// Answers that a test has written down, in place of every provider.
///
/// A client with a script needs no keys and no network. Everything else is as it is with providers: attempts, pauses,
/// time-outs, observers. Time is virtual: pauses are noted in ``pauses`` and pass at once.
///
/// ```swift
/// let script = CompletionScript([.failure(ProviderError(.rateLimit, "slow down")), .text("Hello!")])
/// ```
public final class CompletionScript: Sendable {
    /// What a call is answered with.
    public enum Line: Sendable {
        case text(String)
        case toolCalls([ToolCall])
        case response(ChatResponse)
        /// A stream's events. Without `done` at the end it was cut off.
        case events([ChatStreamEvent])
        case embedding([[Float]])
        case failure(ProviderError)
        /// Time passes before the next line is read.
        case delay(Duration)
        /// Looks at the request and chooses.
        case choose(@Sendable (ChatRequest) -> Line)
    }

    private struct State {
        var lines: [Line]
        var requests: [ChatRequest] = []
        var embeddings: [EmbeddingRequest] = []
        var pauses: [Duration] = []
        var now = Instant.zero
    }

    private let state: Lock<State>
    /// How many lines may follow each other without an answer.
    private static let maximumSteps = 1_000
    /// Requests that are remembered.
    private static let maximumRemembered = 10_000

    /// - Parameter lines: one for each attempt, in order. When they are used up, calls fail.
    public init(_ lines: [Line] = []) { self.state = Lock(State(lines: lines)) }

    public func append(_ line: Line) { self.state.withLock { $0.lines.append(line) } }

    /// Chat requests so far, one for each attempt.
    public var requests: [ChatRequest] { self.state.withLock { $0.requests } }
    public var embeddingRequests: [EmbeddingRequest] { self.state.withLock { $0.embeddings } }
    /// How long was waited between attempts.
    public var pauses: [Duration] { self.state.withLock { $0.pauses } }

    // MARK: For the client

    /// - Parameter timeout: of this attempt.
    func answer(_ request: ChatRequest, timeout: Duration) throws(ProviderError) -> [ChatStreamEvent] {
        self.state.withLock { state in
            if state.requests.count < Self.maximumRemembered { state.requests.append(request) }
        }
        return try Self.events(of: self.next(request, timeout: timeout))
    }

    func answer(_ request: EmbeddingRequest, timeout: Duration) throws(ProviderError) -> EmbeddingResponse {
        self.state.withLock { state in
            if state.embeddings.count < Self.maximumRemembered { state.embeddings.append(request) }
        }
        switch try self.next(ChatRequest(model: request.model, messages: []), timeout: timeout) {
        case .embedding(let vectors): return EmbeddingResponse(model: request.model, vectors: vectors)
        case .failure(let error): throw error
        default: throw Self.fault("the script has an answer to a chat where embeddings were asked for")
        }
    }

    func now() -> Instant { self.state.withLock { $0.now } }

    func pause(_ span: Duration) {
        self.state.withLock { state in
            if state.pauses.count < Self.maximumRemembered { state.pauses.append(span) }
            state.now = state.now + span
        }
    }

    private func next(_ request: ChatRequest, timeout: Duration) throws(ProviderError) -> Line {
        var left = timeout
        for _ in 0..<Self.maximumSteps {
            let line = self.state.withLock { state in state.lines.isEmpty ? nil : state.lines.removeFirst() }
            guard var line else { throw Self.fault("the script has no line left for this call") }
            var depth = 0
            while case .choose(let choose) = line {
                depth += 1
                guard depth < Self.maximumSteps else { throw Self.fault("the script never comes to an answer") }
                line = choose(request)
            }
            guard case .delay(let span) = line else { return line }
            self.state.withLock { $0.now = $0.now + min(span, left) }
            guard span < left else { throw ProviderError(.timeout, "the provider did not answer in time") }
            left -= span
        }
        throw Self.fault("the script never comes to an answer")
    }

    private static func events(of line: Line) throws(ProviderError) -> [ChatStreamEvent] {
        switch line {
        case .text(let text):
            return Self.response(ChatChoice(index: 0, content: text, finishReason: .stop)).events
        case .toolCalls(let calls):
            var choice = ChatChoice(index: 0, content: nil, finishReason: .toolCalls)
            choice.toolCalls = calls
            return Self.response(choice).events
        case .response(let response): return response.events
        case .events(let events): return events
        case .failure(let error): throw error
        case .embedding: throw Self.fault("the script has embeddings where a chat was asked for")
        case .delay, .choose: throw Self.fault("the script has no answer here")
        }
    }

    private static func response(_ choice: ChatChoice) -> ChatResponse {
        var response = ChatResponse(id: "chatcmpl-script", model: "script", created: 0, choices: [choice])
        response.usage = ChatUsage(promptTokens: 10, completionTokens: 20)
        return response
    }

    private static func fault(_ message: String) -> ProviderError {
        ProviderError(.badRequest, message, provider: "script", code: "script")
    }
}
