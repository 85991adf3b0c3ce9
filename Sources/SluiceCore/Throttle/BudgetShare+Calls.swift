import SluiceBasics

// What is asked of the keeper, and when.
extension BudgetShare {
    /// When to call `question` next; `nil`: not before something happens here.
    package func nextLook(at now: Instant) -> Instant? {
        if self.hasLeft { return nil }
        if let asked = self.asked { return asked.at }
        let last = self.lastAsked ?? Instant(nanoseconds: .min)
        var next: Instant?
        func consider(_ instant: Instant) { next = min(next ?? instant, instant) }
        if self.demand.isStarved { consider(last + self.starvingPace) }
        if self.isRunningLow { consider(last + Self.pace) }
        if self.hasNewLimit && self.lastAsked != nil { consider(now) }
        if self.tokens > 0 || self.requests > 0 {
            if self.isLeaving { return now }
            consider(max(last + Self.pace, self.leaseEnds - Self.lease + Self.renewal))
            if let use = self.demand.lastUse { consider(max(last + Self.pace, use + Self.idleAfter)) }
        }
        if self.isLeaving && self.book.openCount == 0 { return now }
        guard self.limits.isLimited else {
            if !self.isLeaving { consider(self.lastAsked.map { $0 + Self.curiosity } ?? now) }
            return next.map { max($0, now) }
        }
        let hasNews = !self.refunds.isEmpty || self.tokens < 0 || self.requests < 0 || self.lapsed != .zero
        if hasNews { consider(last + Self.reportAfter) }
        return next.map { max($0, now) }
    }

    /// Whether what is held may be used up before the next question could be answered.
    var isRunningLow: Bool {
        self.lastAnswer != nil && (self.tokens < self.lowWater.tokens || self.requests < self.lowWater.requests)
    }

    /// At once while there is plenty; as soon as enough can be there; often enough to keep our place in the line.
    private var starvingPace: Duration {
        guard let answer = self.lastAnswer, let need = self.demand.need else { return .zero }
        guard !answer.isMet || !self.isPlenty(answer) else { return Self.quickPace }
        guard !self.limits.isStrict else { return Self.pace }
        func wait(_ need: Int, _ left: Int, _ rate: Int) -> Double {
            rate > 0 ? Double(max(0, need.addingSaturated(-left))) / Double(rate) * 60 : 0
        }
        let seconds = max(
            wait(need.tokens, answer.left.tokens, self.limits.tokenRate),
            wait(need.requests, answer.left.requests, self.limits.requestRate)
        )
        return min(max(Self.pace, .nanoseconds(Int64(min(seconds, 1) * 1e9))), Self.slowestPace)
    }

    private func isPlenty(_ answer: BudgetAnswer) -> Bool {
        let target = self.target(isIdle: false)
        return (self.limits.tokenRate < 0 || answer.left.tokens >= target.tokens)
            && (self.limits.requestRate < 0 || answer.left.requests >= target.requests)
    }

    private func target(isIdle: Bool) -> BudgetAmount {
        guard !isIdle else { return .zero }
        return self.demand.target(self.limits, holders: self.lastAnswer?.holders ?? 1, horizon: Self.horizon)
    }

    /// What to ask now; `nil`: nothing before `nextLook`. The same again while it has not been answered.
    package mutating func question(at now: Instant) -> BudgetQuestion? {
        self.isRestless = false
        if self.hasLeft { return nil }
        if self.asked != nil {
            // By now it would be counted anew, and what it reports twice.
            if let asked = self.asked, now - asked.at > Self.answersKept { self.asked?.question.refunds = [] }
            return self.asked?.question
        }
        guard let next = self.nextLook(at: now), next <= now else { return nil }
        self.lapse(at: now)
        self.demand.measure(self.lastAsked.map { now - $0 } ?? Self.pace)
        let isIdle = self.isLeaving || (!self.demand.isStarved && self.isIdle(at: now))
        if isIdle { self.demand.stop() }
        let need = self.isLeaving ? nil : self.demand.need
        let target = self.target(isIdle: isIdle)
        var question = BudgetQuestion(
            number: self.nextNumber,
            epoch: self.lastAnswered.map { now - $0 < Self.epochKept } ?? false ? self.lastAnswer?.epoch ?? 0 : 0,
            limits: BudgetLimits(self.limit),
            leaseMilliseconds: Int(Self.lease.inMilliseconds),
            kept: .zero,
            returned: self.lapsed,
            owed: BudgetAmount(tokens: max(0, -self.tokens), requests: max(0, -self.requests)),
            target: target,
            least: .zero,
            isLast: self.isLeaving && self.book.openCount == 0,
            refunds: self.takeRefunds()
        )
        if let need {
            question.least = BudgetAmount(
                tokens: self.limits.tokenRate >= 0 ? need.tokens : 0,
                requests: self.limits.requestRate >= 0 ? need.requests : 0
            )
        } else {
            question.kept.tokens = min(max(0, self.tokens), target.tokens)
            question.kept.requests = min(max(0, self.requests), target.requests)
        }
        question.returned.tokens += max(0, self.tokens) - question.kept.tokens
        question.returned.requests += max(0, self.requests) - question.kept.requests
        self.tokens = question.kept.tokens
        self.requests = question.kept.requests
        self.lapsed = .zero
        self.usedSince = .zero
        self.nextNumber += 1
        self.lastAsked = now
        self.hasNewLimit = false
        self.lowWater = BudgetAmount(tokens: .min, requests: .min)
        self.asked = Asked(question: question, need: self.demand.asked(), at: now)
        return question
    }

