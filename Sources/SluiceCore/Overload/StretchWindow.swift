import SluiceBasics

/// What was seen of a backend since its concurrency last changed.
struct StretchWindow: Sendable {
    private(set) var openedAt: Instant
    private(set) var count = 0
    /// Of the square roots: the square of their mean gives outliers little weight.
    private var roots = 0.0
    private var sum = 0.0
    private var inFlight = 0
    private var followedTo: Instant
    /// In flight, integrated over time, in seconds.
    private var area = 0.0

    private static let leastCount = 16
    private static let mostCount = 256
    /// Standard error of `stretch` that is good enough.
    private static let error = 0.05

    init(now: Instant) {
        self.openedAt = now
        self.followedTo = now
    }

    var stretch: Double {
        guard self.count > 0 else { return 1 }
        let root = self.roots / Double(self.count)
        return root * root
    }

    /// Whether `stretch` is known well enough, as far as the samples scatter.
    var isTelling: Bool {
        guard self.count >= Self.leastCount else { return false }
        guard self.count < Self.mostCount else { return true }
        let count = Double(self.count)
        let mean = self.roots / count
        let variance = max(0, self.sum / count - mean * mean)
        // The relative error of a square is twice that of its root.
        return 4 * variance <= Self.error * Self.error * count * mean * mean
    }

    /// In flight on average.
    func mean(at now: Instant) -> Double {
        let span = (now - self.openedAt).inSeconds
        return span > 0 ? self.area / span : Double(self.inFlight)
    }

    mutating func follow(inFlight: Int, at now: Instant) {
        if now > self.followedTo {
            self.area += Double(self.inFlight) * (now - self.followedTo).inSeconds
            self.followedTo = now
        }
        self.inFlight = max(0, inFlight)
    }

    mutating func add(stretch: Double) {
        self.count += 1
        self.sum += stretch
        self.roots += stretch.squareRoot()
    }

    /// Begins anew; what is in flight stays so.
    mutating func reopen(at now: Instant) {
        self.openedAt = now
        self.followedTo = max(now, self.followedTo)
        self.count = 0
        self.roots = 0
        self.sum = 0
        self.area = 0
    }
}
