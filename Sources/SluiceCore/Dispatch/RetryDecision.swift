import SluiceBasics

/// Everything that decides what follows a failed attempt.
package struct RetryQuestion: Sendable {
    package var failure: AttemptFailure
    package var policy: RetryPolicy
    /// Attempts that count, this one included unless the request moves on because of what is in it.
    package var attempts: Int
    /// Refusals by 429 or 503 before this one.
    package var throttles: Int
    package var cancelCause: CancelCause?
    package var now: Instant
    package var deadline: Instant
    /// Nothing can start before this: the breaker is open.
    package var notBefore: Instant
    /// Whether the pool's retry budget has room.
    package var budgetAllows: Bool
    /// What the pool's targets have for the request; `nil`: there is only the one backend.
    package var route: RouteOutlook?

    package init(
        failure: AttemptFailure,
        policy: RetryPolicy,
        attempts: Int,
        throttles: Int = 0,
        cancelCause: CancelCause? = nil,
        now: Instant,
        deadline: Instant,
        notBefore: Instant = .zero,
        budgetAllows: Bool = true,
        route: RouteOutlook? = nil
    ) {
        self.failure = failure
        self.policy = policy
        self.attempts = attempts
        self.throttles = throttles
        self.cancelCause = cancelCause
        self.now = now
        self.deadline = deadline
        self.notBefore = notBefore
        self.budgetAllows = budgetAllows
        self.route = route
    }
}

extension RetryQuestion {
    private enum Kind {
        /// Nothing was sent.
        case unsent
        /// The backend asks for patience.
        case throttle
        /// Refused before any work was done; as safe to repeat as what was never sent.
        case refusal
        /// Sent, and answered with a failure.
        case answered
        /// Sent; what the backend did is not known.
        case unknown
        /// No attempt could do better.
        case final
        case deadline
        case cancelled
    }

    private var kind: Kind {
        switch self.failure.failureClass {
        case .connectRefused, .connectTimeout, .connectError: .unsent
        case .rateLimited: .throttle
        case .overloaded: self.failure.retryAfter == nil ? .refusal : .throttle
        case .serverError: .answered
        case .readTimeout: self.now >= self.deadline ? .deadline : .unknown
        case .reset, .malformedResponse: .unknown
        case .responseTooLarge, .authentication, .invalidRequest, .routeOrModel, .providerRejected: .final
        case .deadline: .deadline
        case .cancelled: .cancelled
        }
    }

    /// The rules, in the order in which they apply.
    package func answer(random: inout SeededRandom) -> Verdict {
        if let cause = self.cancelCause { return .end(cause.reason, message: cause.explanation) }
        let kind = self.kind
        switch kind {
        case .cancelled: return .end(.clientGone, message: CancelCause.clientGone.explanation)
        case .deadline: return .end(.deadline, message: CancelCause.deadline.explanation)
        case .final where !self.hasAnotherTarget: return self.giveUp("no other attempt can help")
        case .final, .unsent, .throttle, .refusal, .answered, .unknown: break
        }
        if self.failure.committed { return self.giveUp("part of the answer had already gone to the client") }
        if self.policy.mode == .neverAfterSend && (kind == .answered || kind == .unknown) {
            return self.giveUp("retry mode never-after-send forbids another attempt")
        }
        return kind == .throttle ? self.throttled(&random) : self.retried(&random)
    }

    /// A backend that asks for patience gets at least what it asks for, and never less than half of the ordinary
    /// back-off's ceiling: `Retry-After: 0` or none at all must not become a loop without a pause.
    private func throttled(_ random: inout SeededRandom) -> Verdict {
        guard self.throttles < self.policy.maximumThrottles else {
            return self.giveUp(
                "refused \(self.throttles + 1) times, and retry.max_throttles is \(self.policy.maximumThrottles)"
            )
        }
        // Somebody else has not asked for patience.
        if self.route == .another { return .throttle(after: .zero) }
        let asked =
            self.route == nil ? min(self.failure.retryAfter ?? .zero, self.policy.maximumRetryAfter) : self.opensIn
        let half = self.ceiling(exponent: self.throttles) / 2
        let delay = max(asked, half + self.jitter(exponent: self.throttles, &random) / 2)
        guard self.leavesTime(after: delay) else {
            let seconds = delay.wholeNanoseconds / 1_000_000_000
            return .end(
                .deadline,
                message: "The backend asked to wait \(seconds) s, which is beyond the deadline. "
                    + self.description
            )
        }
        return .throttle(after: delay)
    }

