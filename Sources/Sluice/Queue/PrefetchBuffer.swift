import SluiceBasics

/// Messages that were claimed ahead of demand.
struct PrefetchBuffer<Payload: Sendable>: Sendable {
    struct Item: Sendable {
        var message: ClaimedMessage<Payload>
        var place: UInt32
        var claimedAt: Instant
    }

    var items: [Item] = []
    /// Deliveries in the current second and the one before: what is worth fetching ahead.
    private var second: Int64 = 0
    private var delivered = 0
    private var deliveredBefore = 0
    /// How often the store had said that it changed, and when it was last asked.
    var seenChanges: UInt64 = 0
    var askedAt = Instant.zero
    /// Something has come in since the store was last asked that may be better than what is here.
    var isStale = true

    mutating func noteDelivery(at now: Instant) {
        self.advance(to: now)
        self.delivered += 1
    }

    private mutating func advance(to now: Instant) {
        let second = max(0, now.nanoseconds) / 1_000_000_000
        guard second != self.second else { return }
        self.deliveredBefore = second == self.second + 1 ? self.delivered : 0
        self.delivered = 0
        self.second = second
    }

    /// How many messages to have ready: as many as were wanted lately, one at least.
    mutating func demand(at now: Instant) -> Int {
        self.advance(to: now)
        return max(1, self.delivered, self.deliveredBefore)
    }

    /// Takes these out in one pass; answers which were there.
    mutating func removeAll(_ tokens: Set<UInt64>) -> Set<UInt64> {
        guard !tokens.isEmpty else { return [] }
        var removed: Set<UInt64> = []
        self.items.removeAll { item in
            let token = item.message.receipt.token
            guard tokens.contains(token) else { return false }
            removed.insert(token)
            return true
        }
        return removed
    }

    mutating func remove(token: UInt64) -> Item? {
        guard let index = self.items.firstIndex(where: { $0.message.receipt.token == token }) else { return nil }
        return self.items.remove(at: index)
    }
}
