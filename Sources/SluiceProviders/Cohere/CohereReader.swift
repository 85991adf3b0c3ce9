import SluiceWire

/// Reads what Cohere answers: whole, or the events of a stream in their order.
struct CohereReader: ServerSentReader {
    static let maximumEventBytes = 8 << 20
    /// More calls are refused.
    private static let maximumCalls = 1024
    /// Blocks beyond have no place for citations.
    private static let maximumBlocks = 1024

    private let call: PreparedCall
    private let provider: String
    private let requestID: String?
    private var hasStarted = false
    private var hasEnded = false
    /// Cohere's indexes of the calls, in the order of their beginning.
    private var calls: [Int] = []
    /// Where the blocks of text begin in the whole text, in scalars, by Cohere's index.
    private var blocks: [(index: Int, start: Int)] = []
    private var scalarCount = 0

    init(_ call: PreparedCall, provider: String, requestID: String?) {
        self.call = call
        self.provider = provider
        self.requestID = requestID
    }

    private mutating func start(_ id: String?, _ emit: (ChatStreamEvent) -> Void) {
        guard !self.hasStarted else { return }
        self.hasStarted = true
        var start = ChatStreamStart(id: id ?? self.call.requestID, model: self.call.model, created: self.call.now)
        start.requestID = self.requestID
        emit(.start(start))
    }

    // MARK: Whole answers

    /// - Returns: why it failed.
    mutating func read(whole root: JSONValue, _ emit: (ChatStreamEvent) -> Void) -> ProviderError? {
        guard let message = root["message"], message.kind == .object else {
            return .malformed(self.provider, "it has no message")
        }
        self.start(root["id"]?.string, emit)
        var index = 0
        if let text = message["content"]?.string { self.text(text, emit) }
        message["content"]?.forEachElement { block in
            self.begin(index, isText: block["type"]?.string != "thinking")
            self.content(block, emit)
            index += 1
            return true
        }
        // As in a stream: what was thought before what is planned.
        self.plan(message["tool_plan"], emit)
        var failure: ProviderError?
        index = 0
        message["tool_calls"]?.forEachElement { call in
            failure = self.begin(call, index, emit)
            index += 1
            return failure == nil
        }
        message["citations"]?.forEachElement { citation in
            self.cite(citation, emit)
            return true
        }
        if let items = root["logprobs"], let logprobs = Self.logprobs(items) { emit(.logprobs(choice: 0, logprobs)) }
        return failure ?? self.end(root["finish_reason"]?.string, root["usage"], emit)
    }

    // MARK: Streams

    private static let answering: Set<String> = [
        "message-start", "content-start", "content-delta", "tool-plan-delta", "tool-call-start", "citation-start",
    ]

    /// - Parameter name: of the server-sent event; Cohere repeats it inside.
    /// - Returns: why it failed.
    mutating func read(
        _ root: JSONValue,
        event name: String,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        let type = root["type"]?.string ?? name
        let delta = root["delta"]
        let message = delta?["message"]
        let index = root["index"]?.int ?? 0
        // An answer begins with whatever comes first of it.
        if Self.answering.contains(type) { self.start(root["id"]?.string, emit) }
        switch type {
        case "content-start":
            let content = message?["content"]
            self.begin(index, isText: content?["type"]?.string != "thinking")
            if let content { self.content(content, emit) }
        case "content-delta":
            if let content = message?["content"] { self.content(content, emit) }
            let items = root["logprobs"] ?? delta?["logprobs"]
            if let items, let logprobs = Self.logprobs(items) { emit(.logprobs(choice: 0, logprobs)) }
        case "tool-plan-delta": self.plan(message?["tool_plan"], emit)
        case "tool-call-start": return message?["tool_calls"].flatMap { self.begin($0, index, emit) }
        case "tool-call-delta":
            let text = message?["tool_calls"]?["function"]?["arguments"]?.string
            if let text, !text.isEmpty, let position = self.calls.lastIndex(of: index) {
                emit(.toolArguments(choice: 0, index: position, text))
            }
        case "citation-start": self.citeAll(message?["citations"], emit)
        case "message-end":
            if let text = delta?["error"]?.string {
                return CohereErrors.inStream(text, delta?["finish_reason"]?.string, provider: self.provider)
            }
            return self.end(delta?["finish_reason"]?.string, delta?["usage"], emit)
        default:
            // Errors come without a type; what is newer than we are has one.
            if root["type"] == nil, let text = root["message"]?.string {
                return CohereErrors.inStream(text, nil, provider: self.provider)
            }
        }
        return nil
    }

