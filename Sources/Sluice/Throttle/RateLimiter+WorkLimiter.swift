import SluiceBasics

/// The same limits for every model.
extension RateLimiter: WorkLimiter {
    public func budget() -> WorkBudget {
        self.state.withLock { state in
            let now = self.now()
            var budget = WorkBudget(
                tokens: state.throttle.availableTokens(at: now),
                capacity: state.throttle.tokenCapacity
            )
            if let requests = state.throttle.availableRequests(at: now), requests < 1,
                case .refused(let refusal) = state.throttle.check(0, at: now)
            {
                budget.refusal = self.named(refusal)
            }
            return budget
        }
    }

    public func check(tokens: Int, model: String?) -> ThrottleAnswer {
        self.check(tokens)
    }

    public func reserve(tokens: Int, model: String?) -> Result<WorkReservation, ThrottleRefusal> {
        self.reserve(tokens).map { WorkReservation(tokens: tokens, handles: [$0]) }
    }

    public func settle(_ reservation: WorkReservation, actualTokens: Int) {
        for handle in reservation.handles { self.settle(handle, actualTokens: actualTokens) }
    }

    public func cancel(_ reservation: WorkReservation) {
        for handle in reservation.handles { self.cancel(handle) }
    }
}
