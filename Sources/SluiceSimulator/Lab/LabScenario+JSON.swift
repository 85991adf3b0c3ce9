import SluiceBasics
import SluiceCore
import SluiceWire

/// What a scenario may not be.
package struct LabFault: Error, Equatable {
    package var message: String
    /// The field, with those that contain it: `arrivals.rate`.
    package var field: String

    package init(_ field: String, _ message: String) {
        self.field = field
        self.message = "\(field) \(message)"
    }
}

// Scenarios as documents. What a document does not name stays as it is: a whole scenario and a change of one slider
// are read alike.
extension LabScenario {
    package static let mostTenants = 32
    private static let mostTokens = 1_000_000

    /// Takes over what the document names.
    package mutating func apply(_ root: JSONValue) throws(LabFault) {
        guard root.kind == .object else { throw LabFault("scenario", "must be an object") }
        try self.applyPolicy(root)
        try self.applyLimits(root)
        if let tenants = root["tenants"] { try self.applyTenants(tenants) }
        if let arrivals = root["arrivals"] { try self.applyArrivals(arrivals) }
        if let lengths = root["lengths"] { try self.applyLengths(lengths) }
        if let priorities = root["priorities"] { try self.applyPriorities(priorities) }
        if let backend = root["backend"] { try self.applyBackend(backend) }
        try Self.number(root["failure_rate"], "failure_rate", 0...1) { self.failureRate = $0 }
        try Self.optional(root["deadline_s"], "deadline_s", 0.1...86_400) { self.deadline = $0 }
        try Self.number(root["estimate_error"], "estimate_error", 0...3) { self.estimateError = $0 }
        try Self.integer(root["seed"], "seed", 0...Int(Int32.max)) { self.seed = UInt64($0) }
        if let fault = self.limit.faults.first { throw LabFault(fault.name, fault.message) }
    }

    private mutating func applyPolicy(_ root: JSONValue) throws(LabFault) {
        if let policy = root["policy"] {
            let known = SchedulingPreset.allCases.map(\.rawValue) + [Self.customPolicy]
            guard let name = policy.string, known.contains(name) else {
                throw LabFault("policy", "must be one of \(known.joined(separator: ", "))")
            }
            self.policy = name
        }
        if let weights = root["weights"] {
            for name in ScoringWeights.names {
                try Self.number(weights[named: name], "weights.\(name)", 0...1_000) { self.weights[named: name] = $0 }
            }
        }
        try Self.number(root["minimum_score"], "minimum_score", 0...1_000) { self.minimumScore = $0 }
        try Self.integer(root["candidates"], "candidates", 1...1_000) { self.candidates = $0 }
        try Self.number(root["max_wait_s"], "max_wait_s", 0.1...86_400) { self.maximumWait = $0 }
    }

    private mutating func applyLimits(_ root: JSONValue) throws(LabFault) {
        let range = 1...1_000_000_000
        let limits: [(String, WritableKeyPath<RateLimit, Int?>)] = [
            ("requests_per_minute", \.requestsPerMinute), ("tokens_per_minute", \.tokensPerMinute),
            ("burst_requests", \.burstRequests), ("burst_tokens", \.burstTokens),
        ]
        for (name, path) in limits {
            guard let value = root[named: name] else { continue }
            if value.isNull {
                self.limit[keyPath: path] = nil
            } else {
                try Self.integer(value, name, range) { self.limit[keyPath: path] = $0 }
            }
        }
        if let value = root["limit_mode"] {
            guard let mode = value.string.flatMap({ RateLimit.Mode(rawValue: $0) }) else {
                throw LabFault("limit_mode", "must be smooth or strict")
            }
            self.limit.mode = mode
        }
        try Self.integer(root["slots"], "slots", 1...1_000) { self.slots = $0 }
        if let value = root["tenant_in_flight"], value.isNull {
            self.tenantInFlight = nil
        } else {
            try Self.integer(root["tenant_in_flight"], "tenant_in_flight", 1...1_000) { self.tenantInFlight = $0 }
        }
        if let value = root["fair"] {
            guard let isFair = value.bool else { throw LabFault("fair", "must be true or false") }
            self.isFair = isFair
        }
    }

    private mutating func applyTenants(_ value: JSONValue) throws(LabFault) {
        guard value.kind == .array, (1...Self.mostTenants).contains(value.count) else {
            throw LabFault("tenants", "must be a list of 1 to \(Self.mostTenants)")
        }
        var tenants: [Tenant] = []
        var fault: LabFault?
        value.forEachElement { element in
            do throws(LabFault) {
                let tenant = try Self.tenant(element, tenants)
                tenants.append(tenant)
                return true
            } catch {
                fault = error
                return false
            }
        }
        if let fault { throw fault }
        self.tenants = tenants
    }

