import SluiceWire

/// A stream of OpenAI's chunks with something beside them that has to be understood.
struct QuirkyStreamDecoder: ChatStreamDecoder {
    private var decoder: OpenAIStreamDecoder
    private let quirks: OpenAIQuirks

    init(_ decoder: OpenAIStreamDecoder, _ quirks: OpenAIQuirks) {
        self.decoder = decoder
        self.quirks = quirks
    }

    mutating func feed(_ bytes: [UInt8], _ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        let quirks = self.quirks
        try self.decoder.feed(bytes) { Self.pass($0, quirks, emit) }
    }

    mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError) {
        let quirks = self.quirks
        try self.decoder.finish { Self.pass($0, quirks, emit) }
    }

    private static func pass(_ event: ChatStreamEvent, _ quirks: OpenAIQuirks, _ emit: (ChatStreamEvent) -> Void) {
        switch event {
        case .start(var start) where quirks.hasSources:
            let sources = Sources(taking: &start.additional)
            emit(.start(start))
            for citation in sources.citations { emit(.citation(choice: 0, citation)) }
        case .usage(var usage) where quirks.countsReasoningApart:
            usage.includeReasoning()
            emit(.usage(usage))
        default: emit(event)
        }
    }
}

/// Sources beside the choices: Perplexity's `search_results`, of which `citations` is the elder, shorter form.
struct Sources {
    private(set) var citations: [Citation] = []

    init(taking fields: inout [JSONField]) {
        let results = fields.first { $0.name == "search_results" }
        let addresses = fields.first { $0.name == "citations" }
        for field in [results, addresses] where self.citations.isEmpty {
            guard let field else { continue }
            for element in JSONMembers.elements(field.value.bytes[...]) { self.take(Array(element)) }
        }
        if !self.citations.isEmpty { fields.removeAll { $0.name == "search_results" || $0.name == "citations" } }
    }

    private mutating func take(_ bytes: [UInt8]) {
        let citation = try? JSON.read(bytes) { value -> Citation? in
            if let url = value.string { return Citation(url: url) }
            guard let url = value["url"]?.string else { return nil }
            var citation = Citation(url: url, title: value["title"]?.string)
            citation.quote = value["snippet"]?.nonEmptyString
            citation.native = value.text
            return citation
        }
        if let citation = citation ?? nil { self.citations.append(citation) }
    }
}

extension ChatResponse {
    mutating func takeSources() {
        guard !self.choices.isEmpty else { return }
        let sources = Sources(taking: &self.additional)
        for index in self.choices.indices where self.choices[index].citations.isEmpty {
            self.choices[index].citations = sources.citations
        }
    }
}

extension ChatUsage {
    /// Counts reasoning into the answer's tokens, for servers that show by their total that they do not.
    mutating func includeReasoning() {
        guard let reasoning = self.reasoningTokens, reasoning > 0, let total = self.statedTotal else { return }
        let (answer, hasOverflown) = self.completionTokens.addingReportingOverflow(reasoning)
        guard !hasOverflown, self.promptTokens.addingReportingOverflow(answer) == (total, false) else { return }
        self.completionTokens = answer
        self.statedTotal = nil
    }
}