    /// Everything has come.
    func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        guard self.hasEnded else { throw .truncated(self.provider) }
        emit(.done)
    }

    // MARK: Parts

    private mutating func begin(_ index: Int, isText: Bool) {
        guard isText, self.blocks.count < Self.maximumBlocks else { return }
        self.blocks.append((index, self.scalarCount))
    }

    private mutating func content(_ content: JSONValue, _ emit: (ChatStreamEvent) -> Void) {
        if let text = content["text"]?.string { self.text(text, emit) }
        if let text = content["thinking"]?.string, !text.isEmpty { emit(.reasoning(choice: 0, text)) }
    }

    private mutating func text(_ text: String, _ emit: (ChatStreamEvent) -> Void) {
        guard !text.isEmpty else { return }
        self.scalarCount += text.unicodeScalars.count
        emit(.content(choice: 0, text))
    }

    private func plan(_ plan: JSONValue?, _ emit: (ChatStreamEvent) -> Void) {
        guard let text = plan?.string, !text.isEmpty else { return }
        emit(.reasoning(choice: 0, text))
    }

    private mutating func begin(
        _ value: JSONValue,
        _ index: Int,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        let function = value["function"]
        guard let name = function?["name"]?.string, self.calls.count < Self.maximumCalls else {
            return .malformed(self.provider, "a tool call has no name, or there are too many")
        }
        let position = self.calls.count
        self.calls.append(index)
        let id = value["id"]?.string ?? "call_\(self.call.requestID)_\(position)"
        emit(.toolCall(choice: 0, index: position, ToolCall(id: id, name: name, arguments: "")))
        if let arguments = function?["arguments"]?.string, !arguments.isEmpty {
            emit(.toolArguments(choice: 0, index: position, arguments))
        }
        return nil
    }

    private func citeAll(_ value: JSONValue?, _ emit: (ChatStreamEvent) -> Void) {
        guard let value else { return }
        if value.kind == .object { return self.cite(value, emit) }
        value.forEachElement { citation in
            self.cite(citation, emit)
            return true
        }
    }

    /// One citation for each of its sources.
    private func cite(_ value: JSONValue, _ emit: (ChatStreamEvent) -> Void) {
        let type = value["type"]?.string
        let block = value["content_index"]?.int
        let start = self.blocks.first { $0.index == block }?.start
        let isText = type == nil ? block == nil || start != nil : type == "TEXT_CONTENT"
        var citation = Citation(quote: value["text"]?.string)
        if isText, let first = value["start"]?.int, let last = value["end"]?.int {
            citation.range = Self.range(first, last, from: start ?? 0)
        }
        var hasSource = false
        value["sources"]?.forEachElement { source in
            hasSource = true
            let inner = source["document"] ?? source["tool_output"]
            citation.url = inner?["url"]?.string
            citation.title = inner?["title"]?.string
            citation.native = source.text
            emit(.citation(choice: 0, citation))
            return true
        }
        if !hasSource { emit(.citation(choice: 0, citation)) }
    }

    private static func range(_ first: Int, _ last: Int, from start: Int) -> Range<Int>? {
        let (lower, lowerOverflow) = start.addingReportingOverflow(first)
        let (upper, upperOverflow) = start.addingReportingOverflow(last)
        guard !lowerOverflow, !upperOverflow, lower >= 0, lower < upper else { return nil }
        return lower..<upper
    }

    /// Pieces of text with the logarithms of their tokens, one or a list.
    private static func logprobs(_ value: JSONValue) -> JSONText? {
        var tokens: [(chosen: ChatLogprobs.Token, alternatives: [ChatLogprobs.Token])] = []
        func add(_ item: JSONValue) {
            guard let text = item["text"]?.string else { return }
            var sum = 0.0
            item["logprobs"]?.forEachElement { number in
                sum += number.double ?? 0
                return true
            }
            tokens.append((ChatLogprobs.Token(text: text, logprob: sum), []))
        }
        if value.kind == .object {
            add(value)
        } else {
            value.forEachElement { item in
                add(item)
                return true
            }
        }
        return tokens.isEmpty ? nil : ChatLogprobs.make(tokens)
    }

    private mutating func end(
        _ native: String?,
        _ usage: JSONValue?,
        _ emit: (ChatStreamEvent) -> Void
    ) -> ProviderError? {
        guard let native else { return .malformed(self.provider, "it does not say why it ended") }
        guard !self.hasEnded else { return nil }
        self.start(nil, emit)
        switch CohereFinish.of(native) {
        case .failure(let kind):
            return ProviderError(
                kind,
                "the provider could not finish its answer: it ended with \(native)",
                provider: self.provider,
                code: native
            )
        case .reason(let reason):
            self.hasEnded = true
            let meant: FinishReason = reason == .stop && !self.calls.isEmpty ? .toolCalls : reason
            emit(.finish(choice: 0, meant, native: native))
            if let usage, let read = CohereUsage.read(usage) { emit(.usage(read)) }
            return nil
        }
    }
}
