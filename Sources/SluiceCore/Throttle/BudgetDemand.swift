import SluiceBasics

/// How much a dispatcher wants to hold of a budget, from what it has used and what was refused.
struct BudgetDemand: Sendable {
    /// What was refused since the last question: the least of it, since any of it would start work.
    private(set) var need: BudgetAmount?
    /// How often in a row enough was there and yet more was wanted: what is asked for doubles each time.
    private var plenty = 0
    /// Per second.
    private var tokenPace = 0.0
    private var requestPace = 0.0
    /// The largest reservation of late: what the next one may need.
    private var usual = 0
    private var used = BudgetAmount.zero
    private(set) var lastUse: Instant?

    var isStarved: Bool { self.need != nil }

    mutating func use(_ tokens: Int, at now: Instant) {
        self.used.tokens = self.used.tokens.addingSaturated(tokens)
        self.used.requests = self.used.requests.addingSaturated(1)
        self.usual = max(self.usual, tokens)
        self.lastUse = now
        self.need = nil
    }

    mutating func refuse(_ tokens: Int) {
        let need = self.need ?? BudgetAmount(tokens: .max, requests: 1)
        self.need = BudgetAmount(tokens: min(need.tokens, tokens), requests: 1)
    }

    /// What was used since the last question becomes the pace: at once when it is faster, slowly when it is slower.
    mutating func measure(_ span: Duration) {
        let seconds = max(0.02, span.inSeconds)
        func pace(_ old: Double, _ used: Int) -> Double {
            let new = Double(used) / seconds
            if new >= old { return new }
            // A quarter of the way for each quarter of a second.
            let share = min(1, seconds)
            return old + (new - old) * share
        }
        self.tokenPace = pace(self.tokenPace, self.used.tokens)
        self.requestPace = pace(self.requestPace, self.used.requests)
        if self.used.requests == 0 && seconds >= 1 { self.usual /= 2 }
        self.used = .zero
    }

    /// - Parameters:
    ///   - holders: who share the budget.
    ///   - horizon: how long it should last, in seconds.
    /// - Returns: all that should be held.
    func target(_ limits: BudgetLimits, holders: Int, horizon: Double) -> BudgetAmount {
        BudgetAmount(
            tokens: self.target(
                self.tokenPace,
                4 * self.usual,
                self.need?.tokens,
                limits.tokenRate,
                limits.tokenCapacity,
                holders,
                horizon
            ),
            requests: self.target(
                self.requestPace,
                2,
                self.need?.requests,
                limits.requestRate,
                limits.requestCapacity,
                holders,
                horizon
            )
        )
    }

    private func target(
        _ pace: Double,
        _ reserve: Int,
        _ need: Int?,
        _ rate: Int,
        _ capacity: Int,
        _ holders: Int,
        _ horizon: Double
    ) -> Int {
        guard rate >= 0 else { return 0 }
        let most = Double(capacity)
        // Held back for what may come, unless it would be missed elsewhere.
        let spare = min(reserve, capacity / (4 * max(1, holders)))
        var target = max(pace * horizon * 1.25, spare >= reserve / 4 ? Double(spare) : 0)
        if let need {
            // Everybody who starves asks for the same, or whoever used more would be given ever more.
            target = max(target, Double(rate) / 60 * horizon * Double(1 << min(self.plenty, 30)), Double(need))
        }
        return Int(min(target.rounded(.up), most))
    }

    /// What is needed less fits into nothing that comes.
    mutating func drop() { self.need = nil }

    /// The question has been asked: only what is refused from now on counts.
    mutating func asked() -> BudgetAmount? {
        defer { self.need = nil }
        return self.need
    }

    /// - Parameter wasAllGiven: whether all was there that was asked for.
    mutating func answered(_ need: BudgetAmount?, isMet: Bool, wasAllGiven: Bool) {
        if let need, !isMet, self.need == nil { self.need = need }
        self.plenty = need != nil && wasAllGiven ? self.plenty + 1 : (need == nil && wasAllGiven ? self.plenty / 2 : 0)
    }

    mutating func stop() {
        self.need = nil
        (self.tokenPace, self.requestPace, self.usual, self.plenty) = (0, 0, 0, 0)
    }
}

extension Int {
    func addingSaturated(_ other: Int) -> Int {
        let (sum, overflow) = self.addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
