/// What a request asks for, whatever provider it is written for.
struct MockAsk: Sendable {
    struct Tool: Sendable {
        var name: String
        var parameters: MockJSON
    }

    enum Demand: Equatable, Sendable {
        case auto
        case none
        case any
        case named(String)
    }

    var model = "mock"
    var isStream = false
    var includesUsage = true
    var tools: [Tool] = []
    var demand = Demand.auto
    var allowsParallelCalls = true
    var wantsJSON = false
    var schema: MockJSON?
    var wantsReasoning = false
    var wantsCitations = false
    /// Whether parts of the prompt are marked for the provider's cache.
    var marksCache = false
    var maximumTokens: Int?
    var stops: [String] = []
    var choices = 1
    /// The last text of the user.
    var lastText = ""
    var endsWithToolResult = false
    var promptBytes = 0
    /// Replies that only some answers have, e.g. log probabilities.
    var wantsLogProbabilities = false

    var promptTokens: Int { max(1, self.promptBytes / 4) }

    /// Adds a text of the prompt.
    mutating func read(_ text: String, isUser: Bool) {
        self.promptBytes += text.utf8.count
        if isUser { self.lastText = text }
    }
}
