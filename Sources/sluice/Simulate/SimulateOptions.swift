import SluiceBasics
import SluiceCore
import SluiceSimulator

/// What `sluice simulate` is asked for, read and judged.
struct SimulateOptions {
    enum Source: Equatable {
        case named(WorkloadShape.Name)
        case file(String)
    }

    var source = Source.named(.mixed)
    var policies: [SimulatedPolicy] = []
    var requests = 20_000
    var duration: Duration?
    /// Share of the capacity that is asked for; `nil`: as the workload has it.
    var load: Double?
    /// Arrivals per second, instead of a load.
    var rate: Double?
    var slots = 64
    var limit: RateLimit?
    var tenants: [WorkloadShape.Tenant]?
    var only: String?
    var loop: ClosedLoop?
    var deadline: Duration?
    var hasDeadline = false
    var estimateError: Double?
    var backend = BackendModel()
    var ignoresRecordedService = false
    var seed: UInt64 = 1

    private static let numbers = 0...1_000_000_000

    init(_ invocation: Invocation) throws(UsageError) {
        let reader = OptionReader(invocation)
        if let text = invocation.value("workload") { self.source = Self.source(text) }
        self.requests = try reader.integer("requests", 1...10_000_000) ?? self.requests
        self.duration = try reader.span("duration")
        self.load = try reader.number("load", 0.001...1_000)
        self.rate = try reader.number("rate", 0.001...1_000_000)
        if self.load != nil, self.rate != nil { throw reader.wrong("Give --load or --rate, not both.") }
        self.slots = try reader.integer("slots", 1...1_000_000) ?? self.slots
        self.seed = UInt64(try reader.integer("seed", 0...Int.max) ?? 1)
        self.tenants = try Self.tenants(reader)
        self.only = invocation.value("only")
        self.estimateError = try reader.number("estimate-error", 0...5)
        if let text = invocation.value("deadline") {
            self.hasDeadline = true
            self.deadline = text == "off" ? nil : try reader.span("deadline")
        }
        self.limit = try Self.limit(reader)
        self.loop = try Self.loop(reader)
        try self.readBackend(reader)
        self.policies = try Self.policies(reader)
    }

    private static func source(_ text: String) -> Source {
        WorkloadShape.Name(rawValue: text).map { .named($0) } ?? .file(text)
    }

    private mutating func readBackend(_ reader: OptionReader) throws(UsageError) {
        if let perSecond = try reader.number("prompt-speed", 0.001...1e9) {
            self.backend.perPromptToken = .nanoseconds(Int64((1e9 / perSecond).rounded()))
        }
        if let perSecond = try reader.number("token-speed", 0.001...1e9) {
            self.backend.perCompletionToken = .nanoseconds(Int64((1e9 / perSecond).rounded()))
        }
        if let overhead = try reader.span("overhead") { self.backend.overhead = overhead }
        self.backend.slowDown = try reader.number("slow-down", 0...1_000) ?? 0
        self.ignoresRecordedService = reader.invocation.has("modelled")
    }

    private static func limit(_ reader: OptionReader) throws(UsageError) -> RateLimit? {
        let positive = 1...Self.numbers.upperBound
        let limit = RateLimit(
            requestsPerMinute: try reader.integer("requests-per-minute", positive),
            tokensPerMinute: try reader.integer("tokens-per-minute", positive),
            burstRequests: try reader.integer("burst-requests", positive),
            burstTokens: try reader.integer("burst", positive),
            mode: reader.invocation.has("strict") ? .strict : .smooth
        )
        let isLimited = limit.requestsPerMinute != nil || limit.tokensPerMinute != nil
        for (option, needed) in [("burst", limit.tokensPerMinute), ("burst-requests", limit.requestsPerMinute)]
        where reader.invocation.has(option) {
            if needed == nil { throw reader.wrong("--\(option) needs the limit whose burst it is.") }
            if limit.mode == .strict {
                throw reader.wrong("--\(option) means nothing with --strict: there is no burst.")
            }
        }
        if reader.invocation.has("strict"), !isLimited {
            throw reader.wrong("--strict needs --requests-per-minute or --tokens-per-minute.")
        }
        return isLimited ? limit : nil
    }

    private static func loop(_ reader: OptionReader) throws(UsageError) -> ClosedLoop? {
        let users = try reader.integer("users", 1...1_000_000)
        let think = try reader.span("think")
        guard users != nil || think != nil else { return nil }
        return ClosedLoop(users: users ?? 64, think: think ?? .seconds(5))
    }

    private static func tenants(_ reader: OptionReader) throws(UsageError) -> [WorkloadShape.Tenant]? {
        guard let text = reader.invocation.value("tenants") else { return nil }
        if !text.contains("=") {
            let count = try reader.integer("tenants", 1...10_000) ?? 1
            return (1...count).map { WorkloadShape.Tenant("tenant-\($0)") }
        }
        return try reader.pairs("tenants", 0.001...1e6).map { WorkloadShape.Tenant($0.name, share: $0.value) }
    }

