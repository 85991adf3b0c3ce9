import SluiceCache
import SluiceCore
import SluiceProviders
import SluiceWire

/// Answers as entries of the cache, and entries as answers.
enum CachedAnswer {
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

    /// An answer in one piece as it is kept; `nil` unless it is whole, proper and says something.
    ///
    /// - Parameter storedAt: milliseconds since 1970.
    static func entry(
        _ body: [UInt8],
        _ operation: OpenAIOperation,
        headers: HTTPFields,
        storedAt: Int64,
        lacksUsage: Bool = false
    ) -> CacheEntry? {
        let usage = try? JSON.read(body) { root -> TokenUsage? in
            guard Self.isProper(root, operation) else { return nil }
            return OpenAIClassifier.usage(of: root) ?? TokenUsage(prompt: 0, completion: 0)
        }
        guard let usage = usage ?? nil else { return nil }
        return CacheEntry(
            body: body,
            storedAt: storedAt,
            promptTokens: usage.prompt,
            completionTokens: usage.completion,
            lacksUsage: lacksUsage,
            headers: Self.kept(headers)
        )
    }

    /// The events of a whole stream as they are kept; `nil` as for the other.
    ///
    /// - Parameter usage: as the backend counted, which the stream need not say.
    static func entry(
        stream: [UInt8],
        choiceCount: Int,
        _ operation: OpenAIOperation,
        headers: HTTPFields,
        usage: TokenUsage?,
        storedAt: Int64
    ) -> CacheEntry? {
        guard operation == .chatCompletions, var response = Self.collected(stream, choiceCount) else { return nil }
        if response.usage == nil, let usage {
            response.usage = ChatUsage(promptTokens: usage.prompt, completionTokens: usage.completion)
        }
        return Self.entry(
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

    private static func isProper(_ root: JSONValue, _ operation: OpenAIOperation) -> Bool {
        if let error = root["error"], !error.isNull { return false }
        guard operation != .embeddings else { return (root["data"]?.count ?? 0) > 0 }
        guard let choices = root["choices"], choices.count > 0 else { return false }
        var isProper = true
        choices.forEachElement { choice in
            isProper = Self.hasProperEnd(choice) && Self.saysSomething(choice)
            return isProper
        }
        return isProper
    }

    /// What was filtered or broken off by accident may be better next time.
    private static func hasProperEnd(_ choice: JSONValue) -> Bool {
        ["stop", "length", "tool_calls", "function_call"].contains(choice["finish_reason"]?.string)
    }

    private static func saysSomething(_ choice: JSONValue) -> Bool {
        if let text = choice["text"]?.stringByteCount { return text > 0 }
        guard let message = choice["message"] else { return false }
        if (message["content"]?.stringByteCount ?? 0) > 0 || (message["content"]?.count ?? 0) > 0 { return true }
        if (message["tool_calls"]?.count ?? 0) > 0 { return true }
        return ["function_call", "audio"].contains { message[$0].map { !$0.isNull } ?? false }
    }
}
