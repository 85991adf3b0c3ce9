import SluiceCache
import SluiceCore
import SluiceProviders
import SluiceWire

/// An answer as an entry of the cache.
struct CachedAnswer {
    var entry: CacheEntry
    /// Otherwise it is for those alone who have asked while it was made: it is whole, but another may be better.
    var isKept: Bool

    /// Which requests can be answered from a cache: those whose answer depends on nothing that a server remembers.
    static func isCacheable(_ operation: OpenAIOperation) -> Bool {
        switch operation {
        case .chatCompletions, .completions, .embeddings: true
        default: false
        }
    }

    /// Headers that belong to an answer rather than to the call that it came from.
    private static let keptHeaders = ["x-sluice-dropped-params"]
    private static let maximumHeaderBytes = 4 << 10

    /// An answer in one piece; `nil` unless it is whole.
    ///
    /// - Parameter storedAt: milliseconds since 1970.
    static func make(
        _ body: [UInt8],
        _ operation: OpenAIOperation,
        headers: HTTPFields,
        storedAt: Int64,
        lacksUsage: Bool = false
    ) -> CachedAnswer? {
        let read = try? JSON.read(body) { root -> (usage: TokenUsage, quality: Quality)? in
            guard let quality = Self.quality(root, operation) else { return nil }
            return (OpenAIClassifier.usage(of: root) ?? TokenUsage(prompt: 0, completion: 0), quality)
        }
        guard let (usage, quality) = read ?? nil else { return nil }
        let entry = CacheEntry(
            body: body,
            storedAt: storedAt,
            promptTokens: usage.prompt,
            completionTokens: usage.completion,
            lacksUsage: lacksUsage,
            headers: Self.kept(headers)
        )
        return CachedAnswer(entry: entry, isKept: quality == .proper)
    }

    /// The events of a whole stream; `nil` as for the other.
    ///
    /// - Parameter usage: as the backend counted, which the stream need not say.
    static func make(
        stream: [UInt8],
        choiceCount: Int,
        _ operation: OpenAIOperation,
        headers: HTTPFields,
        usage: TokenUsage?,
        storedAt: Int64
    ) -> CachedAnswer? {
        guard operation == .chatCompletions, var response = Self.collected(stream, choiceCount) else { return nil }
        if response.usage == nil, let usage {
            response.usage = ChatUsage(promptTokens: usage.prompt, completionTokens: usage.completion)
        }
        return Self.make(
            response.openAIBody(),
            operation,
            headers: headers,
            storedAt: storedAt,
            lacksUsage: response.usage == nil
        )
    }

    private static func collected(_ stream: [UInt8], _ choiceCount: Int) -> ChatResponse? {
        do throws(ProviderError) {
            var decoder = OpenAIStreamDecoder(provider: "", choiceCount: choiceCount)
            var events: [ChatStreamEvent] = []
            try decoder.feed(stream) { events.append($0) }
            try decoder.finish { events.append($0) }
            return try ChatResponse(collecting: events)
        } catch {
            return nil
        }
    }

    private static func kept(_ headers: HTTPFields) -> [CacheEntry.Header] {
        Self.keptHeaders.compactMap { name in
            guard let value = headers[name], value.utf8.count <= Self.maximumHeaderBytes else { return nil }
            return CacheEntry.Header(name, value)
        }
    }

    // MARK: What may be kept

    private enum Quality: Int {
        /// Whole, but filtered or without words: another attempt may do better.
        case whole
        case proper
    }

    /// `nil`: no answer.
    private static func quality(_ root: JSONValue, _ operation: OpenAIOperation) -> Quality? {
        if let error = root["error"], !error.isNull { return nil }
        guard operation != .embeddings else { return (root["data"]?.count ?? 0) > 0 ? .proper : nil }
        guard let choices = root["choices"], choices.count > 0 else { return nil }
        var quality: Quality? = .proper
        choices.forEachElement { choice in
            guard let reason = choice["finish_reason"]?.string, Self.wholeEnds.contains(reason) else {
                quality = nil
                return false
            }
            if !Self.properEnds.contains(reason) || !Self.saysSomething(choice) { quality = .whole }
            return true
        }
        return quality
    }

    private static let properEnds = ["stop", "length", "tool_calls", "function_call"]
    private static let wholeEnds = Self.properEnds + ["content_filter"]

    private static func saysSomething(_ choice: JSONValue) -> Bool {
        if let text = choice["text"]?.stringByteCount { return text > 0 }
        guard let message = choice["message"] else { return false }
        if (message["content"]?.stringByteCount ?? 0) > 0 || (message["content"]?.count ?? 0) > 0 { return true }
        if (message["tool_calls"]?.count ?? 0) > 0 { return true }
        return ["function_call", "audio"].contains { message[$0].map { !$0.isNull } ?? false }
    }
}
