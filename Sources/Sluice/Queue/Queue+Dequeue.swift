import SluiceBasics
import SluiceCore

/// What a dequeue needs of the policy.
struct DequeueTerms: Sendable {
    var scheduling: SchedulingPolicy
    var weights: ScoringWeights
    var lease: Duration
    var maximumReceives: Int
    /// How long a lease is renewed; `nil`: not by the queue.
    var renewal: Duration?
    var prefetch: QueuePolicy.Prefetch?
    var polling: Duration
    /// The dequeue's number.
    var look: UInt64 = 0

    init(_ policy: QueuePolicy) {
        self.scheduling = policy.scheduling
        self.weights = policy.weights
        self.lease = policy.lease
        self.maximumReceives = policy.retry.maximumReceives
        if case .automatic(let limit) = policy.renewal { self.renewal = limit }
        self.prefetch = policy.prefetch
        self.polling = policy.storagePolling
    }
}

/// What a look at the store brought.
enum Pick<Payload: Sendable>: Sendable {
    case ticket(Ticket)
    /// A message of a store that does not choose itself, and what may be fetched with it.
    case candidate(MessageAttributes, Selection, further: [String])
    /// A message that was fetched ahead.
    case buffered(PrefetchBuffer<Payload>.Item, Selection)
    /// Somebody else was faster.
    case beaten
    case nothing(nextChange: Duration?)
    /// All that is ready belongs to tenants at their cap.
    case capped(nextChange: Duration?)
    case blocked([Need], nextChange: Duration?)
    case failed(StorageError)
}

// Handing work out.
extension Queue {
    /// A message to work on, leased and reserved with the limiter, or why there is none. Never waits.
    ///
    /// There is work whenever something that is ready fits what the limiter lets through, whatever else is in line
    /// before it, unless a message that has waited for longer than the policy's `maximumWait` is having tokens saved
    /// for it.
    public func dequeue(under limiter: (any WorkLimiter)? = nil) async -> DequeueAnswer<Payload> {
        await self.look(under: limiter).answer
    }

    /// A dequeue, and when to look again if it brings nothing.
    struct Look: Sendable {
        var answer: DequeueAnswer<Payload>
        /// Sooner than the answer's `retry` if something smaller may be ready by then; `nil`: as `retry` says.
        var nextChange: Duration?
        /// What the limiter let nobody begin, and for how long it will not; `nil`: never.
        var refused: [Need] = []
        var refusedFor: Duration?

        init(_ answer: DequeueAnswer<Payload>, nextChange: Duration? = nil) {
            self.answer = answer
            self.nextChange = nextChange
        }

        init(_ reason: NoWork.Reason, _ retry: NoWork.Retry, nextChange: Duration? = nil) {
            self.init(.nothing(NoWork(reason: reason, retry: retry)), nextChange: nextChange)
        }
    }

    func look(under limiter: (any WorkLimiter)?) async -> Look {
        let (terms, refusal) = self.state.withLock { state -> (DequeueTerms, NoWork?) in
            var terms = DequeueTerms(state.policy)
            let (number, refusal) = state.beginLook()
            terms.look = number
            return (terms, refusal)
        }
        if let refusal { return Look(.nothing(refusal)) }
        let look = await self.find(limiter, terms)
        self.noteExpired()
        let hasWork = if case .work = look.answer { true } else { false }
        if !hasWork { self.leave() }
        if self.state.withLock({ $0.endLook(hasWork: hasWork) }) { self.bell.wake() }
        return look
    }

    /// A dequeue without success, or a message that has been settled, makes room for another.
    func leave() {
        let isEmpty = self.state.withLock { state in
            state.inFlight -= 1
            return state.inFlight == 0 && state.mode == .stopped
        }
        if isEmpty { self.drained.ringAll() }
    }

