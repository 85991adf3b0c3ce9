import SluiceBasics

/// One slot of the queue's slab.
struct QueueEntry: Sendable {
    enum Phase: Sendable {
        case free
        /// In `ready`.
        case ready
        /// In `scheduled`: a delay has to pass first.
        case scheduled
        case claimed
        /// The call may have been sent.
        case started
        /// In `dead`.
        case dead
    }

    var generation: UInt32 = 0
    var phase: Phase = .free
    var cancelCause: CancelCause?
    var tenant: UInt32 = 0
    /// Its place in line, kept for life: a retry returns to it.
    var key = OrderKey(rank: 0, sequence: 0)
    /// Of the newest claim; stale unless the phase is claimed or started.
    var token: UInt64 = 0
    /// Counted attempts: throttled and released ones are given back.
    var attempts = 0
    var recoveries = 0
    /// Whether it is in `deadlines`.
    var watchesDeadline = false
    var deadline = Instant.zero
    var claimedAt = Instant.zero
    var payloadBytes = 0
    var notes = DispatchNotes()
    /// `nil` in a free slot only.
    var record: RequestRecord?

    var isQueued: Bool { self.phase == .ready || self.phase == .scheduled }
    var isInFlight: Bool { self.phase == .claimed || self.phase == .started }
    /// By sequence as well: keys of the deadline tree have to be unique.
    var deadlineKey: OrderKey {
        OrderKey(rank: UInt64(bitPattern: max(0, self.deadline.nanoseconds)), sequence: self.key.sequence)
    }
}

/// Counts live requests by tenant and forgets tenants that have none.
struct TenantCounts: Sendable {
    private var numbers: [String: UInt32] = [:]
    private var names: [String] = []
    private var counts: [Int] = []
    private var free: [UInt32] = []

    func count(of name: String) -> Int {
        self.numbers[name].map { self.counts[Int($0)] } ?? 0
    }

    var tenants: Int { self.numbers.count }

    /// Returns the tenant's number, valid until `leave`.
    mutating func enter(_ name: String) -> UInt32 {
        if let number = self.numbers[name] {
            self.counts[Int(number)] += 1
            return number
        }
        let number: UInt32
        if let reused = self.free.popLast() {
            number = reused
            self.names[Int(number)] = name
            self.counts[Int(number)] = 1
        } else {
            number = UInt32(self.counts.count)
            self.names.append(name)
            self.counts.append(1)
        }
        self.numbers[name] = number
        return number
    }

    mutating func leave(_ number: UInt32) {
        self.counts[Int(number)] -= 1
        guard self.counts[Int(number)] == 0 else { return }
        self.numbers[self.names[Int(number)]] = nil
        self.names[Int(number)] = ""
        self.free.append(number)
    }
}
