import SluiceBasics
import SluiceCore
import SluiceWire

/// What is wrong with a trace.
package struct TraceProblem: Error, Equatable {
    package var message: String

    package init(message: String) { self.message = message }
}

/// One request of a trace, as its line has it.
package struct TraceLine: Equatable {
    /// Milliseconds; only differences matter.
    package var arrival: Double
    package var tenant = "default"
    package var priority = Priority.normal
    package var model = "model"
    package var promptTokens = 0
    package var completionTokens = 0
    /// `nil`: as many as there were.
    package var tokenEstimate: Int?
    package var deadline: Double?
    /// How long the backend took.
    package var service: Double?

    package var text: String {
        var json = JSONWriter()
        json.object { json in
            json.field("arrival_ms", self.arrival)
            json.field("tenant", self.tenant)
            json.field("priority", self.priority.name)
            json.field("model", self.model)
            json.field("prompt_tokens", self.promptTokens)
            json.field("completion_tokens", self.completionTokens)
            if let tokenEstimate { json.field("token_estimate", tokenEstimate) }
            if let deadline { json.field("deadline_ms", deadline) }
            if let service { json.field("service_ms", service) }
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }
}

extension TraceLine {
    private static let mostTokens = 1_000_000_000
    /// Thirty days, in milliseconds: for what one request takes, or may take.
    private static let longest = 2_592_000_000.0

    /// A line of a trace.
    package init(_ value: JSONValue) throws(TraceProblem) {
        guard let arrival = try Self.number(value["arrival_ms"], "arrival_ms", 0...1e18) else {
            throw TraceProblem(message: "arrival_ms is missing")
        }
        self.init(arrival: arrival)
        self.tenant = try Self.text(value["tenant"], "tenant") ?? self.tenant
        self.model = try Self.text(value["model"], "model") ?? self.model
        if let name = try Self.text(value["priority"], "priority") {
            guard let priority = Priority(name: name) else {
                throw TraceProblem(message: "priority must be urgent, high, normal or low, not '\(name.prefix(40))'")
            }
            self.priority = priority
        }
        self.promptTokens = try Self.tokens(value["prompt_tokens"], "prompt_tokens") ?? 0
        self.completionTokens = try Self.tokens(value["completion_tokens"], "completion_tokens") ?? 0
        self.tokenEstimate = try Self.tokens(value["token_estimate"], "token_estimate")
        self.deadline = try Self.number(value["deadline_ms"], "deadline_ms", 0...Self.longest)
        self.service = try Self.number(value["service_ms"], "service_ms", 0...Self.longest)
    }

    /// An element of what `GET /api/requests` lists.
    package init(listed value: JSONValue) throws(TraceProblem) {
        guard let submitted = try Self.number(value["submitted_at"], "submitted_at", 0...1e12) else {
            throw TraceProblem(message: "submitted_at is missing")
        }
        self.init(arrival: submitted * 1_000)
        self.tenant = try Self.text(value["tenant"], "tenant") ?? self.tenant
        self.model = try Self.text(value["model"], "model") ?? self.model
        self.priority = try Self.text(value["priority"], "priority").flatMap { Priority(name: $0) } ?? .normal
        self.deadline = try Self.number(value["timeout_ms"], "timeout_ms", 0...1e18).map { min($0, Self.longest) }
        let estimate = try Self.tokens(value["token_estimate"], "token_estimate") ?? 0
        self.tokenEstimate = estimate
        if let usage = value["usage"], !usage.isNull {
            self.promptTokens = try Self.tokens(usage["prompt_tokens"], "usage.prompt_tokens") ?? 0
            self.completionTokens = try Self.tokens(usage["completion_tokens"], "usage.completion_tokens") ?? 0
        } else {
            // It never ran, or its backend does not count. Four bytes are about a token.
            let bytes = try Self.tokens(value["payload_bytes"], "payload_bytes") ?? 0
            self.promptTokens = min(estimate, bytes / 4)
            self.completionTokens = estimate - self.promptTokens
        }
        guard value["outcome"]?.string == "done" else { return }
        // The last attempt is the one that was answered.
        value["attempts"]?.forEachElement { attempt in
            if let from = attempt["started_ms"]?.double, let to = attempt["ended_ms"]?.double, to >= from {
                self.service = min(to - from, Self.longest)
            }
            return true
        }
    }

    private static func text(_ value: JSONValue?, _ name: String) throws(TraceProblem) -> String? {
        guard let value, !value.isNull else { return nil }
        guard let text = value.string, !text.isEmpty, text.utf8.count <= 256 else {
            throw TraceProblem(message: "\(name) must be a text of 1 to 256 bytes")
        }
        return text
    }

    private static func number(
        _ value: JSONValue?,
        _ name: String,
        _ range: ClosedRange<Double>
    ) throws(TraceProblem) -> Double? {
        guard let value, !value.isNull else { return nil }
        guard let number = value.double, range.contains(number) else {
            throw TraceProblem(message: "\(name) must be a number from \(Int(range.lowerBound)) to \(range.upperBound)")
        }
        return number
    }

    private static func tokens(_ value: JSONValue?, _ name: String) throws(TraceProblem) -> Int? {
        guard let value, !value.isNull else { return nil }
        guard let number = value.int, (0...Self.mostTokens).contains(number) else {
            throw TraceProblem(message: "\(name) must be a whole number from 0 to \(Self.mostTokens)")
        }
        return number
    }
}
