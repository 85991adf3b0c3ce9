import SluiceBasics
import SluiceCore
import SluiceWire

// policy, limits, tenants, concurrency and shedding of a pool.
extension PoolChange {
    mutating func readScheduling(_ pool: Section) throws(GatewayError) {
        if let value = pool.value["policy"] {
            try self.readPolicy(
                Section(value, "policy.", ["preset", "weights", "min_score", "candidates", "max_wait_ms"])
            )
        }
        if let value = pool.value["limits"] {
            if value.isNull {
                self.add("limits=none") { $0.scheduling.limit = nil }
            } else {
                try self.readLimits(
                    Section(
                        value,
                        "limits.",
                        [
                            "requests_per_minute", "tokens_per_minute", "burst_requests", "burst_tokens", "mode",
                            "provider_limits",
                        ]
                    )
                )
            }
        }
        if let value = pool.value["tenants"] {
            try self.readTenants(Section(value, "tenants.", ["fair", "weights", "max_in_flight"]))
        }
        try self.choice(pool, "concurrency", ConcurrencyMode.self) { $0.scheduling.isAdaptive = $1 == .adaptive }
        if let value = pool.value["shedding"] {
            try self.readShedding(Section(value, "shedding.", ["after_ms", "interval_ms"]))
        }
    }

    // MARK: What runs next

    private mutating func readPolicy(_ section: Section) throws(GatewayError) {
        try section.check()
        try self.choice(section, "preset", SchedulingPreset.self) { pool, preset in
            // Who has chosen a number of candidates keeps it.
            let usual = (pool.scheduling.policy.preset ?? .standard).candidates
            if pool.scheduling.policy.candidates == usual { pool.scheduling.policy.candidates = preset.candidates }
            pool.scheduling.policy.order = preset.order
        }
        if let value = section.value["weights"] { try self.readWeights(value) }
        if let value = section.value["min_score"] {
            guard let score = value.double, (0...1_000).contains(score) else {
                throw section.wrong("min_score", "a number from 0 to 1000")
            }
            self.add("policy.min_score=\(score)") { $0.scheduling.policy.minimumScore = score }
        }
        try self.whole(section, "candidates", 1...10_000) { $0.scheduling.policy.candidates = $1 }
        try self.whole(section, "max_wait_ms", 1...604_800_000) {
            $0.scheduling.policy.maximumWait = .milliseconds($1)
        }
    }

    /// They merge over those of the preset that is named with them, or else over those in force.
    private mutating func readWeights(_ value: JSONValue) throws(GatewayError) {
        let section = Section(value, "policy.weights.", ScoringWeights.names)
        try section.check()
        var weights: [(name: String, weight: Double)] = []
        for name in ScoringWeights.names {
            guard let value = value[named: name] else { continue }
            guard let weight = value.double, ScoringWeights.range.contains(weight) else {
                throw section.wrong(name, "a number from 0 to 1000000")
            }
            weights.append((name, weight))
        }
        let chosen = weights
        let words = chosen.map { "\($0.name):\($0.weight)" }.joined(separator: ",")
        self.add("policy.weights=\(words)") { pool throws(GatewayError) in
            guard case .scored(var weights) = pool.scheduling.policy.order else {
                let preset = pool.scheduling.policy.preset?.rawValue ?? ""
                let scoring = SchedulingPreset.allCases.filter { $0.weights != nil }.map(\.rawValue)
                throw .invalid(
                    "The field 'policy.weights' is of no use with the policy \(preset), which scores nothing; "
                        + "set 'policy.preset' to one of \(scoring.joined(separator: ", ")).",
                    param: "policy.weights"
                )
            }
            for (name, weight) in chosen { weights[named: name] = weight }
            pool.scheduling.policy.order = .scored(weights)
        }
    }

    // MARK: Limits

