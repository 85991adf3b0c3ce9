import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

/// What is wrong with a trace.
struct TraceProblem: Error, Equatable {
    var message: String
}

/// One request of a trace, as its line has it.
struct TraceLine: Equatable {
    /// Milliseconds; only differences matter.
    var arrival: Double
    var tenant = "default"
    var priority = Priority.normal
    var model = "model"
    var promptTokens = 0
    var completionTokens = 0
    /// `nil`: as many as there were.
    var tokenEstimate: Int?
    var deadline: Double?
    /// How long the backend took.
    var service: Double?

    var text: String {
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
    init(_ value: JSONValue) throws(TraceProblem) {
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
    init(listed value: JSONValue) throws(TraceProblem) {
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

/// Reads a trace: JSON lines, each a request, or a whole answer of `GET /api/requests` or one of its elements.
enum TraceReader {
    /// A year, in milliseconds, from the first request to the last.
    private static let longest = 31_536_000_000.0

    static func read(_ bytes: [UInt8]) throws(TraceProblem) -> Workload {
        var lines: [TraceLine] = []
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard line.contains(where: { $0 != 32 && $0 != 9 && $0 != 13 }) else { continue }
            do {
                try JSON.read(Array(line)) { root throws(TraceProblem) in try Self.add(root, to: &lines) }
            } catch let problem as TraceProblem {
                throw TraceProblem(message: "line \(number): \(problem.message)")
            } catch {
                // Perhaps it is one document over many lines.
                guard number == 1, let whole = try? Self.document(bytes) else {
                    throw TraceProblem(message: "line \(number): \(error)")
                }
                return try Self.workload(whole)
            }
        }
        return try Self.workload(lines)
    }

    private static func document(_ bytes: [UInt8]) throws -> [TraceLine] {
        var lines: [TraceLine] = []
        try JSON.read(bytes) { root throws(TraceProblem) in try Self.add(root, to: &lines) }
        return lines
    }

    private static func add(_ root: JSONValue, to lines: inout [TraceLine]) throws(TraceProblem) {
        guard root.kind == .object else { throw TraceProblem(message: "a JSON object is needed") }
        if let listed = root["requests"] {
            var problem: TraceProblem?
            var found: [TraceLine] = []
            listed.forEachElement { element in
                do throws(TraceProblem) {
                    found.append(try TraceLine(listed: element))
                    return true
                } catch {
                    problem = error
                    return false
                }
            }
            if let problem { throw problem }
            lines += found
        } else if root["submitted_at"] != nil {
            lines.append(try TraceLine(listed: root))
        } else {
            lines.append(try TraceLine(root))
        }
    }

    private static func workload(_ lines: [TraceLine]) throws(TraceProblem) -> Workload {
        let times = lines.map(\.arrival)
        guard let first = times.min(), let last = times.max() else {
            throw TraceProblem(message: "there are no requests in it")
        }
        guard last - first <= Self.longest else {
            throw TraceProblem(message: "arrival_ms: the last request comes more than a year after the first")
        }
        var tenants = Names()
        var models = Names()
        // Stable: of equal times, the order of the lines decides.
        let sorted = lines.enumerated().sorted { ($0.element.arrival, $0.offset) < ($1.element.arrival, $1.offset) }
        let arrivals = sorted.map { _, line in
            Arrival(
                at: Self.span(line.arrival - first),
                tenant: tenants.number(line.tenant),
                priority: line.priority,
                promptTokens: line.promptTokens,
                completionTokens: line.completionTokens,
                tokenEstimate: line.tokenEstimate ?? line.promptTokens + line.completionTokens,
                model: models.number(line.model),
                deadline: line.deadline.map { Self.span($0) },
                service: line.service.map { Self.span($0) }
            )
        }
        return Workload(tenants: tenants.all, models: models.all, arrivals: arrivals)
    }

    /// Milliseconds.
    private static func span(_ milliseconds: Double) -> Duration {
        .nanoseconds(Int64(min(9e18, milliseconds * 1e6).rounded()))
    }

    private struct Names {
        private(set) var all: [String] = []
        private var numbers: [String: Int] = [:]

        mutating func number(_ name: String) -> Int {
            if let known = self.numbers[name] { return known }
            self.numbers[name] = self.all.count
            self.all.append(name)
            return self.all.count - 1
        }
    }
}

/// Makes a trace of what a running system remembers.
enum TraceRecorder {
    private static let mostPages = 10_000

    /// - Parameter get: asks the operator API.
    static func record(_ get: (String) throws -> [UInt8]) throws -> [String] {
        var lines: [TraceLine] = []
        var path = "/api/requests?state=ended&limit=1000"
        for _ in 0..<Self.mostPages {
            let (page, next) = try JSON.read(try get(path)) { root throws(TraceProblem) in
                try Self.page(root)
            }
            lines += page
            guard let next else { break }
            path = "/api/requests?state=ended&limit=1000&cursor=\(ClientCommand.escaped(next))"
        }
        let first = lines.map(\.arrival).min() ?? 0
        return lines.enumerated().sorted { ($0.element.arrival, $1.offset) < ($1.element.arrival, $0.offset) }
            .map { _, line in
                var shifted = line
                // Wall clock is told in milliseconds, spans to the nanosecond, of which a microsecond is plenty.
                shifted.arrival = (line.arrival - first).rounded()
                shifted.deadline = line.deadline?.rounded()
                shifted.service = line.service.map { ($0 * 1_000).rounded() / 1_000 }
                return shifted.text
            }
    }

    private static func page(_ root: JSONValue) throws(TraceProblem) -> (lines: [TraceLine], next: String?) {
        var lines: [TraceLine] = []
        var problem: TraceProblem?
        root["requests"]?.forEachElement { element in
            do throws(TraceProblem) {
                lines.append(try TraceLine(listed: element))
                return true
            } catch {
                problem = error
                return false
            }
        }
        if let problem { throw problem }
        return (lines, root["next_cursor"]?.string)
    }
}
