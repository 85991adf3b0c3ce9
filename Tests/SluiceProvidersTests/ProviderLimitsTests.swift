import SluiceBasics
import SluiceCore
import SluiceWire
import Testing

@testable import SluiceProviders

@Suite("Provider limits")
struct ProviderLimitsTests {
    /// 2025-01-01T00:00:00Z.
    private static let newYear: Int64 = 1_735_689_600_000_000_000

    private static func read(_ pairs: [(String, String)], retryAfter: Duration? = nil) -> ProviderObservation? {
        ProviderLimits.read(HTTPFields(pairs), retryAfter: retryAfter, nowNanoseconds: Self.newYear)
    }

    private static func reset(_ text: String) -> Duration? {
        Self.read([("x-ratelimit-reset-tokens", text)])?.tokens?.resetsIn
    }

    @Test("OpenAI's six headers")
    func openAI() {
        let seen = Self.read([
            ("Content-Type", "application/json"), ("X-RateLimit-Limit-Requests", "500"),
            ("x-ratelimit-remaining-requests", "499"), ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-limit-tokens", "30000"), ("x-ratelimit-remaining-tokens", " 29900 "),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ])
        #expect(seen?.requests == .init(limit: 500, remaining: 499, resetsIn: .milliseconds(120)))
        #expect(seen?.tokens == .init(limit: 30_000, remaining: 29_900, resetsIn: .seconds(360)))
        #expect(seen?.inputTokens == nil)
        #expect(seen?.isUsedUp == false)
    }

    @Test("Anthropic's headers, their resets as dates")
    func anthropic() {
        let seen = Self.read([
            ("anthropic-ratelimit-requests-limit", "50"), ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2025-01-01T00:00:30Z"),
            ("anthropic-ratelimit-input-tokens-limit", "40000"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2025-01-01T01:00:01.5+01:00"),
            ("anthropic-ratelimit-output-tokens-remaining", "8000"),
            ("anthropic-ratelimit-tokens-remaining", "48000"),
        ])
        #expect(seen?.requests == .init(limit: 50, remaining: 49, resetsIn: .seconds(30)))
        #expect(seen?.inputTokens == .init(limit: 40_000, remaining: 0, resetsIn: .milliseconds(1_500)))
        #expect(seen?.outputTokens == .init(remaining: 8_000))
        #expect(seen?.tokens == .init(remaining: 48_000))
        #expect(seen?.isUsedUp == true)
    }

    @Test("A proxy's own words, and limits without a quantity")
    func variants() {
        let seen = Self.read([
            ("llm_provider-x-ratelimit-remaining-tokens", "7"),
            ("llm_provider-anthropic-ratelimit-output-tokens-limit", "9"), ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "1735689610"),
        ])
        #expect(seen?.tokens == .init(remaining: 7))
        #expect(seen?.outputTokens == .init(limit: 9))
        #expect(seen?.requests == .init(limit: 60, remaining: 12, resetsIn: .seconds(10)))
    }

    @Test("The first of two fields of one meaning counts")
    func first() {
        let seen = Self.read([("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-remaining-tokens", "6")])
        #expect(seen?.tokens?.remaining == 5)
    }

    @Test(
        "Spans in every way of writing them",
        arguments: [
            ("1s", 1_000), ("6m0s", 360_000), ("20ms", 20), ("1h2m3.5s", 3_723_500), ("0", 0), ("0.5", 500),
            ("12", 12_000), ("2m59.56s", 179_560), ("1735689602", 2_000), ("1735689602500", 2_500),
            ("2025-01-01T00:00:01.25Z", 1_250), ("2024-12-31T16:00:04-08:00", 4_000), ("2024-01-01T00:00:00Z", 0),
            ("9999s", 9_999_000), ("99999h", 86_400_000), ("-5s", 0), ("1d", 86_400_000), ("1000us", 1),
            ("1000µs", 1), ("1000μs", 1), ("5000000ns", 5),
        ]
    )
    func spans(text: String, milliseconds: Int64) {
        #expect(Self.reset(text) == .milliseconds(milliseconds))
    }

    @Test(
        "What is no span is not there",
        arguments: [
            "", " ", "s", "1x", "1s2", "1m 3s", "abc", "1e9", "0x10", "NaN", "inf", "--1", "-", "1.s.2",
            "2025-13-01T00:00:00Z", "2025-02-30T00:00:00Z", "2025-01-01T25:00:00Z", "2025-01-01T00:00:00",
            "2025-01-01T00:00:00Zz", "0001-01-01T00:00:00Z", "\u{C2}", "1\u{B5}", ".5",
        ]
    )
    func notSpans(text: String) {
        #expect(Self.reset(text) == nil)
    }

    @Test(
        "Counts are whole numbers in bounds",
        arguments: [
            ("0", 0), ("17", 17), ("12.9", 12), ("-4", 0), ("99999999999999999999999999", 1_000_000_000_000),
        ]
    )
    func counts(text: String, value: Int) {
        #expect(Self.read([("x-ratelimit-remaining-tokens", text)])?.tokens?.remaining == value)
    }

    @Test("What is no count is not there", arguments: ["", "x", "1,000", "1 000", "0x1", "5, 5;w=60", "+3"])
    func notCounts(text: String) {
        #expect(Self.read([("x-ratelimit-limit-tokens", text)]) == nil)
    }

    @Test("Headers that say nothing of limits make nothing")
    func nothing() {
        #expect(Self.read([("content-type", "text/plain"), ("x-request-id", "1"), ("x-ratelimit-", "1")]) == nil)
        #expect(Self.read([("x-ratelimit-remaining-toke", "1"), ("anthropic-ratelimit-", "1")]) == nil)
        #expect(Self.read([("anthropic-ratelimit-tokens", "1"), ("anthropic-ratelimit--limit", "1")]) == nil)
        #expect(Self.read([]) == nil)
    }

    @Test("Any bytes are read without a trap, and within bounds")
    func anyBytes() {
        var random = SeededRandom(seed: 11)
        let alphabet = Array("0123456789.-+:TZhmsµnu dxE".utf8)
        for _ in 0..<30_000 {
            let value = (0..<Int(random.next() % 26)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            var fields = HTTPFields()
            fields.append(name: Array("x-ratelimit-reset-requests".utf8)[...], value: value[...])
            fields.append(name: Array("anthropic-ratelimit-tokens-remaining".utf8)[...], value: value[...])
            let now = Int64(bitPattern: random.next())
            guard let seen = ProviderLimits.read(fields, nowNanoseconds: now) else { continue }
            if let span = seen.requests?.resetsIn { #expect((.zero ... .seconds(86_400)).contains(span)) }
            if let count = seen.tokens?.remaining { #expect((0...1_000_000_000_000).contains(count)) }
        }
    }

    @Test("Success and failure carry what was said")
    func results() {
        let headers = [("content-type", "application/json"), ("x-ratelimit-remaining-requests", "3")]
        let fine = HTTPClientResponse(status: 200, headers: HTTPFields(headers), body: Array("{}".utf8))
        #expect(OpenAIClassifier.classify(fine, now: 0).limits?.requests?.remaining == 3)
        let refused = HTTPClientResponse(status: 429, headers: HTTPFields(headers + [("retry-after", "7")]))
        let result = OpenAIClassifier.classify(refused, now: 0)
        #expect(result.limits?.retryAfter == .seconds(7))
        #expect(result.limits?.requests?.remaining == 3)
        let plain = HTTPClientResponse(status: 500)
        #expect(OpenAIClassifier.classify(plain, now: 0).limits == nil)
    }

    @Test("Waits in Azure's and LiteLLM's words")
    func waits() {
        #expect(RetryAfter.read(HTTPFields([("x-ms-retry-after-ms", "1500")]), now: 0) == .milliseconds(1_500))
        #expect(RetryAfter.read(HTTPFields([("llm_provider-retry-after", "4")]), now: 0) == .seconds(4))
        let both = HTTPFields([("retry-after-ms", "20"), ("retry-after", "1")])
        #expect(RetryAfter.read(both, now: 0) == .milliseconds(20))
    }
}
