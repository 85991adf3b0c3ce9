import SluiceBasics
import Testing

@testable import SluiceCore

/// The table of the rules, row by row.
@Suite struct RetryDecisionTests {
    private static let now = Instant(nanoseconds: 1_000_000_000)

    private func question(
        _ failureClass: FailureClass,
        retryAfter: Duration? = nil,
        mode: RetryMode = .auto,
        attempts: Int = 1
    ) -> RetryQuestion {
        RetryQuestion(
            failure: AttemptFailure(failureClass, retryAfter: retryAfter, message: "why"),
            policy: RetryPolicy(mode: mode),
            attempts: attempts,
            now: Self.now,
            deadline: Self.now + .seconds(600)
        )
    }

    private func answer(_ question: RetryQuestion, seed: UInt64 = 1) -> Verdict {
        var random = SeededRandom(seed: seed)
        return question.answer(random: &random)
    }

    private func reason(_ question: RetryQuestion) -> OutcomeReason? {
        guard case .end(let reason, let message) = self.answer(question) else { return nil }
        #expect(!message.isEmpty)
        return reason
    }

    private func isRetry(_ question: RetryQuestion) -> Bool {
        guard case .retry = self.answer(question) else { return false }
        return true
    }

    private func isThrottle(_ question: RetryQuestion) -> Bool {
        guard case .throttle = self.answer(question) else { return false }
        return true
    }

    @Test(arguments: [FailureClass.connectRefused, .connectTimeout, .connectError], RetryMode.allCases)
    func `what was never sent is retried in every mode`(failureClass: FailureClass, mode: RetryMode) {
        #expect(self.isRetry(self.question(failureClass, mode: mode)))
        #expect(self.reason(self.question(failureClass, mode: mode, attempts: 3)) == .backend)
    }

    @Test(arguments: [FailureClass.serverError, .readTimeout, .reset, .malformedResponse])
    func `what was sent is retried in mode auto`(failureClass: FailureClass) {
        #expect(self.isRetry(self.question(failureClass)))
        let exhausted = self.reason(self.question(failureClass, attempts: 3))
        #expect(exhausted == (failureClass == .malformedResponse ? .malformedResponse : .backend))
    }

    @Test(arguments: [
        (FailureClass.serverError, OutcomeReason.backend), (.readTimeout, .outcomeUnknown), (.reset, .outcomeUnknown),
        (.malformedResponse, .outcomeUnknown),
    ])
    func `what was sent is never repeated in mode never-after-send`(failureClass: FailureClass, reason: OutcomeReason) {
        #expect(self.reason(self.question(failureClass, mode: .neverAfterSend)) == reason)
    }

    @Test(arguments: [
        FailureClass.authentication, .invalidRequest, .routeOrModel, .providerRejected, .responseTooLarge,
    ])
    func `a refusal of the request itself is final`(failureClass: FailureClass) {
        let expected: OutcomeReason = failureClass == .responseTooLarge ? .resultTooLarge : .backend
        #expect(self.reason(self.question(failureClass)) == expected)
    }

    @Test(arguments: RetryMode.allCases)
    func `429 and 503 with Retry-After are throttled and do not count`(mode: RetryMode) {
        let limited = self.question(.rateLimited, retryAfter: .seconds(20), mode: mode, attempts: 3)
        guard case .throttle(let delay) = self.answer(limited) else {
            Issue.record("not throttled")
            return
        }
        #expect(delay == .seconds(20))
        #expect(self.isThrottle(self.question(.rateLimited, mode: mode, attempts: 3)))
        #expect(self.isThrottle(self.question(.overloaded, retryAfter: .seconds(1), mode: mode, attempts: 3)))
        #expect(self.isRetry(self.question(.overloaded, mode: mode)))
    }

    @Test func `throttling is bounded by a count, by a cap and by the deadline`() {
        var question = self.question(.rateLimited, retryAfter: .seconds(500))
        guard case .throttle(let delay) = self.answer(question) else {
            Issue.record("not throttled")
            return
        }
        #expect(delay == .seconds(300))
        question.deadline = Self.now + .seconds(200)
        #expect(self.reason(question) == .deadline)
        question.deadline = Self.now + .seconds(600)
        question.throttles = 20
        #expect(self.reason(question) == .backend)
    }

