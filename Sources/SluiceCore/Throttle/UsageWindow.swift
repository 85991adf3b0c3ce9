import SluiceBasics

/// What was admitted in the last 60 s.
///
/// DESIGN. What is admitted within the same 60 ms counts as admitted at the last of these moments. So at most 1,001
/// slots are needed whatever the rate, and the sum is never less than that of the exact window; a token becomes free
/// at most 60 ms late, which costs at most 0.1 % of the limit.
struct UsageWindow: Sendable {
    struct Slot: Sendable {
        /// The last moment that counts here, on the limiter's own clock, in nanoseconds.
        var latest: Int64
        var requests: Int
        var tokens: Int
    }

    static let length: Int64 = 60_000_000_000
    static let slotWidth: Int64 = 60_000_000

    private var slots: [Slot] = []
    private var start = 0
    /// Number of the slot at `start`; slots are numbered without end.
    private var startNumber = 0
    private(set) var requests = 0
    private(set) var tokens = 0

    /// Forgets what is 60 s old.
    @inline(always)
    mutating func advance(to now: Int64) {
        while self.start < self.slots.count, now - self.slots[self.start].latest >= Self.length { self.dropFirst() }
    }

    private mutating func dropFirst() {
        self.requests &-= self.slots[self.start].requests
        self.tokens &-= self.slots[self.start].tokens
        self.start += 1
        self.startNumber += 1
        if self.start == self.slots.count {
            self.slots.removeAll(keepingCapacity: true)
            self.start = 0
        } else if self.start >= 64 && self.start * 2 > self.slots.count {
            self.slots.removeSubrange(..<self.start)
            self.start = 0
        }
    }

    /// Counts one request, at least as late as all before. Returns the number of its slot.
    @inline(always)
    mutating func add(_ tokens: Int, requests: Int = 1, at now: Int64) -> Int {
        self.requests &+= requests
        self.tokens &+= tokens
        let last = self.slots.count - 1
        if last >= self.start, self.slots[last].latest / Self.slotWidth == now / Self.slotWidth {
            self.slots[last].latest = now
            self.slots[last].requests &+= requests
            self.slots[last].tokens &+= tokens
        } else {
            self.slots.append(Slot(latest: now, requests: requests, tokens: tokens))
        }
        return self.startNumber + self.slots.count - 1 - self.start
    }

    /// Corrects what was counted in the slot; what has left the window does not change any more.
    mutating func correct(slot: Int, requests: Int, tokens: Int) {
        guard slot >= self.startNumber else { return }
        let index = self.start + slot - self.startNumber
        guard index < self.slots.count else { return }
        self.slots[index].requests &+= requests
        self.slots[index].tokens &+= tokens
        self.requests &+= requests
        self.tokens &+= tokens
    }

    /// Nanoseconds until `amount` more stay within `limit`; `nil`: never.
    func wait(for amount: Int, of kind: LimitKind, limit: Int, now: Int64) -> Int64? {
        guard amount <= limit else { return nil }
        var excess = (kind == .requests ? self.requests : self.tokens) &+ amount &- limit
        guard excess > 0 else { return 0 }
        for slot in self.slots[self.start...] {
            excess &-= kind == .requests ? slot.requests : slot.tokens
            if excess <= 0 { return slot.latest + Self.length - now }
        }
        return Self.length
    }

    /// Oldest first.
    var live: ArraySlice<Slot> { self.slots[self.start...] }
}
