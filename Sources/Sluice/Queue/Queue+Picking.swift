import SluiceBasics
import SluiceCore

// Choosing among the candidates of a store that does not choose itself, or with scorers of the program's own.
extension Queue {
    /// - Parameter looksFurther: the store's own choice does not do, because it does not know all of the limiter.
    func pick(_ budget: WorkBudget, _ terms: DequeueTerms, looksFurther: Bool) async -> Pick<Payload> {
        if let chooser = self.chooser, self.scorers.isEmpty, !looksFurther {
            let choice = chooser.choose(
                ChoiceBudget(tokens: budget.tokens, modelTokens: budget.modelTokens, capacity: budget.capacity)
            )
            switch choice {
            case .chosen(let ticket): return .ticket(ticket)
            case .nothing(let nextChange): return .nothing(nextChange: nextChange)
            case .capped(let nextChange): return .capped(nextChange: nextChange)
            case .blocked(let needs, let nextChange): return .blocked(needs, nextChange: nextChange)
            }
        }
        do {
            return try await self.pickAmongCandidates(budget, terms, looksFurther: looksFurther)
        } catch {
            return .failed(error)
        }
    }

    private func pickAmongCandidates(
        _ budget: WorkBudget,
        _ terms: DequeueTerms,
        looksFurther: Bool
    ) async throws(StorageError) -> Pick<Payload> {
        try await self.expireNow(terms)
        let query = CandidateQuery(
            limit: looksFurther ? max(1_000, terms.scheduling.candidates) : terms.scheduling.candidates,
            maximumTokens: budget.tokens,
            modelTokens: budget.modelTokens,
            capacity: budget.capacity,
            needsPayloads: !self.scorers.isEmpty
        )
        if let pick = self.pickFromBuffer(query, budget, terms) { return pick }
        // What comes in from here on may be better than what the store answers.
        self.state.withLock { $0.buffer.isStale = false }
        let list: CandidateList<Payload>
        do {
            list = try await self.storage.candidates(query)
        } catch {
            self.state.withLock { $0.buffer.isStale = true }
            throw error
        }
        var contest = Contest<Payload>(budget: budget, terms: terms, scorers: self.scorers)
        let buffered = self.state.withLock { $0.buffer.items }
        let candidates = list.candidates.filter {
            query.admits(tokens: $0.attributes.estimatedTokens, model: $0.attributes.model)
        }
        for item in buffered { contest.consider(item, at: self.clock.now(), query) }
        for candidate in candidates { contest.consider(candidate.attributes, candidate.payload, query) }
        if case .fifo = terms.scheduling.order, let oldest = list.oldestAdmitted {
            // Candidates come by priority: the first of all may be behind them.
            contest.consider(oldest.attributes, oldest.payload, query)
        }
        self.note(contest.failures)
        for oldest in [list.oldest, list.oldestAdmitted] {
            if let oldest, let pick = contest.overdue(oldest, query) { return pick }
        }
        guard let best = contest.winner else {
            let ours = buffered.map(\.message.attributes).map { Need(tokens: $0.estimatedTokens, model: $0.model) }
            let needs = list.smallest.map { Need(tokens: $0.value, model: $0.key.isEmpty ? nil : $0.key) } + ours
            guard !needs.isEmpty else { return .nothing(nextChange: list.nextChange) }
            return .blocked(needs, nextChange: list.nextChange)
        }
        if let item = best.item {
            let isOurs = self.state.withLock { $0.buffer.remove(token: item.message.receipt.token) != nil }
            return isOurs ? .buffered(item, best.selection) : .beaten
        }
        let others = candidates.map(\.attributes.id).filter { $0 != best.attributes.id }
        return .candidate(best.attributes, best.selection, further: self.worthFetching(others, terms))
    }

    /// Messages whose time to live has ended are buried now and then; they are never candidates.
    private func expireNow(_ terms: DequeueTerms) async throws(StorageError) {
        guard self.chooser == nil else { return }
        let now = self.clock.now()
        let isDue = self.state.withLock { state in
            guard state.nextExpiry <= now else { return false }
            state.nextExpiry = now + terms.polling
            return true
        }
        guard isDue else { return }
        let expired = try await self.storage.expire(limit: 1_000)
        if !expired.isEmpty { self.count(expired: expired) }
    }

