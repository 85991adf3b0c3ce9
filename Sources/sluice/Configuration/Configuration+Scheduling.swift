import SluiceCore

// A pool's scheduling as it results from its keys, and what in them cannot be meant.
extension Configuration {
    /// - Parameter path: of the pool, e.g. `pools.default`.
    func scheduling(_ path: String) -> SchedulingConfiguration {
        let standard = SchedulingConfiguration()
        return SchedulingConfiguration(
            policy: self.policy(path, standard.policy),
            tenants: TenantPolicy(
                isFair: self.toggle("\(path).fair_tenants"),
                weights: self.numbers("\(path).tenant_weights"),
                maximumInFlight: self.integer("\(path).tenant_max_in_flight")
            ),
            limit: self.rateLimit(path),
            followsProviderLimits: self.toggle("\(path).provider_limits"),
            isAdaptive: self.text("\(path).concurrency") == ConcurrencyMode.adaptive.rawValue,
            shedding: SheddingPolicy(
                target: self.span("\(path).shed_after"),
                interval: self.span("\(path).shed_interval") ?? standard.shedding.interval
            )
        )
    }

    private func preset(_ path: String) -> SchedulingPreset {
        self.text("\(path).policy").flatMap { SchedulingPreset(rawValue: $0) } ?? .standard
    }

    private func policy(_ path: String, _ standard: SchedulingPolicy) -> SchedulingPolicy {
        let preset = self.preset(path)
        var order = preset.order
        if var weights = preset.weights {
            for (name, weight) in self.numbers("\(path).weights") { weights[named: name] = weight }
            order = .scored(weights)
        }
        return SchedulingPolicy(
            order: order,
            minimumScore: self.setting("\(path).min_score")?.value == ConfigurationValue.none
                ? standard.minimumScore : self.ratio("\(path).min_score"),
            candidates: self.integer("\(path).candidates") ?? preset.candidates,
            maximumWait: self.span("\(path).max_wait") ?? standard.maximumWait
        )
    }

    /// `nil`: nothing is limited.
    private func rateLimit(_ path: String) -> RateLimit? {
        let limit = self.statedLimit(path)
        return limit.isUnlimited ? nil : limit
    }

    private func statedLimit(_ path: String) -> RateLimit {
        RateLimit(
            requestsPerMinute: self.integer("\(path).requests_per_minute"),
            tokensPerMinute: self.integer("\(path).tokens_per_minute"),
            burstRequests: self.integer("\(path).burst_requests"),
            burstTokens: self.integer("\(path).burst_tokens"),
            mode: self.text("\(path).limit_mode").flatMap { RateLimit.Mode(rawValue: $0) } ?? .smooth
        )
    }

    /// `nil` when it is not set.
    private func span(_ path: String) -> Duration? {
        if case .duration(let value) = self.setting(path)?.value { value } else { nil }
    }

    /// What `checkScheduling` lets through are numbers.
    private func numbers(_ path: String) -> [String: Double] {
        var numbers: [String: Double] = [:]
        for pair in self.table(path) { numbers[pair.name] = Double(pair.value) }
        return numbers
    }

    // MARK: Checks

    func checkScheduling() -> [ConfigurationProblem] {
        self.names("pools").flatMap { pool -> [ConfigurationProblem] in
            let path = "pools.\(pool)"
            let faults = self.statedLimit(path).faults.map { self.problem("\(path).\($0.name)", $0.message) }
            return faults + self.checkWeights(path) + self.checkTenants("\(path).tenant_weights")
        }
    }

    private func checkWeights(_ path: String) -> [ConfigurationProblem] {
        let key = "\(path).weights"
        let pairs = self.table(key)
        guard !pairs.isEmpty else { return [] }
        let preset = self.preset(path)
        if preset.weights == nil {
            let scoring = SchedulingPreset.allCases.filter { $0.weights != nil }.map(\.rawValue)
            return [
                self.problem(
                    key,
                    "policy \(preset.rawValue) scores nothing; set policy to one of \(scoring.joined(separator: ", "))"
                )
            ]
        }
        var problems = self.repeated(key, pairs)
        for pair in pairs {
            if !ScoringWeights.names.contains(pair.name) {
                let near = Nearest.match(pair.name, in: ScoringWeights.names).map { "did you mean '\($0)'?" }
                let hint = near ?? "known: \(ScoringWeights.names.joined(separator: ", "))"
                problems.append(self.problem(key, "there is no weight '\(pair.name)'; \(hint)"))
            } else if !(Double(pair.value).map { ScoringWeights.range.contains($0) } ?? false) {
                problems.append(
                    self.problem(key, "\(pair.name): '\(pair.value.prefix(60))' is not a number from 0 to 1000000")
                )
            }
        }
        return problems
    }

    private func checkTenants(_ key: String) -> [ConfigurationProblem] {
        let pairs = self.table(key)
        return self.repeated(key, pairs)
            + pairs.compactMap { pair in
                guard Double(pair.value).map({ TenantPolicy.weightRange.contains($0) }) ?? false else {
                    return self.problem(
                        key,
                        "\(pair.name): '\(pair.value.prefix(60))' is not a number from 0.001 to 1000000"
                    )
                }
                return nil
            }
    }

    private func repeated(_ key: String, _ pairs: [RawValue.Pair]) -> [ConfigurationProblem] {
        var seen: Set<String> = []
        return pairs.compactMap { pair in
            seen.insert(pair.name).inserted ? nil : self.problem(key, "names '\(pair.name)' twice")
        }
    }
}
