import SluiceBasics

/// Decides when a pool holds more than it can serve, and how fast to shed (CoDel, RFC 8289, with the age of what waits
/// in place of the sojourn time of packets).
///
/// DESIGN. Overload is not a long queue but one that stays: the age of the oldest request has been above `target` for a
/// whole `interval`. Then one request is shed, the next after interval/√2, then interval/√3 …, until the age is below
/// `target` again. Whoever falls back into it soon after goes on almost where it left off. While it lasts, new
/// requests of the class that is being shed are refused at the door: taking them in only to shed them would make them
/// wait for nothing.
///
/// What is shed is of the lowest class that waits: first who would miss his deadline anyhow, which costs nobody
/// anything, then the newest. CoDel drops the oldest, to tell a sender about congestion as soon as it can; here the
/// sender is told at the door. The oldest has paid for its place in line with its wait, is next to be served, and keeps
/// it; the newest loses least and is told at once.
package struct SheddingController: Sendable {
    package private(set) var policy: SheddingPolicy
    package private(set) var isShedding = false
    /// Shed since `isShedding` last became true, and what is carried on from before.
    package private(set) var count = 0
    /// Since when the age has been above the target.
    private var aboveSince: Instant?
    private var nextAt = Instant.zero
    /// When the oldest request would be too old.
    private var crossesAt: Instant?
    /// The count that the last time of shedding began with.
    private var beganWith = 0

    /// At one look no more are shed, however late it comes.
    private static let mostAtOnce = 32
    /// Intervals within which overload that comes back is the same overload.
    private static let memory: Int64 = 16

    package init(_ policy: SheddingPolicy = SheddingPolicy()) {
        self.policy = policy
    }

    package var isEnabled: Bool { self.policy.target != nil }

    package mutating func configure(_ policy: SheddingPolicy) {
        guard policy != self.policy else { return }
        self = SheddingController(policy)
    }

    /// When to look again, if nothing happens before; `nil`: no need to.
    package var due: Instant? {
        if self.isShedding { return self.nextAt }
        return self.aboveSince.map { $0 + self.policy.interval } ?? self.crossesAt
    }

    /// - Parameter oldest: since when the oldest request that could run has been waiting; `nil`: none waits. To be told
    ///   whenever one leaves.
    /// - Returns: how many to shed now.
    package mutating func look(oldest: Instant?, at now: Instant) -> Int {
        guard let target = self.policy.target else { return 0 }
        guard let oldest, now - oldest > target else {
            self.isShedding = false
            self.aboveSince = nil
            self.crossesAt = oldest.map { $0 + target + .nanoseconds(1) }
            return 0
        }
        guard let since = self.aboveSince else {
            self.aboveSince = now
            return 0
        }
        if !self.isShedding {
            guard now - since >= self.policy.interval else { return 0 }
            self.begin(at: now)
        }
        var due = 0
        while self.nextAt <= now && due < Self.mostAtOnce {
            due += 1
            self.count += 1
            self.nextAt = self.nextAt + self.spacing
        }
        if self.nextAt <= now { self.nextAt = now + self.spacing }
        return due
    }

    private var spacing: Duration {
        let span = Double(self.policy.interval.wholeNanoseconds) / Double(max(1, self.count)).squareRoot()
        return .nanoseconds(max(1, Int64(span)))
    }

    private mutating func begin(at now: Instant) {
        let shedLastTime = self.count - self.beganWith
        let isRecent = shedLastTime > 1 && now - self.nextAt < self.policy.interval * Int(Self.memory)
        self.isShedding = true
        self.count = isRecent ? shedLastTime : 0
        self.beganWith = self.count
        self.nextAt = now
    }

    /// Whether a new request of this class is refused while requests of `lowest` are the least important that wait.
    package func refuses(_ priority: Priority, lowest: Priority?) -> Bool {
        guard self.isShedding, let lowest else { return false }
        return priority >= lowest
    }
}
