import SluiceBasics

/// What a queue does about dequeues.
enum QueueMode: Sendable {
    case running
    case paused
    case stopped
}

/// A message that a consumer of this queue has, or that is fetched ahead.
struct HeldMessage: Sendable {
    var receipt: Receipt
    var priority: Priority
    var startedAt: Instant
    /// Renewed no longer than until then.
    var renewedUntil: Instant
    var tokens: Int
    var limiter: (any WorkLimiter)?
    var reservation: WorkReservation?
    /// Somebody is settling it just now.
    var isSettling = false
    /// Its lease was found to be gone.
    var isLost = false
    /// Somebody wants it to be given up.
    var isCancelled = false
    /// Nobody works on it yet.
    var isFetchedAhead = false
}

/// What a queue keeps behind its lock.
struct QueueState<Payload: Sendable>: Sendable {
    var policy: QueuePolicy
    var mode = QueueMode.running
    var book: MetricsBook
    var random: SeededRandom
    private var idPrefix = ""
    private var idNumber: UInt64 = 0
    /// By place; places are reused.
    var held: [HeldMessage?] = []
    private var freePlaces: [UInt32] = []
    var renewals = IndexedHeap()
    /// Messages handed out and not settled, and dequeues that may still get one.
    var inFlight = 0
    /// Those dequeues, and how many there have been.
    var looking = 0
    var looks: UInt64 = 0
    /// Somebody found no room because dequeues that were looking took it.
    var refusedForLooks = false
    /// Requests that were cancelled while a dequeue may have had them, though not in `held`, by the number of the
    /// newest dequeue then.
    var cancelledDuringLook: [String: UInt64] = [:]
    var buffer = PrefetchBuffer<Payload>()
    /// Messages that the store is being told to take back.
    var givingBack = 0
    /// When to look for expired messages in a store that does not choose itself.
    var nextExpiry = Instant.zero

    init(policy: QueuePolicy, seed: UInt64) {
        self.policy = policy
        self.book = MetricsBook(retention: policy.metricsRetention)
        self.random = SeededRandom(seed: seed)
        self.renewPrefix()
    }

    private static var digits: [Character] { Array("0123456789abcdefghijklmnopqrstuv") }

    private static func text(_ number: UInt64, digits count: Int) -> String {
        let digits = Self.digits
        return String((0..<count).map { digits[Int(truncatingIfNeeded: number >> UInt64(5 * $0)) & 31] })
    }

    /// After a name of ours turned out to be taken by another queue.
    mutating func renewPrefix() {
        self.idPrefix = Self.text(self.random.next(), digits: 7)
        self.idNumber = 0
    }

    /// Fifteen bytes, which a string holds without allocating: 35 random bits of the queue, and a number.
    mutating func makeID() -> String {
        self.idNumber += 1
        var id = self.idPrefix
        id.append("-")
        var number = self.idNumber
        repeat {
            let digit = UInt8(truncatingIfNeeded: number & 31)
            id.unicodeScalars.append(Unicode.Scalar(digit < 10 ? 48 + digit : 87 + digit))
            number >>= 5
        } while number > 0
        return id
    }

    // MARK: Dequeues

    /// Makes room for a dequeue, or says why there is none.
    mutating func beginLook() -> (number: UInt64, refusal: NoWork?) {
        let refusal: NoWork.Reason
        switch self.mode {
        case .running:
            guard self.inFlight >= self.policy.maximumInFlight ?? .max else {
                self.inFlight += 1
                self.looking += 1
                self.looks += 1
                return (self.looks, nil)
            }
            refusal = .atCapacity
            if self.looking > 0 {
                // Whoever looks may find nothing and go away.
                self.refusedForLooks = true
                return (0, NoWork(reason: refusal, retry: .after(self.policy.storagePolling)))
            }
        case .paused: refusal = .paused
        case .stopped: refusal = .stopped
        }
        return (0, NoWork(reason: refusal, retry: .onChange))
    }

    /// The dequeue has brought something or not; whether somebody was refused because of it who may look now.
    mutating func endLook(hasWork: Bool) -> Bool {
        self.looking -= 1
        if self.looking == 0 { self.cancelledDuringLook = [:] }
        guard !hasWork, self.refusedForLooks else { return false }
        self.refusedForLooks = false
        return true
    }

    // MARK: Held messages

    mutating func hold(_ message: HeldMessage) -> UInt32 {
        if let place = self.freePlaces.popLast() {
            self.held[Int(place)] = message
            return place
        }
        self.held.append(message)
        return UInt32(self.held.count - 1)
    }

    /// The message at a place, if it is still the same.
    func held(_ place: UInt32, _ token: UInt64) -> HeldMessage? {
        guard let message = self.held[Int(place)], message.receipt.token == token else { return nil }
        return message
    }

    @discardableResult
    mutating func letGo(_ place: UInt32, _ token: UInt64) -> HeldMessage? {
        guard let message = self.held(place, token) else { return nil }
        self.held[Int(place)] = nil
        self.freePlaces.append(place)
        self.renewals.remove(place)
        return message
    }

    var heldCount: Int { self.held.count - self.freePlaces.count }
}
