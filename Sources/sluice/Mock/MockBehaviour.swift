import SluiceWire

/// How a simulated backend behaves. Rates are shares of requests, 0...1.
struct MockBehaviour: Equatable, Sendable {
    var latency = Distribution.fixed(0)
    var firstToken = Distribution.fixed(0)
    /// 0: all at once.
    var tokensPerSecond = 0.0
    /// Tokens of an answer.
    var tokens = 16
    /// Status → rate.
    var errors: [Int: Double] = [:]
    /// Beyond these 429 with `Retry-After`; 0: no limit.
    var requestsPerMinute = 0
    var tokensPerMinute = 0
    var retryAfterSeconds = 1
    /// How the limits are counted, and whether answers tell of them.
    var limitMode = LimitMode.window
    var limitHeaders = LimitHeaders.none
    /// Requests at once that run at full speed; more of them share it. 0: any number.
    var knee = 0
    var faults: [Fault: Double] = [:]
    /// With an override: the first so many executions of the same request misbehave, later ones do not.
    var times: Int?
    var style = MockStyle()

    enum Fault: String, CaseIterable, Sendable {
        case hang
        case hangMidStream = "hang_mid_stream"
        case errorInStream = "error_in_stream"
        case errorMidStream = "error_mid_stream"
        case disconnect
        case disconnectMidBody = "disconnect_mid_body"
        case garbage
        case wrongType = "wrong_type"
        case halfBody = "half_body"
        /// A stream ends in its middle, as if that were its end.
        case truncated
        /// A stream lacks what its provider ends it with.
        case noEnd = "no_end"
    }

    enum LimitMode: String, CaseIterable, Sendable {
        /// So many within any 60 s.
        case window
        /// What is used comes back evenly, as with the large providers.
        case bucket
    }

    enum LimitHeaders: String, CaseIterable, Sendable {
        case none
        case openai
        case anthropic
    }

    struct Problem: Error, Equatable {
        var message: String
    }

    private static let names =
        [
            "latency", "first_token", "tokens_per_second", "tokens", "errors", "requests_per_minute",
            "tokens_per_minute",
            "retry_after", "limit_mode", "limit_headers", "knee", "status", "times",
        ] + Fault.allCases.map(\.rawValue) + MockStyle.names

    /// Takes over what an object says; unknown fields are refused.
    mutating func apply(_ root: JSONValue) throws(Problem) {
        guard root.kind == .object else { throw Problem(message: "the behaviour must be an object") }
        var unknown: String?
        root.forEachMember { name, _ in
            if !Self.names.contains(name) { unknown = name }
            return unknown == nil
        }
        if let unknown {
            throw Problem(message: "'\(unknown)' is not known; known: \(Self.names.joined(separator: ", "))")
        }
        self.latency = try Self.distribution(root, "latency") ?? self.latency
        self.firstToken = try Self.distribution(root, "first_token") ?? self.firstToken
        self.tokensPerSecond = try Self.number(root, "tokens_per_second", 0...1e6) ?? self.tokensPerSecond
        self.tokens = try Self.whole(root, "tokens", 0...1_000_000) ?? self.tokens
        self.requestsPerMinute =
            try Self.whole(root, "requests_per_minute", 0...1_000_000_000) ?? self.requestsPerMinute
        self.tokensPerMinute = try Self.whole(root, "tokens_per_minute", 0...1_000_000_000) ?? self.tokensPerMinute
        self.retryAfterSeconds = try Self.whole(root, "retry_after", 0...86_400) ?? self.retryAfterSeconds
        self.limitMode = try Self.choice(root, "limit_mode") ?? self.limitMode
        self.limitHeaders = try Self.choice(root, "limit_headers") ?? self.limitHeaders
        self.knee = try Self.whole(root, "knee", 0...1_000_000) ?? self.knee
        self.times = try Self.whole(root, "times", 1...1_000_000) ?? self.times
        if let status = try Self.whole(root, "status", 300...599) { self.errors = [status: 1] }
        try self.applyErrors(root)
        try self.style.apply(root)
        for fault in Fault.allCases {
            guard let value = root[named: fault.rawValue] else { continue }
            self.faults[fault] = try Self.rate(value, fault.rawValue)
        }
    }

    private mutating func applyErrors(_ root: JSONValue) throws(Problem) {
        guard let errors = root["errors"] else { return }
        var read: [Int: Double] = [:]
        var problem: Problem?
        errors.forEachMember { name, value in
            guard let status = Int(name), (300...599).contains(status), let rate = value.double, (0...1).contains(rate)
            else {
                problem = Problem(message: "'errors' must map statuses 300...599 to rates 0...1")
                return false
            }
            read[status] = rate
            return true
        }
        if let problem { throw problem }
        self.errors = read
    }

    private static func rate(_ value: JSONValue, _ name: String) throws(Problem) -> Double {
        if let flag = value.bool { return flag ? 1 : 0 }
        guard let rate = value.double, (0...1).contains(rate) else {
            throw Problem(message: "'\(name)' must be a rate from 0 to 1, or true")
        }
        return rate
    }

    private static func distribution(_ root: JSONValue, _ name: StaticString) throws(Problem) -> Distribution? {
        guard let value = root[name] else { return nil }
        guard let distribution = Distribution(value) else {
            throw Problem(
                message:
                    "'\(name)' must be milliseconds, or uniform(a,b), normal(mean,deviation), lognormal(median,sigma)"
            )
        }
        return distribution
    }

    private static func number(
        _ root: JSONValue,
        _ name: StaticString,
        _ range: ClosedRange<Double>
    ) throws(Problem) -> Double? {
        guard let value = root[name] else { return nil }
        guard let number = value.double, range.contains(number) else {
            throw Problem(message: "'\(name)' must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func whole(
        _ root: JSONValue,
        _ name: StaticString,
        _ range: ClosedRange<Int>
    ) throws(Problem) -> Int? {
        guard let value = root[name] else { return nil }
        guard let number = value.int, range.contains(number) else {
            throw Problem(message: "'\(name)' must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func choice<Choice: RawRepresentable & CaseIterable>(
        _ root: JSONValue,
        _ name: StaticString
    ) throws(Problem) -> Choice? where Choice.RawValue == String {
        guard let value = root[name] else { return nil }
        guard let choice = value.string.flatMap({ Choice(rawValue: $0) }) else {
            let known = Choice.allCases.map { $0.rawValue }.joined(separator: ", ")
            throw Problem(message: "'\(name)' must be one of \(known)")
        }
        return choice
    }

    func write(to json: inout JSONWriter) {
        json.field("latency", self.latency.text)
        json.field("first_token", self.firstToken.text)
        json.field("tokens_per_second", self.tokensPerSecond)
        json.field("tokens", self.tokens)
        json.field("requests_per_minute", self.requestsPerMinute)
        json.field("tokens_per_minute", self.tokensPerMinute)
        json.field("retry_after", self.retryAfterSeconds)
        json.field("limit_mode", self.limitMode.rawValue)
        json.field("limit_headers", self.limitHeaders.rawValue)
        json.field("knee", self.knee)
        self.style.write(to: &json)
        json.object("errors") { json in
            for (status, rate) in self.errors.sorted(by: { $0.key < $1.key }) { json.field(String(status), rate) }
        }
        for fault in Fault.allCases { json.field(fault.rawValue, self.faults[fault] ?? 0) }
    }
}
