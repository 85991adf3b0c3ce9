import SluiceBasics

/// The same limits for every model.
extension RateLimiter: WorkLimiter {
    public func budget() -> WorkBudget {
        self.state.withLock { state in
            let now = self.now()
            return WorkBudget(
                tokens: state.throttle.availableTokens(at: now),
                capacity: state.throttle.tokenCapacity,
                isExhausted: (state.throttle.availableRequests(at: now) ?? 1) < 1
            )
        }
    }

    public func check(tokens: Int, model: String?) -> ThrottleAnswer {
        self.check(tokens)
    }

    public func reserve(tokens: Int, model: String?) -> Result<WorkReservation, ThrottleRefusal> {
        self.reserve(tokens).map { WorkReservation(tokens: tokens, handle: $0) }
    }

    public func settle(_ reservation: WorkReservation, actualTokens: Int) {
        if let handle = reservation.handle { self.settle(handle, actualTokens: actualTokens) }
    }

    public func cancel(_ reservation: WorkReservation) {
        if let handle = reservation.handle { self.cancel(handle) }
    }
}