    private func note(_ failures: [Contest<Payload>.Failure]) {
        guard !failures.isEmpty else { return }
        self.state.withLock { $0.book.totals.scorerFailures += failures.count }
        for failure in failures {
            self.tell(.scorerFailed(name: failure.name, id: failure.id, failure: failure.reason))
        }
    }

    // MARK: Fetching ahead

    /// The best of what was fetched ahead, while nothing has come in that could be better.
    private func pickFromBuffer(_ query: CandidateQuery, _ budget: WorkBudget, _ terms: DequeueTerms) -> Pick<Payload>?
    {
        guard terms.prefetch != nil, self.chooser == nil else { return nil }
        let now = self.clock.now()
        let changes = self.ear.changes
        let items = self.state.withLock { state -> [PrefetchBuffer<Payload>.Item] in
            // What the store cannot tell is found out by asking now and then.
            let isOld = !self.storageTells && state.buffer.askedAt + terms.polling <= now
            guard !state.buffer.isStale, !isOld, state.buffer.seenChanges == changes else {
                state.buffer.askedAt = now
                state.buffer.seenChanges = changes
                return []
            }
            return state.buffer.items
        }
        guard !items.isEmpty else { return nil }
        var contest = Contest<Payload>(budget: budget, terms: terms, scorers: self.scorers)
        for item in items { contest.consider(item, at: now, query) }
        self.note(contest.failures)
        guard let best = contest.winner, let item = best.item else { return nil }
        let isOurs = self.state.withLock { $0.buffer.remove(token: item.message.receipt.token) != nil }
        return isOurs ? .buffered(item, best.selection) : .beaten
    }

    /// As many as were wanted lately, and at most half of what is there: others want work too.
    private func worthFetching(_ others: [String], _ terms: DequeueTerms) -> [String] {
        guard let prefetch = terms.prefetch, self.chooser == nil else { return [] }
        let now = self.clock.now()
        let count = self.state.withLock { state in
            let demand = min(state.buffer.demand(at: now), prefetch.bufferSize)
            return max(0, min(demand - state.buffer.items.count, others.count / 2))
        }
        return Array(others.prefix(count))
    }

    func claim(
        _ id: String,
        further: [String],
        _ selection: Selection,
        _ terms: DequeueTerms
    ) async throws(StorageError) -> Taken? {
        let claimed = try await self.storage.claim([id] + further, lease: terms.lease)
        let now = self.clock.now()
        var taken: Taken?
        var earliest: Instant?
        for message in claimed {
            if message.receipt.id == id {
                taken = Taken(message: message, selection: selection)
                continue
            }
            let attention = now + min(terms.lease / 3, terms.prefetch?.patience ?? terms.lease / 3)
            self.state.withLock { state in
                let place = state.hold(
                    .init(
                        receipt: message.receipt,
                        priority: message.attributes.priority,
                        startedAt: now,
                        renewedUntil: .distantFuture,
                        tokens: message.attributes.estimatedTokens,
                        isFetchedAhead: true
                    )
                )
                state.renewals.set(place, at: attention)
                state.buffer.items.append(.init(message: message, place: place, claimedAt: now))
            }
            earliest = attention
        }
        if let earliest { self.caretaker.attend(self, before: earliest) }
        return taken
    }
}

/// Candidates that are compared for one dequeue.
struct Contest<Payload: Sendable> {
    struct Failure: Sendable {
        var name: String
        var id: String
        var reason: String
    }

    struct Entrant: Sendable {
        var attributes: MessageAttributes
        var item: PrefetchBuffer<Payload>.Item?
        var selection: Selection
    }

    let budget: WorkBudget
    let terms: DequeueTerms
    let scorers: [any QueueScorer<Payload>]
    private(set) var best: Entrant?
    /// The oldest of those fetched ahead that have waited for too long.
    private var overdueItem: Entrant?
    private(set) var failures: [Failure] = []
    private var compared = 0

    init(budget: WorkBudget, terms: DequeueTerms, scorers: [any QueueScorer<Payload>]) {
        self.budget = budget
        self.terms = terms
        self.scorers = scorers
    }

    /// What the scorers take as available for a message.
    private func available(_ model: String?) -> Int? {
        guard let model, let room = self.budget.modelTokens[model] else { return self.budget.tokens }
        return min(room, self.budget.tokens ?? .max)
    }