    private func retried(_ random: inout SeededRandom) -> Verdict {
        guard self.attempts < self.policy.maximumAttempts else {
            return self.giveUp("attempt \(self.attempts) of \(self.policy.maximumAttempts)")
        }
        // What is in the request does not happen more often because a backend is in trouble.
        guard self.budgetAllows || self.failure.refusal != nil || self.failure.isInexpressible else {
            let percent = Int(self.policy.budgetRatio * 100)
            return self.giveUp("the pool's retry budget (\(percent) % of its starts in a minute) is used up")
        }
        if self.route == .another { return .retry(after: .zero) }
        let asked =
            self.route == nil ? min(self.failure.retryAfter ?? .zero, self.policy.maximumRetryAfter) : self.opensIn
        let delay = max(asked, self.jitter(exponent: self.attempts - 1, &random))
        guard self.leavesTime(after: delay) else { return self.giveUp("no time is left for another attempt") }
        return .retry(after: delay)
    }

    /// Whether there is a target that the request has not tried.
    private var hasAnotherTarget: Bool {
        switch self.route {
        case .another, .anotherLater: true
        case .again, .nowhere, nil: false
        }
    }

    /// Until one of the targets that the request may go to can be asked.
    private var opensIn: Duration {
        switch self.route {
        case .anotherLater(let at), .again(let at): max(.zero, at - self.now)
        case .another, .nowhere, nil: .zero
        }
    }

    private func leavesTime(after delay: Duration) -> Bool {
        max(self.now + delay, self.notBefore) < self.deadline
    }

    /// "Full jitter" (AWS Architecture Blog, Exponential Backoff and Jitter, 2015): uniform in 0...min(cap, base · 2ⁿ).
    private func jitter(exponent: Int, _ random: inout SeededRandom) -> Duration {
        .nanoseconds(Int64(Double(self.ceiling(exponent: exponent).wholeNanoseconds) * random.unit()))
    }

    private func ceiling(exponent: Int) -> Duration {
        let base =
            Double(self.policy.baseDelay.wholeNanoseconds) * Double(UInt64(1) << UInt64(min(max(0, exponent), 40)))
        return .nanoseconds(Int64(min(base, Double(self.policy.maximumDelay.wholeNanoseconds))))
    }

    private func giveUp(_ why: String) -> Verdict {
        .end(self.finalReason, message: "\(self.description); not retried: \(why)")
    }

    private var finalReason: OutcomeReason {
        if self.policy.mode == .neverAfterSend && self.kind == .unknown { return .outcomeUnknown }
        switch self.failure.failureClass {
        case .malformedResponse: return .malformedResponse
        case .responseTooLarge: return .resultTooLarge
        default: return .backend
        }
    }

    private var description: String {
        let status = self.failure.status.map { " (status \($0))" } ?? ""
        return "Backend failure \(self.failure.failureClass.rawValue)\(status): \(self.failure.message)"
    }
}

extension AttemptFailure {
    private static let leastPatience = Duration.seconds(30)

    /// A conflict (409), or what came too early (425): about the request, from a backend that answers.
    var isAboutThisRequest: Bool { self.status == 409 || self.status == 425 }

    /// What this failure says about the backend.
    ///
    /// - Parameter patience: how long the attempt was given. Clients choose their deadlines, and must not be able to
    ///   make a healthy backend look broken, so a timeout counts only after a time in which anybody would have had an
    ///   answer, and twice that in which this backend usually gives one. A stream that was still coming proves nothing.
    package func verdict(patience: Duration, usual: Duration?) -> BackendVerdict {
        switch self.failureClass {
        case .serverError where self.isAboutThisRequest: .neutral
        case .connectRefused, .connectTimeout, .connectError, .serverError, .reset, .malformedResponse: .failing
        case .overloaded: self.retryAfter == nil ? .failing : .neutral
        case .readTimeout, .deadline:
            !self.committed && patience >= max(Self.leastPatience, (usual ?? .zero) * 2) ? .failing : .neutral
        case .rateLimited, .cancelled, .responseTooLarge: .neutral
        case .authentication, .invalidRequest, .routeOrModel, .providerRejected: .neutral
        }
    }
}
