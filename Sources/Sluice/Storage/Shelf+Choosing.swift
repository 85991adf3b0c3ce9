import SluiceBasics
import SluiceCore

// Handing out.
extension Shelf {
    /// Puts what may be spent into the lineup's terms. O(n log n) when a kind of limit is met for the first time.
    private mutating func prepare(_ modelTokens: [String: Int], tokens: Int?, capacity: Int?) {
        if tokens != nil || !modelTokens.isEmpty { self.lineup.trackSizes(true) }
        self.lineup.capacity = capacity ?? .max
        guard !modelTokens.isEmpty || !self.lanes.isEmpty else { return }
        for model in modelTokens.keys where self.lanes[model] == nil { self.addLane(model) }
        var rooms = [Int](repeating: .max, count: self.lanes.count + 1)
        for (model, room) in modelTokens {
            if let lane = self.lanes[model] { rooms[Int(lane)] = room }
        }
        self.lineup.laneRooms = rooms
    }

    private mutating func addLane(_ model: String) {
        // Further models share the lane of those without a limit; their limiter refuses when it comes to it.
        guard self.lanes.count < 254 else { return }
        let lane = UInt8(self.lanes.count + 1)
        self.lanes[model] = lane
        for slot in self.entries.indices where self.entries[slot].model == model {
            let isReady = self.entries[slot].phase == .ready
            if isReady { self.lineup.remove(UInt32(slot)) }
            self.entries[slot].lane = lane
            if isReady { self.lineup.insert(UInt32(slot), self.facts(UInt32(slot))) }
        }
    }

    func nextChange(now: Instant) -> Duration? { self.timers.first.map { max(.zero, $0.at - now) } }

    mutating func choose(_ budget: ChoiceBudget, now: Instant) -> StorageChoice {
        self.prepare(budget.modelTokens, tokens: budget.tokens, capacity: budget.capacity)
        switch self.lineup.choose(self.scheduling, budget: budget.tokens, now: now) {
        case .nothing where self.lineup.isEmpty: return .nothing(nextChange: self.nextChange(now: now))
        case .nothing: return .capped(nextChange: self.nextChange(now: now))
        case .blocked(let needs): return .blocked(self.needs(least: needs), nextChange: self.nextChange(now: now))
        case .held(let slot, let needs):
            let need = Need(tokens: needs, model: self.entries[Int(slot)].model)
            return .blocked([need], nextChange: self.nextChange(now: now))
        case .chosen(let chosen):
            let index = Int(chosen.slot)
            let facts = self.facts(chosen.slot).scoring(available: chosen.available, at: now)
            return .chosen(
                Ticket(
                    slot: chosen.slot,
                    sequence: self.entries[index].sequence,
                    tokens: self.entries[index].tokens,
                    model: self.entries[index].model,
                    facts: facts,
                    score: self.score(chosen, facts),
                    reason: Selection.Reason(chosen.reason),
                    compared: chosen.compared
                )
            )
        }
    }

    /// `least` is 0 when the budget was overdrawn.
    private func needs(least: Int) -> [Need] {
        if self.lanes.isEmpty, least > 0 { return [Need(tokens: least, model: nil)] }
        let smallest = self.lineup.smallestByLane
        var needs = self.lanes.compactMap { model, lane in smallest[lane].map { Need(tokens: $0, model: model) } }
        if let others = smallest[0] { needs.append(Need(tokens: others, model: nil)) }
        return needs
    }

    private func score(_ chosen: Chosen, _ facts: ScoringFacts) -> Double {
        guard chosen.reason == .overdue, case .scored(let weights) = self.scheduling.order else { return chosen.score }
        return weights.score(facts)
    }

    /// What the lineup compares, gathered.
    private final class Recorder {
        var slots: [UInt32] = []
    }

    mutating func candidates(_ query: CandidateQuery, now: Instant) -> CandidateList<Payload> {
        self.prepare(query.modelTokens, tokens: query.maximumTokens ?? .max, capacity: query.capacity)
        let recorder = Recorder()
        let limit = max(0, query.limit)
        let policy = SchedulingPolicy(
            order: .scored(.balanced),
            candidates: limit,
            maximumWait: Instant.distantFuture - .zero
        )
        _ = self.lineup.choose(policy, budget: query.maximumTokens, now: now) { slot in
            recorder.slots.append(slot)
            return 0
        }
        let entries = self.entries
        recorder.slots.sort { left, right in
            let (first, second) = (entries[Int(left)], entries[Int(right)])
            return first.priority != second.priority
                ? first.priority < second.priority : first.sequence < second.sequence
        }
        let oldest = self.lineup.oldest(capacity: query.capacity ?? .max, budget: query.maximumTokens)
        return CandidateList(
            candidates: recorder.slots.prefix(limit).map { self.candidate($0, query, now: now) },
            oldest: oldest.waiting.map { self.candidate($0, query, now: now) },
            oldestAdmitted: oldest.admitted.map { self.candidate($0, query, now: now) },
            smallest: self.smallest,
            nextChange: self.nextChange(now: now)
        )
    }