    private func find(_ limiter: (any WorkLimiter)?, _ terms: DequeueTerms) async -> Look {
        var doubts = 0
        var refusals = Refusals()
        // Whoever is in the way got work himself: a bound is only there so that nothing can make this spin.
        for _ in 0..<1_000 where doubts < 3 {
            var budget = limiter?.budget() ?? WorkBudget()
            // Nothing fits less than nothing: the store names what would be first.
            if budget.isExhausted { budget.tokens = min(-1, budget.tokens ?? -1) }
            refusals.apply(to: &budget)
            let pick = await self.pick(budget, terms, looksFurther: refusals.repeated)
            switch pick {
            case .beaten: continue
            case .failed(let error):
                return Look(.unavailable(error.description), .after(terms.polling))
            case .nothing(let nextChange):
                return Look(.empty, self.retry(nextChange, terms))
            case .capped(let nextChange):
                return Look(.atCapacity, self.retry(nextChange, terms))
            case .blocked(let needs, let nextChange):
                guard let nothing = self.blocked(needs, nextChange, limiter, terms) else {
                    doubts += 1
                    // What was refused may be let through by now.
                    refusals.forget()
                    continue
                }
                return nothing
            case .ticket, .candidate, .buffered:
                switch await self.take(pick, limiter, terms) {
                case .answer(let answer): return Look(answer)
                case .beaten: continue
                case .refused(let need): refusals.note(need)
                }
            }
        }
        // What is small enough belongs to a tenant at its cap.
        return Look(.atCapacity, .after(.milliseconds(100)))
    }

    /// When to look again after finding nothing.
    private func retry(_ nextChange: Duration?, _ terms: DequeueTerms) -> NoWork.Retry {
        guard !self.storageTells else { return nextChange.map { .after($0) } ?? .onChange }
        return .after(min(nextChange ?? terms.polling, terms.polling))
    }

    /// When the first of the needs can be met; `nil`: one of them can be by now.
    private func blocked(
        _ needs: [Need],
        _ nextChange: Duration?,
        _ limiter: (any WorkLimiter)?,
        _ terms: DequeueTerms
    ) -> Look? {
        var first: ThrottleRefusal?
        for need in needs {
            guard case .refused(let refusal)? = limiter?.check(tokens: need.tokens, model: need.model) else {
                return nil
            }
            guard let span = refusal.availableIn else { continue }
            if span < first?.availableIn ?? .nanoseconds(Int64.max) { first = refusal }
        }
        let least = needs.map(\.tokens).min() ?? 0
        guard let first, let span = first.availableIn else {
            var look = Look(.allRefused(needs: least), self.retry(nextChange, terms))
            look.refused = needs
            return look
        }
        let change = self.storageTells ? nextChange : min(nextChange ?? terms.polling, terms.polling)
        var look = Look(.rateLimited(first.limit), .after(span), nextChange: change)
        look.refused = needs
        look.refusedFor = span
        return look
    }

    /// What a limiter has refused in the course of one dequeue: not to be picked again, whatever its budget says.
    private struct Refusals {
        private var rooms: [String: Int] = [:]
        private var room: Int?
        private var needs: [Need] = []
        /// The store has picked again what was refused.
        private(set) var repeated = false

        mutating func note(_ need: Need) {
            self.repeated = self.repeated || self.needs.contains(need)
            self.needs.append(need)
            if let model = need.model {
                self.rooms[model] = min(self.rooms[model] ?? .max, need.tokens - 1)
            } else {
                self.room = min(self.room ?? .max, need.tokens - 1)
            }
        }

        /// All but that it was necessary.
        mutating func forget() {
            self.rooms = [:]
            self.room = nil
        }

        func apply(to budget: inout WorkBudget) {
            if let room = self.room { budget.tokens = min(room, budget.tokens ?? .max) }
            for (model, room) in self.rooms {
                budget.modelTokens[model] = min(room, budget.modelTokens[model] ?? .max)
            }
        }
    }

    private enum Outcome {
        case answer(DequeueAnswer<Payload>)
        /// Somebody else was faster.
        case beaten
        case refused(Need)
    }