    // MARK: Policies

    private static func policies(_ reader: OptionReader) throws(UsageError) -> [SimulatedPolicy] {
        let text = reader.invocation.value("policy") ?? "fifo,priority,default"
        var names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if names == ["all"] { names = SimulatedPolicy.Name.allCases.map(\.rawValue) }
        var policies: [SimulatedPolicy] = []
        for name in names {
            guard let known = SimulatedPolicy.Name(rawValue: name) else {
                let all = SimulatedPolicy.Name.allCases.map(\.rawValue)
                throw reader.wrong("--policy: '\(name)' is not known; known: \(all.joined(separator: ", ")), all.")
            }
            if !policies.contains(where: { $0.name == name }) { policies.append(SimulatedPolicy(known)) }
        }
        if let weights = try Self.weights(reader) {
            var custom = SimulatedPolicy(.standard)
            custom.name = "custom"
            custom.scheduling.policy.order = .scored(weights)
            policies.append(custom)
        }
        for number in policies.indices { try Self.adjust(&policies[number].scheduling, reader) }
        return policies
    }

    private static func adjust(
        _ scheduling: inout SchedulingConfiguration,
        _ reader: OptionReader
    ) throws(UsageError) {
        for (name, weight) in try reader.pairs("tenant-weights", 0.001...1e6) {
            scheduling.tenants.weights[name] = weight
        }
        scheduling.tenants.maximumInFlight = try reader.integer("tenant-in-flight", 1...1_000_000)
        if let wait = try reader.span("maximum-wait") { scheduling.policy.maximumWait = wait }
        if let count = try reader.integer("candidates", 1...100_000) { scheduling.policy.candidates = count }
        if let target = try reader.span("shed-target") { scheduling.shedding.target = target }
        if reader.invocation.has("one-crowd") { scheduling.tenants.isFair = false }
    }

    /// Of the default policy, where not said.
    private static func weights(_ reader: OptionReader) throws(UsageError) -> ScoringWeights? {
        guard reader.invocation.has("weights") else { return nil }
        var weights = ScoringWeights.balanced
        let fields: [(name: String, field: WritableKeyPath<ScoringWeights, Double>)] = [
            ("priority", \.priority), ("efficiency", \.efficiency), ("wait-time", \.waitTime), ("retry", \.retry),
            ("token-fit", \.tokenFit), ("processing-time", \.processingTime),
        ]
        for (name, value) in try reader.pairs("weights", 0...1e6) {
            guard let field = fields.first(where: { $0.name == name })?.field else {
                let known = fields.map(\.name).joined(separator: ", ")
                throw reader.wrong("--weights: '\(name)' is not known; known: \(known).")
            }
            weights[keyPath: field] = value
        }
        return weights
    }
}

/// Reads values of options, and names the option in every complaint.
struct OptionReader {
    let invocation: Invocation

    init(_ invocation: Invocation) {
        self.invocation = invocation
    }

    func wrong(_ message: String) -> UsageError { UsageError(message, command: self.invocation.command) }

    func integer(_ name: String, _ range: ClosedRange<Int>) throws(UsageError) -> Int? {
        guard let text = self.invocation.value(name) else { return nil }
        guard let value = Int(text.filter { $0 != "_" }), range.contains(value) else {
            throw self.wrong(
                "--\(name) needs a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text)'."
            )
        }
        return value
    }

    func number(_ name: String, _ range: ClosedRange<Double>) throws(UsageError) -> Double? {
        guard let text = self.invocation.value(name) else { return nil }
        guard let value = Double(text), range.contains(value) else {
            throw self.wrong("--\(name) needs a number from \(Self.text(range)), not '\(text)'.")
        }
        return value
    }

    /// More than nothing.
    func span(_ name: String) throws(UsageError) -> Duration? {
        guard let text = self.invocation.value(name) else { return nil }
        guard let value = DurationText.parse(text), value > .zero || (text == "0" && name == "think") else {
            throw self.wrong("--\(name) needs a span of time such as 250ms, 30s or 2h, not '\(text)'.")
        }
        return value
    }

    /// `a=1,b=2`; each name once.
    func pairs(
        _ name: String,
        _ range: ClosedRange<Double>
    ) throws(UsageError) -> [(name: String, value: Double)] {
        guard let text = self.invocation.value(name) else { return [] }
        var pairs: [(name: String, value: Double)] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2, !sides[0].isEmpty, let value = Double(sides[1]), range.contains(value) else {
                throw self.wrong(
                    "--\(name) needs name=number,… with numbers from \(Self.text(range)), not '\(part)'."
                )
            }
            guard !pairs.contains(where: { $0.name == sides[0] }) else {
                throw self.wrong("--\(name) names '\(sides[0])' twice.")
            }
            pairs.append((sides[0], value))
        }
        return pairs
    }

    private static func text(_ range: ClosedRange<Double>) -> String {
        func plain(_ value: Double) -> String {
            value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
        }
        return "\(plain(range.lowerBound)) to \(plain(range.upperBound))"
    }
}
