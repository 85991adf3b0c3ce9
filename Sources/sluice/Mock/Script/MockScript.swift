import SluiceGateway

/// What is answered, before a provider's dialect words it.
struct MockScript: Sendable {
    struct Call: Sendable {
        var id: String
        var name: String
        var arguments: MockJSON

        /// The arguments' JSON in pieces.
        var fragments: [String] { MockScript.pieces(self.arguments.text, of: 7) }
    }

    enum End: Equatable, Sendable {
        case finished
        /// By this stop sequence.
        case stopped(String)
        case length
        case calls
        case refused
        case blocked
    }

    let ask: MockAsk
    let style: MockStyle
    /// Different for every request.
    let number: Int
    let created: Int
    private(set) var reasoning: [String] = []
    private(set) var text: [String] = []
    private(set) var calls: [Call] = []
    private(set) var end = End.finished

    private static let words = ["lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit"]
    private static let thoughts = ["The", " user", " asks", " for", " words", " so", " words", " it", " is"]

    init(_ ask: MockAsk, _ behaviour: MockBehaviour, number: Int, created: Int) {
        self.ask = ask
        self.style = behaviour.style
        self.number = number
        self.created = created
        guard !self.style.blocked else {
            self.end = .blocked
            return
        }
        let thoughtCount = max(self.style.reasoning, ask.wantsReasoning ? 4 : 0)
        self.reasoning = (0..<thoughtCount).map { Self.thoughts[$0 % Self.thoughts.count] }
        self.calls = self.makeCalls()
        if !self.calls.isEmpty {
            self.end = .calls
            self.text = self.style.answer.map { Self.pieces($0, of: 7) } ?? []
            return
        }
        self.write(behaviour)
    }

    private mutating func write(_ behaviour: MockBehaviour) {
        if let answer = self.style.answer {
            self.text = Self.pieces(answer, of: 7)
        } else if self.style.refusal {
            self.text = ["I cannot", " help", " with", " that."]
        } else if self.ask.wantsJSON {
            let schema = self.ask.schema ?? ["type": "object", "properties": ["answer": ["type": "integer"]]]
            self.text = Self.pieces(MockSample(schema, hint: self.ask.lastText).value.text, of: 7)
        } else {
            let count = min(behaviour.tokens, self.ask.maximumTokens ?? behaviour.tokens)
            self.text = (0..<count).map { ($0 == 0 ? "" : " ") + Self.words[$0 % Self.words.count] }
            if count < behaviour.tokens { self.end = .length }
        }
        let whole = self.text.joined()
        let stops = self.ask.stops.compactMap { stop in whole.firstRange(of: stop).map { (stop, $0.lowerBound) } }
        if let (stop, place) = stops.min(by: { $0.1 < $1.1 }) {
            self.text = Self.pieces(String(whole[..<place]), of: 7)
            self.end = .stopped(stop)
        }
        if self.style.refusal { self.end = .refused }
    }

    private func makeCalls() -> [Call] {
        let wanted: Int
        switch self.ask.demand {
        case .none: wanted = 0
        case .any, .named: wanted = max(1, self.style.calls)
        case .auto where self.ask.endsWithToolResult: wanted = 0
        case .auto:
            let isMentioned = self.ask.tools.contains { self.ask.lastText.contains($0.name) }
            wanted = max(self.style.calls, isMentioned ? 1 : 0)
        }
        var tools = self.ask.tools
        if case .named(let name) = self.ask.demand { tools = tools.filter { $0.name == name } }
        if let mentioned = tools.firstIndex(where: { self.ask.lastText.contains($0.name) }) {
            tools.swapAt(0, mentioned)
        }
        guard !tools.isEmpty else { return [] }
        return (0..<(self.ask.allowsParallelCalls ? wanted : min(wanted, 1))).map { index in
            let tool = tools[index % tools.count]
            return Call(
                id: "call_\(self.number)_\(index)",
                name: tool.name,
                arguments: MockSample(tool.parameters, hint: self.ask.lastText).value
            )
        }
    }

    static func pieces(_ text: String, of size: Int) -> [String] {
        var pieces: [String] = []
        var rest = text[...]
        while !rest.isEmpty {
            pieces.append(String(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return pieces
    }

    // MARK: Usage

    /// Tokens of the prompt that neither came from the cache nor went into it.
    var freshTokens: Int { self.ask.promptTokens }
    var cachedTokens: Int { self.style.cachedTokens }
    var cacheWriteTokens: Int {
        self.ask.marksCache ? max(self.style.cacheWriteTokens, 1) : self.style.cacheWriteTokens
    }
    var promptTokens: Int { self.freshTokens + self.cachedTokens + self.cacheWriteTokens }
    var reasoningTokens: Int { self.reasoning.count }
    /// Without those of the reasoning.
    var textTokens: Int { self.text.count + self.calls.count * 8 }

    var hasCitations: Bool { (self.ask.wantsCitations || self.style.citations) && !self.text.isEmpty }
    /// The part of the text that a citation is for: its first piece.
    var citedText: String { self.text.first ?? "" }
}

/// Signatures of what a client has to hand back unchanged.
enum MockSignature {
    static func of(_ text: String) -> String {
        Base64.text(Digest.sha256(Array("sluice mock \(text)".utf8)))
    }
}
