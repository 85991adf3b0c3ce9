import SluiceBasics
import SluiceCore

/// Why a message has not run yet, or what it was when it did.
package struct LabExplanation: Sendable {
    package struct Scorer: Sendable {
        package var name: String
        /// 0…1, before its weight.
        package var value: Double
        package var weight: Double
        package var contribution: Double
    }

    package var message: LabMessage
    package var tenant: String
    /// Empty where no scores are made.
    package var scorers: [Scorer]
    package var total: Double?
    package var minimum: Double?
    /// Tokens that the scorers took as available; `nil`: not limited.
    package var available: Int?
    /// While it waits.
    package var explanation: Explanation?
    package var submission: Submission?
    /// Number of the message that would be taken now, if it is another.
    package var winner: UInt64?
}

// What can be seen.
extension LabSimulation {
    /// Who is looked at for the order of the line, over those who are shown.
    private static let looked = 2

    /// - Parameter pending: how many of those that wait are shown.
    package mutating func frame(pending limit: Int = 200) -> LabFrame {
        let line = self.machine.line(0, limit: limit * Self.looked, now: self.now)
        var pending: [LabFrame.Place] = []
        for place in line.prefix(limit) {
            guard var message = self.lives[Int(place.seat)]?.message else { continue }
            // Its pause is over.
            message.state = .pending
            pending.append(
                LabFrame.Place(message: message, total: place.score?.total, isOverdue: place.isOverdue)
            )
        }
        var processing: [LabMessage] = []
        var delayed: [LabMessage] = []
        for life in self.lives {
            guard let message = life?.message else { continue }
            if message.state == .processing { processing.append(message) }
            if message.state == .delayed, (message.dueAt ?? .zero) > self.now { delayed.append(message) }
        }
        processing.sort { ($0.startedAt ?? .zero, $0.number) < ($1.startedAt ?? .zero, $1.number) }
        delayed.sort { ($0.dueAt ?? .zero, $0.number) < ($1.dueAt ?? .zero, $1.number) }
        for message in delayed.prefix(max(0, limit - pending.count)) {
            pending.append(LabFrame.Place(message: message, total: nil, isOverdue: false))
        }
        let (tokens, requests) = self.machine.allowance(0, now: self.now)
        let status = self.machine.status(LabScenario.poolName, now: self.now)
        let next = self.arrivals.due
        return LabFrame(
            now: self.now,
            pendingCount: self.live - self.running,
            delayedCount: delayed.count,
            processingCount: self.running,
            totals: self.totals,
            pending: pending,
            processing: processing,
            done: self.ended.suffix(Self.keptDone).reversed(),
            classes: self.classes(),
            tenants: self.tenants(),
            tokensLeft: tokens,
            requestsLeft: requests,
            breaker: status?.breaker.state ?? .closed,
            waitingReason: status?.waitingReason,
            lastMinute: self.series.recent(60),
            lastMinuteSeconds: min(60, self.series.closed(0)),
            fairness: self.fairness.index,
            arrivesNextAt: next == .distantFuture ? nil : next
        )
    }

    private func classes() -> [LabFrame.Class] {
        self.classBooks.indices.map { index in
            var one = self.classBooks[index]
            one.p50 = self.recentWaits[index].percentile(0.5)
            one.p95 = self.recentWaits[index].percentile(0.95)
            return one
        }
    }

    /// Tenants that are shown: the scenario's, then whoever else has work, up to as many as a scenario may have.
    private func tenants() -> [LabFrame.Tenant] {
        let known = Set(self.scenario.tenants.map(\.name))
        let mine = self.tenantBooks.filter { known.contains($0.name) }
        let others = self.tenantBooks.filter { !known.contains($0.name) && $0.pending + $0.processing + $0.done > 0 }
        return (mine + others).prefix(LabScenario.mostTenants).map { tenant in
            var tenant = tenant
            tenant.service = self.machine.virtualService(tenant.name, pool: 0)
            return tenant
        }
    }

    /// By its number; `nil`: it has gone too long ago, or never was.
    package mutating func explain(_ number: UInt64) -> LabExplanation? {
        if let seat = self.lives.firstIndex(where: { $0?.message.number == number }), let life = self.lives[seat] {
            var explanation = self.explanation(life.message)
            guard life.message.state != .processing, let handle = life.handle else { return explanation }
            explanation.explanation = self.machine.explain(handle, now: self.now)
            explanation.winner = explanation.explanation?.winner?.id?.low
            explanation.submission = self.machine.record(handle)?.submission
            if let scoring = self.machine.scoring(handle, now: self.now) {
                explanation.scorers = Self.scorers(scoring.facts, scoring.weights)
                explanation.total = scoring.weights.breakdown(scoring.facts).total
                explanation.minimum = self.scenario.minimumScore
                explanation.available = scoring.facts.availableTokens
            }
            return explanation
        }
        return self.ended.last { $0.number == number }.map { self.explanation($0) }
    }

    private func explanation(_ message: LabMessage) -> LabExplanation {
        LabExplanation(
            message: message,
            tenant: self.arrivals.names[message.tenant],
            scorers: message.score.map { Self.scorers($0, message.weights) } ?? [],
            total: message.score?.total
        )
    }

    /// What it was when it started.
    private static func scorers(_ score: ScoreBreakdown, _ weights: ScoringWeights?) -> [LabExplanation.Scorer] {
        Self.parts(score).map { name, contribution in
            let weight = weights?[named: name] ?? 0
            let value = weight > 0 ? min(1, contribution / weight) : 0
            return LabExplanation.Scorer(name: name, value: value, weight: weight, contribution: contribution)
        }
    }

    private static func scorers(_ facts: ScoringFacts, _ weights: ScoringWeights) -> [LabExplanation.Scorer] {
        let unit = ScoringWeights(
            priority: 1,
            efficiency: 1,
            waitTime: 1,
            retry: 1,
            tokenFit: 1,
            processingTime: 1
        )
        return zip(Self.parts(unit.breakdown(facts)), Self.parts(weights.breakdown(facts))).map { one, other in
            LabExplanation.Scorer(
                name: one.0,
                value: one.1,
                weight: weights[named: one.0] ?? 0,
                contribution: other.1
            )
        }
    }

    private static func parts(_ score: ScoreBreakdown) -> [(String, Double)] {
        [
            ("priority", score.priority), ("efficiency", score.efficiency), ("wait_time", score.waitTime),
            ("retry", score.retry), ("token_fit", score.tokenFit), ("processing_time", score.processingTime),
        ]
    }
}
