import SluiceBasics
import SluiceCore

/// A limiter whose time is told in milliseconds.
final class TimedThrottle {
    var throttle: Throttle

    init(
        requests: Int? = nil,
        tokens: Int? = nil,
        burstRequests: Int? = nil,
        burstTokens: Int? = nil,
        mode: RateLimit.Mode = .smooth,
        options: ThrottleOptions = ThrottleOptions(),
        at start: Int64 = 0
    ) {
        let limit = RateLimit(
            requestsPerMinute: requests,
            tokensPerMinute: tokens,
            burstRequests: burstRequests,
            burstTokens: burstTokens,
            mode: mode
        )
        self.throttle = Throttle(limit, options: options, now: Self.instant(start))
    }

    static func instant(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    func reserve(_ tokens: Int, at time: Int64) -> ThrottleReservation? {
        try? self.throttle.reserve(tokens, at: Self.instant(time)).get()
    }

    func consume(_ tokens: Int, at time: Int64) -> Bool {
        self.reserve(tokens, at: time) != nil
    }

    /// `nil`: allowed.
    func refusal(_ tokens: Int, at time: Int64) -> ThrottleRefusal? {
        switch self.throttle.check(tokens, at: Self.instant(time)) {
        case .allowed: nil
        case .refused(let refusal): refusal
        }
    }

    func settle(_ reservation: ThrottleReservation?, _ actual: Int, at time: Int64) -> SettlementResult {
        guard let reservation else { return .unknownReservation }
        return self.throttle.settle(reservation, actual: actual, at: Self.instant(time))
    }

    func tokens(at time: Int64) -> Int? { self.throttle.availableTokens(at: Self.instant(time)) }
    func requests(at time: Int64) -> Int? { self.throttle.availableRequests(at: Self.instant(time)) }
    func metrics(at time: Int64) -> ThrottleMetrics { self.throttle.metrics(at: Self.instant(time)) }
}

func refused(_ limit: LimitKind, _ milliseconds: Int64) -> ThrottleRefusal {
    ThrottleRefusal(limit: limit, availableIn: .milliseconds(milliseconds))
}