    /// By model where models have limits of their own, as `""` for all others.
    private var smallest: [String: Int] {
        Dictionary(self.needs(least: 0).map { ($0.model ?? "", $0.tokens) }, uniquingKeysWith: min)
    }

    private func candidate(_ slot: UInt32, _ query: CandidateQuery, now: Instant) -> Candidate<Payload> {
        Candidate(
            attributes: self.attributes(slot, now: now),
            payload: query.needsPayloads ? self.payloads[Int(slot)] : nil
        )
    }

    mutating func claim(_ slot: UInt32, lease: Duration, now: Instant) -> ClaimedMessage<Payload>? {
        let index = Int(slot)
        guard self.entries[index].phase == .ready, let payload = self.payloads[index] else { return nil }
        self.lineup.claim(slot, cost: self.entries[index].tokens)
        self.readyByPriority[Int(self.entries[index].priority.rawValue)] -= 1
        self.tokens += 1
        self.entries[index].phase = .leased
        self.entries[index].token = self.tokens
        if self.entries[index].receiveCount < .max { self.entries[index].receiveCount += 1 }
        self.leased += 1
        self.timers.set(slot, at: now + max(.zero, lease))
        return ClaimedMessage(
            receipt: Receipt(id: self.entries[index].id, token: self.tokens),
            attributes: self.attributes(slot, now: now),
            payload: payload
        )
    }
}

// Giving back, dead letters, counts.
extension Shelf {
    mutating func release(_ slot: UInt32, after delay: Duration, undoesReceive: Bool, error: String?, now: Instant) {
        let index = Int(slot)
        self.detach(slot)
        if undoesReceive, self.entries[index].receiveCount > 0 { self.entries[index].receiveCount -= 1 }
        if let error {
            self.entries[index].extras = ShelfEntry.Extras(
                metadata: self.entries[index].extras?.metadata ?? [:],
                lastError: error
            )
        }
        self.wait(slot, until: delay > .zero ? now + delay : now, now: now)
    }

    func deadLetters(limit: Int, now: Instant) -> [DeadLetter<Payload>] {
        (0..<min(max(0, limit), self.dead.count)).compactMap { rank in
            guard let slot = self.dead.element(at: rank)?.value, let payload = self.payloads[Int(slot)]
            else { return nil }
            return DeadLetter(
                attributes: self.attributes(slot, now: now),
                payload: payload,
                reason: self.entries[Int(slot)].extras?.reason ?? .permanentFailure
            )
        }
    }

    mutating func redrive(_ id: String, now: Instant) -> Bool {
        guard let slot = self.slots[id], slot != Self.tombstone, self.entries[Int(slot)].phase == .dead
        else { return false }
        let index = Int(slot)
        self.detach(slot)
        self.entries[index].receiveCount = 0
        self.entries[index].expiresAt = .distantFuture
        self.entries[index].extras = self.entries[index].extras.map {
            ShelfEntry.Extras(metadata: $0.metadata, lastError: $0.lastError)
        }
        self.wait(slot, until: now, now: now)
        return true
    }

    mutating func purge() -> Int {
        let count = self.live + self.dead.count
        var empty = Shelf(
            maximumMessages: self.maximumMessages,
            maximumDeadLetters: self.maximumDeadLetters,
            maximumRemembered: self.maximumRemembered
        )
        empty.scheduling = self.scheduling
        empty.tenants = self.tenants
        empty.lineup.configure(self.tenants)
        empty.sequence = self.sequence
        empty.tokens = self.tokens
        self = empty
        return count
    }

    func statistics(now: Instant) -> StorageStatistics {
        StorageStatistics(
            readyByPriority: self.readyByPriority,
            delayed: self.delayed,
            inFlight: self.leased,
            dead: self.dead.count,
            oldestAge: self.lineup.oldest().map { max(.zero, now - self.entries[Int($0)].enqueuedAt) },
            nextChange: self.nextChange(now: now)
        )
    }
}

extension Selection.Reason {
    init(_ reason: Chosen.Reason) {
        self =
            switch reason {
            case .order: .order
            case .score: .score
            case .belowMinimum: .belowMinimum
            case .overdue: .overdue
            }
    }
}