    mutating func consider(_ item: PrefetchBuffer<Payload>.Item, at now: Instant, _ query: CandidateQuery) {
        var attributes = item.message.attributes
        guard query.admits(tokens: attributes.estimatedTokens, model: attributes.model) else { return }
        attributes.age += max(.zero, now - item.claimedAt)
        // It was not received by anybody yet who works on it.
        attributes.receiveCount = max(0, attributes.receiveCount - 1)
        self.consider(attributes, item.message.payload, query, item)
        guard attributes.age >= self.terms.scheduling.maximumWait,
            attributes.sequence < self.overdueItem?.attributes.sequence ?? .max
        else { return }
        var selection = self.selection(attributes, item.message.payload)
        selection.reason = .overdue
        self.overdueItem = Entrant(attributes: attributes, item: item, selection: selection)
    }

    /// What is taken if nothing in the store has waited for too long.
    var winner: Entrant? { self.overdueItem ?? self.best }

    mutating func consider(
        _ attributes: MessageAttributes,
        _ payload: Payload?,
        _ query: CandidateQuery,
        _ item: PrefetchBuffer<Payload>.Item? = nil
    ) {
        let selection = self.selection(attributes, payload)
        self.compared += 1
        if let best = self.best, !self.isBetter(attributes, selection, than: best) {
            self.best?.selection.compared = self.compared
            return
        }
        self.best = Entrant(attributes: attributes, item: item, selection: selection)
        self.best?.selection.compared = self.compared
    }

    private func isBetter(_ attributes: MessageAttributes, _ selection: Selection, than best: Entrant) -> Bool {
        switch self.terms.scheduling.order {
        case .fifo: return attributes.sequence < best.attributes.sequence
        case .priority: break
        case .scored:
            if selection.score != best.selection.score { return selection.score > best.selection.score }
        }
        return (attributes.priority, attributes.sequence) < (best.attributes.priority, best.attributes.sequence)
    }

    private mutating func selection(_ attributes: MessageAttributes, _ payload: Payload?) -> Selection {
        let facts = ScoringFacts(
            priority: attributes.priority,
            tokens: attributes.estimatedTokens,
            availableTokens: self.available(attributes.model),
            wait: attributes.age,
            receiveCount: attributes.receiveCount,
            expectedProcessing: attributes.expectedProcessing
        )
        var selection = Selection(
            reason: .order,
            score: 0,
            compared: 0,
            facts: facts,
            weights: self.terms.weights,
            customScores: []
        )
        guard case .scored(let weights) = self.terms.scheduling.order else { return selection }
        selection.score = weights.score(facts)
        if let payload { selection.customScores = self.customScores(attributes, payload, facts) }
        for custom in selection.customScores { selection.score += custom.score }
        if !selection.score.isFinite { selection.score = 0 }
        selection.reason = selection.score < self.terms.scheduling.minimumScore ? .belowMinimum : .score
        return selection
    }

    private mutating func customScores(
        _ attributes: MessageAttributes,
        _ payload: Payload,
        _ facts: ScoringFacts
    ) -> [ScoreBreakdown.Custom] {
        let context = ScorerContext(availableTokens: facts.availableTokens, candidates: self.compared + 1)
        var scores: [ScoreBreakdown.Custom] = []
        for scorer in self.scorers {
            let failure: String
            do {
                let score = try scorer.score(attributes, payload, context) * scorer.weight
                if score.isFinite {
                    scores.append(.init(name: scorer.name, score: score))
                    continue
                }
                failure = "not a finite number"
            } catch {
                failure = "\(error)"
            }
            self.failures.append(Failure(name: scorer.name, id: attributes.id, reason: failure))
            scores.append(.init(name: scorer.name, score: 0, failure: failure))
        }
        return scores
    }

    /// Who has waited for too long goes first, or has tokens saved for it; `nil`: nobody has.
    mutating func overdue(_ oldest: Candidate<Payload>, _ query: CandidateQuery) -> Pick<Payload>? {
        let attributes = oldest.attributes
        guard attributes.age >= self.terms.scheduling.maximumWait else { return nil }
        if let model = attributes.model, let room = self.budget.modelTokens[model], attributes.estimatedTokens > room {
            return nil
        }
        guard query.admits(tokens: attributes.estimatedTokens, model: attributes.model) else {
            return .blocked([Need(tokens: attributes.estimatedTokens, model: attributes.model)], nextChange: nil)
        }
        var selection = self.selection(attributes, oldest.payload)
        selection.reason = .overdue
        selection.compared = self.compared
        return .candidate(attributes, selection, further: [])
    }
}