    private mutating func readLimits(_ section: Section) throws(GatewayError) {
        try section.check()
        func limit(
            _ set: @escaping @Sendable (inout RateLimit, Int?) -> Void
        )
            -> @Sendable (
                inout PoolConfiguration, Int?
            ) -> Void
        {
            { pool, number in
                var limit = pool.scheduling.limit ?? RateLimit()
                set(&limit, number)
                pool.scheduling.limit = limit
            }
        }
        let requests = 1...1_000_000_000
        let tokens = 1...1_000_000_000_000
        try self.wholeOrNone(section, "requests_per_minute", requests, limit { $0.requestsPerMinute = $1 })
        try self.wholeOrNone(section, "tokens_per_minute", tokens, limit { $0.tokensPerMinute = $1 })
        try self.wholeOrNone(section, "burst_requests", requests, limit { $0.burstRequests = $1 })
        try self.wholeOrNone(section, "burst_tokens", tokens, limit { $0.burstTokens = $1 })
        if section.value["mode"] != nil {
            try self.choice(section, "mode", RateLimit.Mode.self) { pool, mode in
                var limit = pool.scheduling.limit ?? RateLimit()
                limit.mode = mode
                pool.scheduling.limit = limit
            }
            self.require { pool throws(GatewayError) in
                guard pool.scheduling.limit?.isUnlimited != false else { return }
                throw .invalid(
                    "The field 'limits.mode' has no effect while nothing is limited; set "
                        + "'limits.requests_per_minute' or 'limits.tokens_per_minute' as well.",
                    param: "limits.mode"
                )
            }
        }
        try self.toggle(section, "provider_limits") { $0.scheduling.followsProviderLimits = $1 }
    }

    // MARK: Tenants and overload

    private mutating func readTenants(_ section: Section) throws(GatewayError) {
        try section.check()
        try self.toggle(section, "fair") { $0.scheduling.tenants.isFair = $1 }
        try self.wholeOrNone(section, "max_in_flight", 1...1_000_000) {
            $0.scheduling.tenants.maximumInFlight = $1
        }
        guard let value = section.value["weights"] else { return }
        if value.isNull { return self.add("tenants.weights=none") { $0.scheduling.tenants.weights = [:] } }
        guard value.kind == .object, value.count <= Self.maximumTenants else {
            throw section.wrong("weights", "an object of at most \(Self.maximumTenants) tenants and their weights")
        }
        var weights: [String: Double?] = [:]
        var wrong: String?
        value.forEachMember { name, value in
            let weight = value.double
            let isWeight = weight.map { TenantPolicy.weightRange.contains($0) } ?? value.isNull
            guard isWeight, Ingress.isIdentifier(name.utf8) else {
                wrong = String(name.prefix(64))
                return false
            }
            weights[name] = .some(weight)
            return true
        }
        if let wrong {
            throw section.wrong(
                "weights.\(wrong)",
                "a tenant's name with a number from 0.001 to 1000000, or null for 1"
            )
        }
        let chosen = weights
        let words = chosen.sorted { $0.key < $1.key }
            .map { "\($0.key):\($0.value.map { String($0) } ?? "none")" }.joined(separator: ",")
        self.add("tenants.weights=\(words)") { pool throws(GatewayError) in
            for (name, weight) in chosen { pool.scheduling.tenants.weights[name] = weight }
            guard pool.scheduling.tenants.weights.count <= Self.maximumTenants else {
                throw .invalid(
                    "The field 'tenants.weights' would name more than \(Self.maximumTenants) tenants.",
                    param: "tenants.weights"
                )
            }
        }
    }

    private static var maximumTenants: Int { 10_000 }

    private mutating func readShedding(_ section: Section) throws(GatewayError) {
        try section.check()
        try self.wholeOrNone(section, "after_ms", 1...86_400_000) { pool, milliseconds in
            pool.scheduling.shedding.target = milliseconds.map { .milliseconds($0) }
        }
        try self.whole(section, "interval_ms", 100...3_600_000) {
            $0.scheduling.shedding.interval = .milliseconds($1)
        }
    }
}
