import SluiceBasics

/// Where a request has been.
package struct RouteTrail: Sendable, Equatable {
    /// A bit for each target.
    private(set) var tried: UInt64 = 0
    /// It goes by this list of fallbacks instead of the ordinary targets.
    var list: FallbackClass?
    /// What it met last.
    var last: FallbackClass?
    private(set) var lastTarget: Int?
    /// How often it went to another target because of what is in it. No retries: no backend was in trouble. At most
    /// once for each target.
    private(set) var moves = 0

    package init() {}

    func hasTried(_ target: Int) -> Bool { self.tried & (1 << UInt64(target)) != 0 }

    mutating func note(_ target: Int) {
        self.tried |= 1 << UInt64(target)
        self.lastTarget = target
    }

    mutating func noteMove() { self.moves += 1 }
}

/// What the router has to know of a request.
package struct RouteFacts: Sendable {
    package var model: String
    package var isStream: Bool
    /// Whether the backend may be asked twice for the same.
    package var mayRepeat: Bool
    /// Attempts after the one that is to be chosen.
    package var attemptsLeft: Int

    package init(model: String, isStream: Bool, mayRepeat: Bool = true, attemptsLeft: Int = 2) {
        self.model = model
        self.isStream = isStream
        self.mayRepeat = mayRepeat
        self.attemptsLeft = attemptsLeft
    }
}

/// Where a call goes, and how long it is waited for.
package struct RouteChoice: Sendable, Equatable {
    /// Index in the plan.
    package let target: Int
    package let backend: String
    /// Instead of the one that the client asked for.
    package let model: String?
    /// Of the whole answer, or of the first content of a stream.
    package let timeout: Duration?
    /// When the answer, of a stream the first content, is late enough to ask somebody else too.
    package let hedgeAfter: Duration?
}

/// What there is for a request that has just failed.
package enum RouteOutlook: Sendable, Equatable {
    /// Another target, now.
    case another
    /// One that it has not tried, but not before this.
    case anotherLater(Instant)
    /// Only what it has tried, not before this.
    case again(Instant)
    /// No target could do better.
    case nowhere
}

/// A target at one instant.
package struct RouteTargetStatus: Sendable, Equatable {
    package var target: RoutePlan.Target
    /// Only fallbacks lead there.
    package var isFallback: Bool
    package var inFlight: Int
    package var state: State
    /// Until it is asked again; `nil` unless it cools down.
    package var coolsFor: Duration?
    /// Why it was last left alone.
    package var cause: FailureClass?
    /// Moving means.
    package var firstToken: Duration?
    package var answer: Duration?
    package var attempts: UInt64
    package var failures: UInt64
    package var hedges: UInt64
    package var timesCooled: UInt64

    package enum State: String, Sendable, CaseIterable {
        case ready
        case cooling
        case probing
    }
}

/// What a dispatcher remembers of a request's way with it.
package struct RouteNotes: Sendable, Equatable {
    var trail = RouteTrail()
    /// Of the call that counts.
    var permit: RoutePermit?
    /// Of the second call at once, if there is one.
    var hedge: RoutePermit?
    /// What the pool's limit keeps for that one.
    var hedgeReservation: ThrottleReservation?
    var hadContent = false

    /// Keeps only what the next attempt has to know.
    mutating func clear() {
        self.permit = nil
        self.hedge = nil
        self.hedgeReservation = nil
        self.hadContent = false
    }
}