    /// What the keeper answered to the question that is on its way.
    package mutating func accept(_ answer: BudgetAnswer, at now: Instant) {
        guard let asked = self.asked else { return }
        self.asked = nil
        if let last = self.lastAnswer, last.epoch != answer.epoch { self.slots = [] }
        self.slots.removeAll { now - $0.at > .seconds(90) }
        self.slots.append((asked.question.number, answer.slot, now))
        self.lastAnswer = answer
        self.lastAnswered = now
        self.leaseEnds = asked.at + Self.leaseEnd
        // It was asked before the limit changed, and does not know the new one.
        self.limits = self.hasNewLimit ? answer.limits.stricter(BudgetLimits(self.limit)) : answer.limits
        self.tokens = answer.limits.tokenRate >= 0 ? answer.held.tokens.addingSaturated(-self.usedSince.tokens) : 0
        self.requests =
            answer.limits.requestRate >= 0 ? answer.held.requests.addingSaturated(-self.usedSince.requests) : 0
        self.usedSince = .zero
        let target = asked.question.target
        let wasAllGiven =
            (answer.limits.tokenRate < 0 || answer.held.tokens >= target.tokens)
            && (answer.limits.requestRate < 0 || answer.held.requests >= target.requests)
        self.demand.answered(asked.need, isMet: answer.isMet, wasAllGiven: wasAllGiven)
        self.hasLeft = asked.question.isLast
        let next = self.target(isIdle: self.isLeaving)
        self.lowWater.tokens = answer.limits.tokenRate >= 0 ? next.tokens - next.tokens / 4 : .min
        self.lowWater.requests = answer.limits.requestRate >= 0 ? next.requests - next.requests / 4 : .min
    }

    /// The keeper has answered a later question of somebody with our name: what this one asked for is not known.
    package mutating func disown(at now: Instant) {
        guard let asked = self.asked else { return }
        self.asked = nil
        self.tokens = min(0, self.tokens)
        self.requests = min(0, self.requests)
        self.usedSince = .zero
        self.demand.answered(asked.need, isMet: false, wasAllGiven: false)
    }

    /// Admits nothing more, gives everything back, and says goodbye once all reservations are settled.
    package mutating func leave() {
        self.isLeaving = true
        self.isRestless = true
    }

    /// What there is to say of the share, for people.
    func account(at now: Instant) -> String {
        if let asked = self.asked, now - asked.at >= .seconds(1) {
            return "the budget that the dispatchers share has not answered for \(Int((now - asked.at).inSeconds)) s"
        }
        guard let answer = self.lastAnswer, now < self.leaseEnds else { return "nothing is leased yet" }
        let left = [
            self.limits.tokenRate >= 0 ? "\(answer.left.tokens) tokens" : nil,
            self.limits.requestRate >= 0 ? "\(answer.left.requests) requests" : nil,
        ]
        let words = left.compactMap { $0 }.joined(separator: " and ")
        return "leased to this dispatcher, one of \(answer.holders); \(words) are left in the budget they share"
    }

    private func isIdle(at now: Instant) -> Bool { self.demand.lastUse.map { now - $0 >= Self.idleAfter } ?? true }

    /// What is left of a lease that has ended cannot be used any more. The keeper may still have it: it counts longer.
    private mutating func lapse(at now: Instant) {
        guard now >= self.leaseEnds else { return }
        self.lapsed.tokens = self.lapsed.tokens.addingSaturated(max(0, self.tokens))
        self.lapsed.requests = self.lapsed.requests.addingSaturated(max(0, self.requests))
        self.tokens = min(0, self.tokens)
        self.requests = min(0, self.requests)
    }

    /// What has come back since, of questions that have been answered: only they have a slot.
    private mutating func takeRefunds() -> [BudgetQuestion.Refund] {
        let numbers = self.refunds.keys.sorted().prefix(Self.mostRefunds)
        return numbers.compactMap { number in
            guard let amount = self.refunds.removeValue(forKey: number) else { return nil }
            let slot = self.slots.last { $0.number == number }?.slot ?? -1
            return BudgetQuestion.Refund(slot: slot, amount: amount)
        }
    }
}