    /// Reserves and claims what was picked.
    private func take(
        _ pick: Pick<Payload>,
        _ limiter: (any WorkLimiter)?,
        _ terms: DequeueTerms
    ) async -> Outcome {
        let tokens: Int
        let model: String?
        switch pick {
        case .ticket(let ticket): (tokens, model) = (ticket.tokens, ticket.model)
        case .candidate(let attributes, _, _): (tokens, model) = (attributes.estimatedTokens, attributes.model)
        case .buffered(let item, _):
            (tokens, model) = (item.message.attributes.estimatedTokens, item.message.attributes.model)
        case .nothing, .capped, .blocked, .failed, .beaten: return .beaten
        }
        var reservation: WorkReservation?
        if let limiter {
            guard case .success(let made) = limiter.reserve(tokens: tokens, model: model) else {
                self.putBack(pick)
                return .refused(Need(tokens: tokens, model: model))
            }
            reservation = made
        }
        do {
            if let taken = try await self.claim(pick, terms) {
                if try await self.isWorthAnAttempt(taken.message, terms) {
                    return .answer(.work(self.deliver(taken, limiter, reservation, terms)))
                }
                if let place = taken.place {
                    self.state.withLock { _ = $0.letGo(place, taken.message.receipt.token) }
                }
            }
        } catch {
            self.putBack(pick)
            if let limiter, let reservation { limiter.cancel(reservation) }
            let retry = NoWork.Retry.after(terms.polling)
            return .answer(.nothing(NoWork(reason: .unavailable(error.description), retry: retry)))
        }
        if let limiter, let reservation { limiter.cancel(reservation) }
        return .beaten
    }

    /// A message that was fetched ahead stays so.
    private func putBack(_ pick: Pick<Payload>) {
        guard case .buffered(let item, _) = pick else { return }
        self.state.withLock { state in
            guard state.held(item.place, item.message.receipt.token)?.isFetchedAhead == true else { return }
            state.buffer.items.append(item)
        }
    }

    struct Taken: Sendable {
        var message: ClaimedMessage<Payload>
        var selection: Selection
        /// Where it is held already.
        var place: UInt32?
    }

    private func claim(_ pick: Pick<Payload>, _ terms: DequeueTerms) async throws(StorageError) -> Taken? {
        switch pick {
        case .ticket(let ticket):
            guard let message = self.chooser?.claim(ticket, lease: terms.lease) else { return nil }
            let selection = Selection(
                reason: ticket.reason,
                score: ticket.score,
                compared: ticket.compared,
                facts: ticket.facts,
                weights: terms.weights,
                customScores: []
            )
            return Taken(message: message, selection: selection)
        case .candidate(let attributes, let selection, let further):
            return try await self.claim(attributes.id, further: further, selection, terms)
        case .buffered(let item, let selection):
            // Whoever purged or lost it in the meantime makes this fail: what is handed out is really ours.
            guard try await self.storage.extend([item.message.receipt], lease: terms.lease).first == true else {
                self.state.withLock { state in
                    _ = state.letGo(item.place, item.message.receipt.token)
                    state.buffer.isStale = true
                }
                return nil
            }
            return Taken(message: item.message, selection: selection, place: item.place)
        case .nothing, .capped, .blocked, .failed, .beaten: return nil
        }
    }

    /// Whose consumers have vanished too often is buried instead of being handed out again.
    private func isWorthAnAttempt(
        _ message: ClaimedMessage<Payload>,
        _ terms: DequeueTerms
    ) async throws(StorageError) -> Bool {
        guard message.attributes.receiveCount > terms.maximumReceives else { return true }
        if try await self.storage.bury(message.receipt, reason: .tooManyReceives, error: nil) {
            self.state.withLock { $0.book.totals.deadLettered += 1 }
            self.tell(.deadLettered(id: message.receipt.id, reason: "too_many_receives"))
        }
        return false
    }
}
