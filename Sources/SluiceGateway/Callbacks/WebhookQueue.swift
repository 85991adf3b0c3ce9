import SluiceBasics
import SluiceProviders

/// One thing that happened, for one receiver.
struct WebhookMessage: Sendable {
    var event: WebhookEvent
    var report: CompletionReport
    var chunk: CompletionChunk?
    /// Milliseconds since 1970.
    var at: Int64

    /// What it takes while it waits.
    var size: Int {
        512 + (self.report.request?.count ?? 0) + (self.report.answer?.count ?? 0) + (self.chunk?.bytes?.count ?? 0)
    }

    /// Leaves what happened, without prompt and answer.
    mutating func dropContent() {
        self.report.request = nil
        self.report.answer = nil
        self.chunk?.bytes = nil
    }
}

/// What waits for a receiver, and when it is due: a value that is told the time.
///
/// Bounded in number and bytes. When there is no room the oldest message that waits is dropped, because the newest say
/// more of how things are; what is on its way is never taken back.
struct WebhookQueue: Sendable {
    struct Delivery: Sendable {
        let slot: UInt32
        let number: UInt64
        /// Counts from 1.
        let attempt: Int
        let message: WebhookMessage
    }

    enum Verdict: Sendable, Equatable {
        case delivered
        case failed(retryAfter: Duration?)
        /// The receiver wants nothing more of this message.
        case refused
    }

    struct Figures: Sendable, Equatable {
        var delivered: UInt64 = 0
        /// Deliveries that failed, each attempt counted.
        var failures: UInt64 = 0
        /// Messages that had to make room.
        var dropped: UInt64 = 0
        /// Messages that all attempts failed for.
        var givenUp: UInt64 = 0
    }

    private struct Item: Sendable {
        var number: UInt64
        var message: WebhookMessage
        var size: Int
        var attempts = 0
        var isUnderWay = false

        /// Not a time: what came earlier is less.
        var age: Instant { Instant(nanoseconds: Int64(clamping: self.number)) }
    }

    private let configuration: WebhookConfiguration
    private var random: SeededRandom
    private var items: [Item?] = []
    private var free: [UInt32] = []
    private var due = IndexedHeap()
    /// What waits, by its number: the oldest is found, and any one taken out, without a look at all others, because
    /// this happens on the path of requests.
    private var ages = IndexedHeap()
    private var nextNumber: UInt64 = 1
    /// Whether each message has one attempt left at most.
    private var isClosing = false
    private(set) var inFlight = 0
    private(set) var count = 0
    private(set) var bytes = 0
    /// Of those, what is on its way.
    private var bytesUnderWay = 0
    private(set) var figures = Figures()

    init(_ configuration: WebhookConfiguration, seed: UInt64) {
        self.configuration = configuration
        self.random = SeededRandom(seed: seed)
    }

    /// A message for which no room could be made even if all that waits went is told without its content, so that it
    /// does not cost the others their place.
    mutating func add(_ message: WebhookMessage, now: Instant) {
        var message = message
        let most = self.configuration.maximumBytes - self.bytesUnderWay
        if message.size > most { message.dropContent() }
        let size = message.size
        guard size <= most, self.inFlight < self.configuration.maximumEvents else {
            self.figures.dropped += 1
            return
        }
        while self.count >= self.configuration.maximumEvents || self.bytes + size > self.configuration.maximumBytes {
            guard let oldest = self.ages.first?.item else { break }
            self.remove(oldest)
            self.figures.dropped += 1
        }
        let item = Item(number: self.nextNumber, message: message, size: size)
        let slot = self.free.popLast() ?? UInt32(self.items.count)
        if Int(slot) == self.items.count { self.items.append(item) } else { self.items[Int(slot)] = item }
        self.ages.set(slot, at: item.age)
        self.nextNumber += 1
        self.count += 1
        self.bytes += size
        self.due.set(slot, at: now)
    }

    /// What is due, if there is room on the way.
    mutating func take(now: Instant) -> Delivery? {
        guard self.inFlight < self.configuration.maximumInFlight, let slot = self.due.popFirst(until: now),
            var item = self.items[Int(slot)]
        else { return nil }
        item.attempts += 1
        item.isUnderWay = true
        self.items[Int(slot)] = item
        self.ages.remove(slot)
        self.inFlight += 1
        self.bytesUnderWay += item.size
        return Delivery(slot: slot, number: item.number, attempt: item.attempts, message: item.message)
    }

    /// When `take` has something next; `nil` when nothing waits, or what is on its way has to come back first.
    var nextDue: Instant? { self.inFlight < self.configuration.maximumInFlight ? self.due.first?.at : nil }

    mutating func finish(_ delivery: Delivery, _ verdict: Verdict, now: Instant) {
        guard var item = self.items[Int(delivery.slot)], item.number == delivery.number, item.isUnderWay else { return }
        self.inFlight -= 1
        self.bytesUnderWay -= item.size
        switch verdict {
        case .delivered:
            self.figures.delivered += 1
            self.remove(delivery.slot)
        case .refused:
            self.figures.failures += 1
            self.figures.givenUp += 1
            self.remove(delivery.slot)
        case .failed(let retryAfter):
            self.figures.failures += 1
            guard item.attempts < self.configuration.maximumAttempts, !self.isClosing else {
                self.figures.givenUp += 1
                return self.remove(delivery.slot)
            }
            item.isUnderWay = false
            self.items[Int(delivery.slot)] = item
            self.ages.set(delivery.slot, at: item.age)
            self.due.set(delivery.slot, at: now + self.pause(after: item.attempts, asked: retryAfter))
        }
    }

    /// Between half of the ceiling, which doubles with each failure, and all of it; and as long as the receiver asks.
    private mutating func pause(after attempts: Int, asked: Duration?) -> Duration {
        let doubled = self.configuration.baseDelay * (1 << min(attempts - 1, 20))
        let ceiling = min(doubled, self.configuration.maximumDelay)
        let pause = ceiling / 2 + .nanoseconds(Int64(Double((ceiling / 2).wholeNanoseconds) * self.random.unit()))
        return max(pause, min(asked ?? .zero, self.configuration.maximumDelay))
    }

    /// What waits is due at once, and for the last time.
    mutating func close(now: Instant) {
        self.isClosing = true
        for (slot, item) in self.items.enumerated() {
            guard let item, !item.isUnderWay else { continue }
            self.due.set(UInt32(slot), at: now)
        }
    }

    private mutating func remove(_ slot: UInt32) {
        guard let item = self.items[Int(slot)] else { return }
        self.count -= 1
        self.bytes -= item.size
        self.items[Int(slot)] = nil
        self.free.append(slot)
        self.due.remove(slot)
        self.ages.remove(slot)
    }
}
