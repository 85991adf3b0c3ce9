import SluiceCore
import SluiceWire

/// The few fields of a request that dispatch needs. Everything else passes through unread.
package struct OpenAIRequestHead: Sendable, Equatable {
    package var model: String
    package var isStream: Bool
    package var messageCount: Int
    /// What the client allows the answer to hold.
    package var maximumTokens: Int?
    /// What it is expected to cost, prompt and completion, as long as nobody has counted.
    package var estimate = TokenEstimate(prompt: 0, completion: 0, isCompletionLimited: false)
    /// `metadata.pool_id`, if it is a string that says something.
    package var poolHint: String?

    /// Tokens of the prompt and of the expected completion.
    package var tokenEstimate: Int { self.estimate.total }
    package var promptEstimate: Int { self.estimate.prompt }
    package var completionEstimate: Int { self.estimate.completion }

    private static let maximumModelBytes = 256

    package static func read(
        _ body: [UInt8],
        operation: OpenAIOperation
    ) throws(InvalidRequest) -> OpenAIRequestHead {
        do {
            return try JSON.read(body) { root throws(InvalidRequest) in try Self.read(root, operation) }
        } catch let error as InvalidRequest {
            throw error
        } catch let error as JSONError {
            throw InvalidRequest(error.message, code: "invalid_json")
        } catch {
            throw InvalidRequest("The body could not be read.", code: "invalid_json")
        }
    }

    private static func read(
        _ root: JSONValue,
        _ operation: OpenAIOperation
    ) throws(InvalidRequest) -> OpenAIRequestHead {
        guard root.kind == .object else {
            throw InvalidRequest("The body must be a JSON object.", code: "invalid_type")
        }
        try Self.refuseTwice(root, ["model", "stream", "n"] + Self.limits + Self.priced(operation))
        var head = OpenAIRequestHead(
            model: try Self.model(root),
            isStream: try Self.flag(root, "stream"),
            messageCount: 0,
            maximumTokens: nil
        )
        var prompt = PromptCensus(model: head.model)
        switch operation {
        case .chatCompletions, .messages: try head.readMessages(root, &prompt)
        case .completions: try head.readText(root, "prompt", or: "prompt_embeds", &prompt)
        case .embeddings: try head.readText(root, "input", or: "messages", &prompt)
        case .responses: try head.readInput(root, &prompt)
        case .models: break
        }
        try head.readMaximumTokens(root)
        head.poolHint = Self.poolHint(root)
        switch operation {
        case .embeddings, .models:
            head.estimate = TokenEstimate(prompt: prompt.tokens, completion: 0, isCompletionLimited: true)
        case .chatCompletions, .completions, .responses, .messages:
            // Every choice has an answer of its own.
            let choices = root["n"].flatMap { Self.whole($0) } ?? 1
            head.estimate = TokenEstimate(prompt: prompt.tokens, limit: head.maximumTokens, choices: choices)
        }
        return head
    }

    private static let limits: [StaticString] = ["max_completion_tokens", "max_output_tokens", "max_tokens"]

    /// The fields whose content the estimate counts.
    private static func priced(_ operation: OpenAIOperation) -> [StaticString] {
        switch operation {
        case .chatCompletions: ["messages", "tools", "functions", "response_format", "text", "instructions"]
        case .messages: ["messages", "tools", "system", "output_config"]
        case .completions: ["prompt"]
        case .embeddings: ["input"]
        case .responses: ["input", "tools", "functions", "response_format", "text", "instructions"]
        case .models: []
        }
    }

    private static func poolHint(_ root: JSONValue) -> String? {
        guard let value = root["metadata"]?["pool_id"], (value.stringByteCount ?? 0) <= 128 else { return nil }
        guard let text = value.string, text.contains(where: { !$0.isWhitespace }) else { return nil }
        return text
    }

    /// We read the first of several members of one name, most backends the last: what is asked of them would not be
    /// what was checked and counted here.
    private static func refuseTwice(_ root: JSONValue, _ names: [StaticString]) throws(InvalidRequest) {
        for name in names where root.occurrences(of: name) > 1 {
            throw InvalidRequest(
                "The field '\(name)' stands more than once.",
                param: "\(name)",
                code: "duplicate_field"
            )
        }
    }

    private static func model(_ root: JSONValue) throws(InvalidRequest) -> String {
        guard let value = root["model"], !value.isNull else {
            throw InvalidRequest("The field 'model' is missing.", param: "model", code: "missing_required_parameter")
        }
        guard let model = value.string else {
            throw InvalidRequest("The field 'model' must be a string.", param: "model", code: "invalid_type")
        }
        guard !model.isEmpty, model.utf8.count <= Self.maximumModelBytes else {
            throw InvalidRequest(
                "The field 'model' must have 1 to \(Self.maximumModelBytes) bytes.",
                param: "model",
                code: "invalid_value"
            )
        }
        return model
    }

    private static func flag(_ root: JSONValue, _ name: StaticString) throws(InvalidRequest) -> Bool {
        guard let value = root[name], !value.isNull else { return false }
        guard let flag = value.bool else {
            throw InvalidRequest("The field '\(name)' must be true or false.", param: "\(name)", code: "invalid_type")
        }
        return flag
    }

    private mutating func readMaximumTokens(_ root: JSONValue) throws(InvalidRequest) {
        for name in Self.limits {
            guard let value = root[name], !value.isNull else { continue }
            guard let count = Self.whole(value), count > 0 else {
                throw InvalidRequest(
                    "The field '\(name)' must be a whole number above 0.",
                    param: "\(name)",
                    code: "invalid_value"
                )
            }
            self.maximumTokens = min(count, 10_000_000)
            return
        }
    }

    /// 10 and 10.0 alike: clients in languages without integers send the second.
    private static func whole(_ value: JSONValue) -> Int? {
        if let int = value.int { return int }
        guard let double = value.double else { return nil }
        return Int(exactly: double)
    }

    private mutating func readMessages(
        _ root: JSONValue,
        _ prompt: inout PromptCensus
    ) throws(InvalidRequest) {
        guard let messages = root["messages"], !messages.isNull else {
            throw InvalidRequest(
                "The field 'messages' is missing.",
                param: "messages",
                code: "missing_required_parameter"
            )
        }
        guard messages.kind == .array else {
            throw InvalidRequest("The field 'messages' must be a list.", param: "messages", code: "invalid_type")
        }
        self.messageCount = messages.count
        guard self.messageCount > 0 else {
            throw InvalidRequest("The field 'messages' must not be empty.", param: "messages", code: "empty_array")
        }
        var wrong: Int?
        var index = 0
        messages.forEachElement { message in
            if message.kind != .object { wrong = wrong ?? index }
            prompt.addMessage(message)
            index += 1
            return wrong == nil
        }
        if let wrong {
            throw InvalidRequest(
                "The field 'messages[\(wrong)]' must be an object.",
                param: "messages[\(wrong)]",
                code: "invalid_type"
            )
        }
        prompt.addFrame(root)
    }

    /// - Parameter substitute: what some backends take in its place.
    private mutating func readText(
        _ root: JSONValue,
        _ name: StaticString,
        or substitute: StaticString,
        _ prompt: inout PromptCensus
    ) throws(InvalidRequest) {
        guard let value = root[name], !value.isNull else {
            if let other = root[substitute], !other.isNull {
                self.messageCount = 1
                return
            }
            throw InvalidRequest(
                "The field '\(name)' is missing.",
                param: "\(name)",
                code: "missing_required_parameter"
            )
        }
        switch value.kind {
        case .string, .array: prompt.addInput(value)
        default:
            throw InvalidRequest(
                "The field '\(name)' must be a string or a list.",
                param: "\(name)",
                code: "invalid_type"
            )
        }
        self.messageCount = 1
    }

    private mutating func readInput(
        _ root: JSONValue,
        _ prompt: inout PromptCensus
    ) throws(InvalidRequest) {
        prompt.addFrame(root)
        // A stored prompt or an earlier response may stand in its place.
        guard let input = root["input"], !input.isNull else { return }
        guard input.kind == .string || input.kind == .array else {
            throw InvalidRequest("The field 'input' must be a string or a list.", param: "input", code: "invalid_type")
        }
        if input.kind == .string {
            self.messageCount = 1
            prompt.addText(input)
            return
        }
        self.messageCount = input.count
        input.forEachElement { item in
            prompt.addMessage(item)
            return true
        }
    }
}
