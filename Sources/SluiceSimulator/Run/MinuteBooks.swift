import SluiceBasics

/// What was served in each whole minute, and who waited all through it: fairness and the use of limits can only be
/// judged while there is competition.
struct MinuteBooks {
    private static let minute = Duration.seconds(60)

    private let weights: [Double]
    private var now = Instant.zero
    private var minuteEnds = Instant.zero + MinuteBooks.minute
    /// Since when somebody of the tenant has been waiting without a break.
    private var since: [Instant?]
    private var anybodySince: Instant?
    private var service: [Double]
    private var tokens = 0.0
    private var requests = 0.0

    /// Jain's index of each minute in which two tenants or more waited all through.
    private(set) var fairness: [Double] = []
    /// Tokens and requests that started in minutes, the first excepted, in which somebody waited all through.
    private(set) var backlogged = (minutes: 0, tokens: 0.0, requests: 0.0)

    init(weights: [Double]) {
        self.weights = weights
        self.since = Array(repeating: nil, count: weights.count)
        self.service = Array(repeating: 0, count: weights.count)
    }

    mutating func waits(tenant: Int, _ count: Int, all: Int, at now: Instant) {
        self.since[tenant] = count > 0 ? (self.since[tenant] ?? now) : nil
        self.anybodySince = all > 0 ? (self.anybodySince ?? now) : nil
    }

    mutating func serve(tenant: Int, tokens: Int, service: Double) {
        self.service[tenant] += service / max(.leastNonzeroMagnitude, self.weights[tenant])
        self.tokens += Double(tokens)
        self.requests += 1
    }

    /// Before whatever happens at `now`.
    mutating func advance(to now: Instant) {
        while self.minuteEnds <= now && self.minuteEnds < .distantFuture {
            self.close()
            self.minuteEnds = self.minuteEnds + Self.minute
            // Of the whole minutes that follow until something happens, nothing but how many they are is to be seen.
            let idle = max(0, Int((now - self.minuteEnds) / Self.minute))
            guard idle > 0 else { continue }
            if let since = self.anybodySince, since <= self.minuteEnds - Self.minute {
                self.backlogged.minutes += idle
            } else if self.anybodySince != nil {
                // The first of them is one of which part had passed.
                continue
            }
            self.minuteEnds = self.minuteEnds + Self.minute * idle
        }
        self.now = now
    }

    private mutating func close() {
        let began = self.minuteEnds - Self.minute
        let contenders = self.since.indices.filter { self.since[$0].map { $0 <= began } ?? false }
        if contenders.count > 1, let index = JainIndex.of(contenders.map { self.service[$0] }) {
            self.fairness.append(index)
        }
        if let since = self.anybodySince, since <= began, began > .zero {
            self.backlogged.minutes += 1
            self.backlogged.tokens += self.tokens
            self.backlogged.requests += self.requests
        }
        for tenant in self.service.indices { self.service[tenant] = 0 }
        self.tokens = 0
        self.requests = 0
    }
}
