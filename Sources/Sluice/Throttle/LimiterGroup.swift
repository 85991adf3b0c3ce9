/// Several limiters that all have to agree: of a key, a tenant, a provider's account, and one for each model.
///
/// Reserves in all or in none. A refusal names the limiter that holds longest.
public struct LimiterGroup: WorkLimiter {
    /// These apply to every request.
    public let limiters: [RateLimiter]
    /// This one besides, to requests for the model.
    public let models: [String: RateLimiter]
    private let byNumber: [UInt32: RateLimiter]

    /// A limiter that is named twice counts once.
    public init(_ limiters: [RateLimiter], models: [String: RateLimiter] = [:]) {
        self.limiters = limiters.reduce(into: []) { kept, limiter in
            if !kept.contains(where: { $0 === limiter }) { kept.append(limiter) }
        }
        self.models = models
        self.byNumber = Dictionary(
            (limiters + models.values).map { ($0.number, $0) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    private func applying(to model: String?) -> [RateLimiter] {
        guard let model, let limiter = self.models[model], !self.limiters.contains(where: { $0 === limiter }) else {
            return self.limiters
        }
        return self.limiters + [limiter]
    }

    /// Whether ``LimiterGroup/reserve(tokens:model:)`` would succeed now.
    ///
    /// A refusal's `availableIn` is the longest of all.
    public func check(tokens: Int, model: String? = nil) -> ThrottleAnswer {
        Self.check(tokens, self.applying(to: model))
    }

    private static func check(_ tokens: Int, _ limiters: [RateLimiter]) -> ThrottleAnswer {
        var refusal: ThrottleRefusal?
        for limiter in limiters {
            guard case .refused(let other) = limiter.check(tokens) else { continue }
            refusal = refusal.map { $0.orLonger(other) } ?? other
        }
        return refusal.map { .refused($0) } ?? .allowed
    }

    /// Charges one request and its tokens with every limiter that applies, or with none.
    ///
    /// Limiters lock one after the other: for a moment one of them may have charged what is then taken back because a
    /// later one, asked by somebody else in between, refuses. Its books are afterwards as if nothing had been.
    public func reserve(tokens: Int, model: String? = nil) -> Result<WorkReservation, ThrottleRefusal> {
        let limiters = self.applying(to: model)
        if case .refused(let refusal) = Self.check(tokens, limiters) { return .failure(refusal) }
        var handles: [ThrottleReservation] = []
        handles.reserveCapacity(limiters.count)
        for limiter in limiters {
            switch limiter.reserve(tokens) {
            case .success(let reservation): handles.append(reservation)
            case .failure(let refusal):
                self.cancel(WorkReservation(tokens: tokens, handles: handles))
                if case .refused(let all) = Self.check(tokens, limiters) { return .failure(refusal.orLonger(all)) }
                return .failure(refusal)
            }
        }
        return .success(WorkReservation(tokens: tokens, handles: handles))
    }

    /// As ``RateLimiter/settle(_:actualTokens:)`` with every limiter.
    public func settle(_ reservation: WorkReservation, actualTokens: Int) {
        for handle in reservation.handles { self.byNumber[handle.limiter]?.settle(handle, actualTokens: actualTokens) }
    }

    /// As ``RateLimiter/adjust(_:toTokens:)`` with every limiter.
    public func adjust(_ reservation: WorkReservation, toTokens tokens: Int) {
        for handle in reservation.handles { self.byNumber[handle.limiter]?.adjust(handle, toTokens: tokens) }
    }

    /// As ``RateLimiter/cancel(_:)`` with every limiter.
    public func cancel(_ reservation: WorkReservation) {
        for handle in reservation.handles { self.byNumber[handle.limiter]?.cancel(handle) }
    }

    /// What may be spent now, on any work and on that of the models with limits of their own.
    public func budget() -> WorkBudget {
        var budget = WorkBudget()
        for limiter in self.limiters {
            let own = limiter.budget()
            budget.tokens = Self.lesser(budget.tokens, own.tokens)
            budget.capacity = Self.lesser(budget.capacity, own.capacity)
            if own.isExhausted { budget.isExhausted = true }
        }
        for (model, limiter) in self.models {
            let own = limiter.budget()
            // Without requests there is nothing for the model, not even for work without tokens.
            budget.modelTokens[model] = own.isExhausted ? min(own.tokens ?? -1, -1) : own.tokens
        }
        return budget
    }

    private static func lesser(_ one: Int?, _ other: Int?) -> Int? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }

    /// Tokens that every limiter has left; `nil`: none of them limits tokens.
    public func availableTokens(model: String? = nil) -> Int? {
        self.applying(to: model).compactMap(\.availableTokens).min()
    }

    /// Requests that every limiter has left; `nil`: none of them limits requests.
    public func availableRequests(model: String? = nil) -> Int? {
        self.applying(to: model).compactMap(\.availableRequests).min()
    }

    /// The most tokens that one request can ever reserve; `nil`: any number.
    public func tokenCapacity(model: String? = nil) -> Int? {
        self.applying(to: model).compactMap(\.tokenCapacity).min()
    }
}
