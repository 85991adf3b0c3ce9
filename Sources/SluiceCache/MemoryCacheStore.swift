import SluiceBasics

/// Answers in memory, bounded in bytes. What was not asked for the longest makes room.
///
/// DESIGN. A slab of slots, linked in the order of their use, and a table of their places: every operation is O(1).
/// Bytes are counted with all that surrounds an answer. What has outlived its time goes when it is met: by a question,
/// or at the far end of the order, where each new answer looks at a few.
package final class MemoryCacheStore: CacheStore {
    private struct Slot: Sendable {
        var key: CacheKey
        var entry: CacheEntry
        var expires: Instant
        var size: Int
        /// Neighbours in the order of use; `none` at its ends.
        var newer: Int
        var older: Int
    }

    private struct State: Sendable {
        var places: [CacheKey: Int] = [:]
        var slots: [Slot?] = []
        var free: [Int] = []
        var newest = MemoryCacheStore.none
        var oldest = MemoryCacheStore.none
        var figures = CacheStoreFigures()
    }

    private static let none = -1
    /// The key, the slot, its share of the table and of the allocator's rounding.
    private static let overhead = 320
    /// Outlived answers that are given back for each that comes.
    private static let expiriesAtOnce = 2

    private let maximumBytes: Int
    private let maximumEntry: Int
    private let clock: any TimeSource
    private let state = Lock(State())

    /// - Parameters:
    ///   - maximumBytes: of all answers and what surrounds them.
    ///   - maximumEntry: bytes of one answer.
    package init(maximumBytes: Int, maximumEntry: Int, clock: any TimeSource) {
        self.maximumBytes = maximumBytes
        self.maximumEntry = maximumEntry
        self.clock = clock
    }

    package var figures: CacheStoreFigures { self.state.withLock { $0.figures } }

    package func find(_ key: CacheKey) async -> CacheEntry? { self.findAtOnce(key) }

    /// As `find`, for whoever cannot wait.
    package func findAtOnce(_ key: CacheKey) -> CacheEntry? {
        let now = self.clock.now()
        return self.state.withLock { state -> CacheEntry? in
            guard let place = state.places[key], let slot = state.slots[place] else { return nil }
            guard now < slot.expires else {
                Self.remove(place, &state)
                return nil
            }
            if state.newest != place {
                Self.unlink(slot, &state)
                Self.linkNewest(place, &state)
            }
            return slot.entry
        }
    }

    package func keep(_ entry: CacheEntry, for key: CacheKey, timeToLive: Duration) async {
        let size = entry.size + Self.overhead
        let now = self.clock.now()
        self.state.withLock { state in
            if let place = state.places[key] { Self.remove(place, &state) }
            guard entry.size <= self.maximumEntry, size <= self.maximumBytes else {
                state.figures.tooLarge += 1
                return
            }
            self.makeRoom(size, now, &state)
            let slot = Slot(
                key: key,
                entry: entry,
                expires: now + timeToLive,
                size: size,
                newer: Self.none,
                older: Self.none
            )
            let place = state.free.popLast() ?? state.slots.count
            if place == state.slots.count { state.slots.append(slot) } else { state.slots[place] = slot }
            state.places[key] = place
            Self.linkNewest(place, &state)
            state.figures.stored += 1
            state.figures.entries += 1
            state.figures.bytes += size
        }
    }

    private func makeRoom(_ size: Int, _ now: Instant, _ state: inout State) {
        for _ in 0..<Self.expiriesAtOnce {
            guard state.oldest != Self.none, let slot = state.slots[state.oldest], slot.expires <= now else { break }
            Self.remove(state.oldest, &state)
        }
        while state.figures.bytes + size > self.maximumBytes, state.oldest != Self.none {
            if let slot = state.slots[state.oldest], now < slot.expires { state.figures.evicted += 1 }
            Self.remove(state.oldest, &state)
        }
    }

    // MARK: The order of use

    private static func linkNewest(_ place: Int, _ state: inout State) {
        state.slots[place]?.older = state.newest
        state.slots[place]?.newer = Self.none
        if state.newest != Self.none { state.slots[state.newest]?.newer = place }
        state.newest = place
        if state.oldest == Self.none { state.oldest = place }
    }

    private static func unlink(_ slot: Slot, _ state: inout State) {
        if slot.newer != Self.none { state.slots[slot.newer]?.older = slot.older } else { state.newest = slot.older }
        if slot.older != Self.none { state.slots[slot.older]?.newer = slot.newer } else { state.oldest = slot.newer }
    }

    private static func remove(_ place: Int, _ state: inout State) {
        guard let slot = state.slots[place] else { return }
        Self.unlink(slot, &state)
        state.slots[place] = nil
        state.free.append(place)
        state.places[slot.key] = nil
        state.figures.entries -= 1
        state.figures.bytes -= slot.size
    }

    /// What is wrong with the order, the table or the count of bytes; `nil` when all agree. For tests.
    package func fault() -> String? {
        self.state.withLock { state in
            var seen = 0
            var bytes = 0
            var newer = Self.none
            var place = state.newest
            while place != Self.none {
                guard let slot = state.slots[place] else { return "slot \(place) of the order is vacant" }
                if slot.newer != newer { return "slot \(place) has another neighbour" }
                if state.places[slot.key] != place { return "slot \(place) is not in the table" }
                seen += 1
                bytes += slot.size
                newer = place
                place = slot.older
                if seen > state.slots.count { return "the order has no end" }
            }
            if state.oldest != newer { return "the order ends elsewhere" }
            if seen != state.places.count || seen != state.figures.entries { return "\(seen) slots, not so many keys" }
            if bytes != state.figures.bytes { return "\(bytes) bytes, counted \(state.figures.bytes)" }
            return bytes > self.maximumBytes ? "\(bytes) bytes are too many" : nil
        }
    }
}
