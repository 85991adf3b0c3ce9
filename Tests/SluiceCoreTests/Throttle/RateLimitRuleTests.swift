import SluiceCore
import Testing

@Suite struct RateLimitRuleTests {
    private struct Broken: Error, CustomStringConvertible { var description: String { "out of order" } }

    private func messages(_ limit: RateLimit, _ options: ThrottleOptions = ThrottleOptions()) -> [String] {
        limit.findings(options: options).map { "\($0.level.rawValue): \($0.message)" }
    }

    @Test func `limits are positive, bursts not below them`() {
        let limit = RateLimit(requestsPerMinute: 0, tokensPerMinute: -5, burstRequests: -1, burstTokens: -6)
        #expect(
            self.messages(limit) == [
                "error: RPM must be greater than 0",
                "error: TPM must be greater than 0",
                "error: Burst RPM cannot be less than RPM",
                "error: Burst TPM cannot be less than TPM",
            ]
        )
    }

    @Test func `large numbers are warned of`() {
        let limit = RateLimit(
            requestsPerMinute: 10_001,
            tokensPerMinute: 1_000_001,
            burstRequests: 100_011,
            burstTokens: 10_000_011
        )
        #expect(
            self.messages(limit) == [
                "warning: Burst RPM should not exceed 10x the base RPM for optimal performance",
                "warning: Burst TPM should not exceed 10x the base TPM for optimal performance",
                "warning: RPM above 10,000 may impact performance and API stability",
                "warning: TPM above 1,000,000 may impact performance and memory usage",
            ]
        )
        #expect(
            self.messages(
                RateLimit(
                    requestsPerMinute: 10_000,
                    tokensPerMinute: 1_000_000,
                    burstRequests: 100_000,
                    burstTokens: 10_000_000
                )
            ) == []
        )
        #expect(self.messages(RateLimit(requestsPerMinute: .max, burstRequests: .max)).count == 1)
    }

    @Test func `options are positive`() {
        let options = ThrottleOptions(
            reservationTimeToLive: .zero,
            maximumReservations: 0,
            historyRetention: .zero,
            maximumHistoryRecords: 0,
            efficiencyWindow: -1
        )
        #expect(
            self.messages(RateLimit(requestsPerMinute: 1), options) == [
                "error: History retention must be positive",
                "error: Max history records must be positive",
                "error: Efficiency window size must be positive",
                "error: Reservation time to live must be positive",
                "error: Max reservations must be positive",
            ]
        )
    }

    @Test func `what has no effect is said`() {
        #expect(self.messages(RateLimit(burstTokens: 5)) == ["warning: Burst without a limit has no effect"])
        #expect(
            self.messages(RateLimit(tokensPerMinute: 5, burstTokens: 5, mode: .strict))
                == ["warning: Burst has no effect on a strict limit"]
        )
    }

    @Test func `rules of one's own`() {
        let rules = [
            RateLimitRule("silent", level: .warning) { _, _ in .fails() },
            RateLimitRule("fine") { _, _ in .passes },
            RateLimitRule("spoken") { _, _ in .fails("No more than 5") },
            RateLimitRule("broken", level: .warning) { _, _ in throw Broken() },
        ]
        let findings = RateLimit(requestsPerMinute: 10).findings(further: rules)
        #expect(
            findings.map(\.message) == [
                "Validation failed for rule: silent",
                "No more than 5",
                "Validation rule 'broken' threw an error: out of order",
            ]
        )
        #expect(findings.map(\.level) == [.warning, .error, .error])
        let error = RateLimitConfigurationError(findings: findings.filter { $0.level == .error })
        #expect(
            "\(error)" == """
                Configuration validation failed: No more than 5, Validation rule 'broken' threw an error: out of order
                """
        )
        #expect(throws: error) { _ = try RateLimit(requestsPerMinute: 10).validate(further: rules) }
    }
}
