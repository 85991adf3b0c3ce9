/// A condition that a configuration has to meet.
public struct RateLimitRule: Sendable {
    public enum Verdict: Sendable, Hashable {
        case passes
        /// With a message of its own, or without.
        case fails(String? = nil)
    }

    public var name: String
    public var level: RateLimitFinding.Level
    /// An error that it throws is a finding of level `error`.
    public var check: @Sendable (RateLimit, ThrottleOptions) throws -> Verdict

    public init(
        _ name: String,
        level: RateLimitFinding.Level = .error,
        check: @escaping @Sendable (RateLimit, ThrottleOptions) throws -> Verdict
    ) {
        self.name = name
        self.level = level
        self.check = check
    }

    private init(
        _ name: String,
        _ level: RateLimitFinding.Level,
        _ message: String,
        fails: @escaping @Sendable (RateLimit, ThrottleOptions) -> Bool
    ) {
        self.init(name, level: level) { limit, options in fails(limit, options) ? .fails(message) : .passes }
    }

    /// Applied to every configuration, in this order.
    public static let standard: [RateLimitRule] = [
        RateLimitRule("rpm_positive", .error, "RPM must be greater than 0") { limit, _ in
            limit.requestsPerMinute.map { $0 <= 0 } ?? false
        },
        RateLimitRule("tpm_positive", .error, "TPM must be greater than 0") { limit, _ in
            limit.tokensPerMinute.map { $0 <= 0 } ?? false
        },
        RateLimitRule("burst_rpm_valid", .error, "Burst RPM cannot be less than RPM") { limit, _ in
            Self.isLess(limit.burstRequests, limit.requestsPerMinute)
        },
        RateLimitRule("burst_tpm_valid", .error, "Burst TPM cannot be less than TPM") { limit, _ in
            Self.isLess(limit.burstTokens, limit.tokensPerMinute)
        },
        RateLimitRule(
            "burst_rpm_limit",
            .warning,
            "Burst RPM should not exceed 10x the base RPM for optimal performance"
        ) { limit, _ in
            Self.isTenfold(limit.burstRequests, limit.requestsPerMinute)
        },
        RateLimitRule(
            "burst_tpm_limit",
            .warning,
            "Burst TPM should not exceed 10x the base TPM for optimal performance"
        ) { limit, _ in
            Self.isTenfold(limit.burstTokens, limit.tokensPerMinute)
        },
        RateLimitRule(
            "rpm_high_warning",
            .warning,
            "RPM above 10,000 may impact performance and API stability"
        ) { limit, _ in
            limit.requestsPerMinute.map { $0 > 10_000 } ?? false
        },
        RateLimitRule(
            "tpm_high_warning",
            .warning,
            "TPM above 1,000,000 may impact performance and memory usage"
        ) { limit, _ in
            limit.tokensPerMinute.map { $0 > 1_000_000 } ?? false
        },
        RateLimitRule("history_retention_valid", .error, "History retention must be positive") { _, options in
            options.historyRetention <= .zero
        },
        RateLimitRule("max_history_valid", .error, "Max history records must be positive") { _, options in
            options.maximumHistoryRecords <= 0
        },
        RateLimitRule("efficiency_window_valid", .error, "Efficiency window size must be positive") { _, options in
            options.efficiencyWindow <= 0
        },
        RateLimitRule("reservation_ttl_valid", .error, "Reservation time to live must be positive") { _, options in
            options.reservationTimeToLive <= .zero
        },
        RateLimitRule("max_reservations_valid", .error, "Max reservations must be positive") { _, options in
            options.maximumReservations <= 0
        },
        RateLimitRule("burst_without_limit", .warning, "Burst without a limit has no effect") { limit, _ in
            (limit.burstRequests != nil && limit.requestsPerMinute == nil)
                || (limit.burstTokens != nil && limit.tokensPerMinute == nil)
        },
        RateLimitRule("burst_strict", .warning, "Burst has no effect on a strict limit") { limit, _ in
            limit.mode == .strict && (limit.burstRequests != nil || limit.burstTokens != nil)
        },
    ]

    private static func isLess(_ burst: Int?, _ base: Int?) -> Bool {
        guard let burst, let base else { return false }
        return burst < base
    }

    private static func isTenfold(_ burst: Int?, _ base: Int?) -> Bool {
        guard let burst, let base, base > 0 else { return false }
        let (tenfold, overflow) = base.multipliedReportingOverflow(by: 10)
        return !overflow && burst > tenfold
    }
}

/// What a rule has to say about a configuration.
public struct RateLimitFinding: Sendable, Hashable, CustomStringConvertible {
    public enum Level: String, Sendable, Hashable, CaseIterable {
        /// The configuration is refused.
        case error
        case warning
    }

    public var rule: String
    public var level: Level
    public var message: String

    public init(rule: String, level: Level, message: String) {
        self.rule = rule
        self.level = level
        self.message = message
    }

    public var description: String { self.message }
}

/// A configuration that cannot be used, with all that is wrong with it.
public struct RateLimitConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Of level `error`, at least one.
    public var findings: [RateLimitFinding]

    public init(findings: [RateLimitFinding]) {
        self.findings = findings
    }

    public var description: String {
        "Configuration validation failed: \(self.findings.map(\.message).joined(separator: ", "))"
    }
}

extension RateLimit {
    /// What the rules find, all of them in their order.
    public func findings(
        options: ThrottleOptions = ThrottleOptions(),
        further rules: [RateLimitRule] = []
    ) -> [RateLimitFinding] {
        (RateLimitRule.standard + rules).compactMap { rule in
            do {
                guard case .fails(let message) = try rule.check(self, options) else { return nil }
                return RateLimitFinding(
                    rule: rule.name,
                    level: rule.level,
                    message: message ?? "Validation failed for rule: \(rule.name)"
                )
            } catch {
                let message = "Validation rule '\(rule.name)' threw an error: \(error)"
                return RateLimitFinding(rule: rule.name, level: .error, message: message)
            }
        }
    }

    /// Returns the warnings.
    public func validate(
        options: ThrottleOptions = ThrottleOptions(),
        further rules: [RateLimitRule] = []
    ) throws(RateLimitConfigurationError) -> [RateLimitFinding] {
        let findings = self.findings(options: options, further: rules)
        let errors = findings.filter { $0.level == .error }
        guard errors.isEmpty else { throw RateLimitConfigurationError(findings: errors) }
        return findings
    }
}
