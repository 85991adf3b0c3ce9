import SluiceWire

/// Reads `GenerateContentResponse`s: the only one of a whole answer, or those of a stream in their order.
struct GeminiReader: ServerSentReader {
    /// One event may hold a whole image in base64.
    static let maximumEventBytes = 64 << 20
    /// Of those that are asked for at most 8 come.
    private static let maximumCandidates = 128

    private let provider: String
    private let call: PreparedCall
    private let requestID: String?
    private var candidates: [GeminiCandidate] = []
    private var usage: ChatUsage?
    private var hasStarted = false
    /// Why the prompt itself was refused.
    private var blockReason: String?

    /// - Parameter requestID: the provider's own name of the request.
    init(_ call: PreparedCall, provider: String, requestID: String? = nil) {
        self.call = call
        self.requestID = requestID
        self.provider = provider
    }

    /// Every event holds what is new, and none has a name; the stream ends with the connection.
    ///
    /// - Returns: what the provider reports in place of an answer.
    mutating func read(
        _ root: JSONValue,
        event name: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        if let error = root["error"], error.kind == .object {
            return GeminiErrors.read(error, status: nil, provider: self.provider)
        }
        if !self.hasStarted {
            self.hasStarted = true
            self.start(root, emit)
        }
        if let usage = root["usageMetadata"], usage.kind == .object { self.usage = GeminiUsage.read(usage) }
        self.readPromptFeedback(root["promptFeedback"], emit)
        guard let candidates = root["candidates"] else { return nil }
        var failure: ProviderError?
        var position = 0
        candidates.forEachElement { candidate in
            failure = self.read(candidate, position, emit)
            position += 1
            return failure == nil
        }
        return failure
    }

    private func start(_ root: JSONValue, _ emit: (ChatStreamEvent) -> Void) {
        var start = ChatStreamStart(
            id: root["responseId"]?.string ?? self.call.requestID,
            model: root["modelVersion"]?.string ?? self.call.model,
            created: self.call.now
        )
        start.requestID = self.requestID
        emit(.start(start))
    }

    private mutating func readPromptFeedback(_ feedback: JSONValue?, _ emit: (ChatStreamEvent) -> Void) {
        guard self.blockReason == nil, let reason = feedback?["blockReason"]?.string else { return }
        self.blockReason = reason
        if let message = feedback?["blockReasonMessage"]?.string, !message.isEmpty {
            emit(.refusal(choice: 0, message))
        }
        if let ratings = feedback?["safetyRatings"], ratings.count > 0 {
            emit(.other(choice: 0, JSONField("safety_ratings", ratings.text)))
        }
    }

    private mutating func read(
        _ value: JSONValue,
        _ position: Int,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        let index = value["index"]?.int ?? position
        let place: Int
        if let known = self.candidates.firstIndex(where: { $0.index == index }) {
            place = known
        } else {
            guard self.candidates.count < Self.maximumCandidates, index >= 0, index < Self.maximumCandidates else {
                return .malformed(self.provider, "it has too many candidates")
            }
            place = self.candidates.count
            self.candidates.append(GeminiCandidate(index: index, provider: self.provider))
        }
        return self.candidates[place].read(value, self.call, emit)
    }

    /// Everything has come.
    mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        guard self.hasStarted, self.candidates.allSatisfy(\.isFinished) else { throw .truncated(self.provider) }
        if let reason = self.blockReason {
            if self.candidates.isEmpty { emit(.finish(choice: 0, .contentFilter, native: reason)) }
        } else if self.candidates.count < max(1, self.call.choiceCount) {
            // Those that are missing would have begun later.
            throw .truncated(self.provider)
        }
        for candidate in self.candidates { candidate.finish(emit) }
        if let usage = self.usage { emit(.usage(usage)) }
        emit(.done)
    }
}