    private static func tenant(_ value: JSONValue, _ others: [Tenant]) throws(LabFault) -> Tenant {
        guard let name = value["name"]?.string, !name.isEmpty, name.utf8.count <= 64 else {
            throw LabFault("tenants.name", "must be a text of 1 to 64 bytes")
        }
        guard !others.contains(where: { $0.name == name }) else {
            throw LabFault("tenants.name", "must differ from tenant to tenant; '\(name)' is there twice")
        }
        var tenant = Tenant(name)
        try Self.number(value["weight"], "tenants.weight", 0.001...1_000) { tenant.weight = $0 }
        try Self.number(value["share"], "tenants.share", 0...1_000) { tenant.share = $0 }
        return tenant
    }

    private mutating func applyArrivals(_ value: JSONValue) throws(LabFault) {
        if let name = value["pattern"] {
            guard let pattern = name.string.flatMap({ Pattern(rawValue: $0) }) else {
                let known = Pattern.allCases.map(\.rawValue).joined(separator: ", ")
                throw LabFault("arrivals.pattern", "must be one of \(known)")
            }
            self.pattern = pattern
        }
        try Self.number(value["rate"], "arrivals.rate", 0...1_000) { self.rate = $0 }
        if let trace = value["trace"] {
            guard trace.isNull || (1...64).contains(trace.string?.utf8.count ?? 0) else {
                throw LabFault("arrivals.trace", "must be the name of a trace, or null")
            }
            self.trace = trace.string
        }
        try Self.number(value["pace"], "arrivals.pace", 0.01...1_000) { self.pace = $0 }
        if let value = value["repeat"] {
            guard let repeats = value.bool else { throw LabFault("arrivals.repeat", "must be true or false") }
            self.repeatsTrace = repeats
        }
    }

    private mutating func applyLengths(_ value: JSONValue) throws(LabFault) {
        let range = 1...Self.mostTokens
        try Self.integer(value["prompt"], "lengths.prompt", range) { self.lengths.prompt = $0 }
        try Self.integer(value["completion"], "lengths.completion", range) { self.lengths.completion = $0 }
        try Self.number(value["spread"], "lengths.spread", 0...3) { self.lengths.spread = $0 }
        try Self.number(value["long_share"], "lengths.long_share", 0...1) { self.lengths.longShare = $0 }
        try Self.integer(value["long_prompt"], "lengths.long_prompt", range) { self.lengths.longPrompt = $0 }
        try Self.integer(value["long_completion"], "lengths.long_completion", range) {
            self.lengths.longCompletion = $0
        }
    }

    private mutating func applyPriorities(_ value: JSONValue) throws(LabFault) {
        var shares = self.priorities
        for priority in Priority.allCases {
            let name = priority.name
            try Self.number(value[named: name], "priorities.\(name)", 0...1_000) { shares[Int(priority.rawValue)] = $0 }
        }
        guard shares.contains(where: { $0 > 0 }) else {
            throw LabFault("priorities", "must not all be 0")
        }
        self.priorities = shares
    }

    private mutating func applyBackend(_ value: JSONValue) throws(LabFault) {
        try Self.number(value["overhead_ms"], "backend.overhead_ms", 0...600_000) {
            self.backend.overhead = Self.span($0 / 1_000)
        }
        try Self.number(value["prompt_speed"], "backend.prompt_speed", 1...1e9) {
            self.backend.perPromptToken = Self.span(1 / $0)
        }
        try Self.number(value["token_speed"], "backend.token_speed", 0.1...1e9) {
            self.backend.perCompletionToken = Self.span(1 / $0)
        }
        try Self.number(value["slow_down"], "backend.slow_down", 0...100) { self.backend.slowDown = $0 }
    }

    // MARK: Values

    private static func number(
        _ value: JSONValue?,
        _ name: String,
        _ range: ClosedRange<Double>,
        _ take: (Double) -> Void
    ) throws(LabFault) {
        guard let value else { return }
        guard let number = value.double, range.contains(number) else {
            throw LabFault(
                name,
                "must be a number from \(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))"
            )
        }
        take(number)
    }

    private static func optional(
        _ value: JSONValue?,
        _ name: String,
        _ range: ClosedRange<Double>,
        _ take: (Double?) -> Void
    ) throws(LabFault) {
        if let value, value.isNull { return take(nil) }
        try Self.number(value, name, range) { take($0) }
    }

    private static func integer(
        _ value: JSONValue?,
        _ name: String,
        _ range: ClosedRange<Int>,
        _ take: (Int) -> Void
    ) throws(LabFault) {
        guard let value else { return }
        guard let number = value.int, range.contains(number) else {
            throw LabFault(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        take(number)
    }

    private static func text(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    }
}