    @Test(arguments: [nil, Duration.zero, .seconds(1), .seconds(45)])
    func `a throttle waits what is asked, and at least half the ceiling of the ordinary back-off`(asked: Duration?) {
        for (throttles, ceiling) in [(0, 1.0), (1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (19, 60.0)] {
            var question = self.question(.rateLimited, retryAfter: asked)
            question.throttles = throttles
            var (shortest, longest) = (Double.infinity, 0.0)
            var random = SeededRandom(seed: 7)
            for _ in 0..<2_000 {
                guard case .throttle(let delay) = question.answer(random: &random) else {
                    Issue.record("not throttled")
                    return
                }
                shortest = min(shortest, delay.inSeconds)
                longest = max(longest, delay.inSeconds)
            }
            let least = max(ceiling / 2, asked?.inSeconds ?? 0)
            #expect(shortest >= least && shortest < least + 0.02 * ceiling)
            #expect(longest <= max(ceiling, asked?.inSeconds ?? 0) && longest > 0.98 * ceiling)
        }
    }

    @Test func `the delay is uniform below a ceiling that doubles`() {
        for (attempts, ceiling) in [(1, 1.0), (2, 2.0), (3, 4.0), (9, 60.0)] {
            var question = self.question(.reset, attempts: attempts)
            question.policy.maximumAttempts = 100
            var longest = 0.0
            var sum = 0.0
            var random = SeededRandom(seed: 5)
            for _ in 0..<2_000 {
                guard case .retry(let delay) = question.answer(random: &random) else {
                    Issue.record("not retried")
                    return
                }
                #expect(delay >= .zero && delay.inSeconds <= ceiling)
                longest = max(longest, delay.inSeconds)
                sum += delay.inSeconds
            }
            #expect(longest > 0.98 * ceiling)
            #expect(abs(sum / 2_000 - ceiling / 2) < 0.05 * ceiling)
        }
    }

    @Test func `nothing is retried after cancellation, commitment, or without budget or time`() {
        var question = self.question(.connectRefused)
        question.cancelCause = .operatorRequest
        #expect(self.reason(question) == .operatorRequest)
        question.cancelCause = .deadline
        #expect(self.reason(question) == .deadline)
        question.cancelCause = nil
        question.failure.committed = true
        #expect(self.reason(question) == .backend)
        question.failure.committed = false
        question.budgetAllows = false
        #expect(self.reason(question) == .backend)
        question.budgetAllows = true
        question.deadline = Self.now
        #expect(self.reason(question) == .backend)
        question.deadline = Self.now + .seconds(100)
        question.notBefore = Self.now + .seconds(100)
        #expect(self.reason(question) == .backend)
    }

    @Test func `our own interruptions are named as what they are`() {
        #expect(self.reason(self.question(.cancelled)) == .clientGone)
        #expect(self.reason(self.question(.deadline)) == .deadline)
        var question = self.question(.readTimeout, mode: .neverAfterSend)
        question.now = question.deadline
        #expect(self.reason(question) == .deadline)
    }

    @Test(arguments: FailureClass.allCases)
    func `only failures of the backend count against it`(failureClass: FailureClass) {
        let patient = AttemptFailure(failureClass, message: "").verdict(patience: .seconds(60), usual: .seconds(1))
        let hasty = AttemptFailure(failureClass, message: "").verdict(patience: .seconds(20), usual: .seconds(1))
        switch failureClass {
        case .connectRefused, .connectTimeout, .connectError, .serverError, .reset, .malformedResponse, .overloaded:
            #expect(patient == .failing && hasty == .failing)
        case .readTimeout, .deadline: #expect(patient == .failing && hasty == .neutral)
        default: #expect(patient == .neutral && hasty == .neutral)
        }
        // A stream that was still coming when its time was up.
        let flowing = AttemptFailure(.deadline, message: "", committed: true)
        #expect(flowing.verdict(patience: .seconds(60), usual: nil) == .neutral)
        let asked = AttemptFailure(.overloaded, retryAfter: .seconds(1), message: "")
        #expect(asked.verdict(patience: .seconds(60), usual: nil) == .neutral)
    }

    @Test(arguments: [(408, true), (409, false), (424, true), (425, false), (500, true), (503, true)])
    func `a conflict about one request says nothing of the backend`(status: Int, counts: Bool) {
        let failure = AttemptFailure(.serverError, status: status, message: "")
        #expect(failure.verdict(patience: .seconds(1), usual: nil) == (counts ? .failing : .neutral))
        let sign = failure.healthSign(choosesModel: false, isOverdue: false, patience: .seconds(1), usual: nil)
        #expect(sign == (counts ? .failing(.serverError) : .neutral))
    }
}
