/// What a limiter counts.
public enum LimitKind: String, Sendable, Hashable, CaseIterable {
    case requests
    case tokens
}

/// Why work may not start now.
public struct ThrottleRefusal: Error, Sendable, Hashable {
    /// The limit that holds longest; of two that hold equally long, the one of requests.
    public var limit: LimitKind
    /// From now until the same question is answered with yes if nothing else happens, over all limits. `nil`: never,
    /// because more is asked for than the limit ever lets through at once.
    public var availableIn: Duration?
    /// Which of several limiters refused, by its name.
    public var limiter: String?

    public init(limit: LimitKind, availableIn: Duration?, limiter: String? = nil) {
        self.limit = limit
        self.availableIn = availableIn
        self.limiter = limiter
    }

    /// Waiting does not help.
    public var isNever: Bool { self.availableIn == nil }

    /// The one that holds longer; `self` when both hold equally long.
    package func orLonger(_ other: ThrottleRefusal) -> ThrottleRefusal {
        guard let mine = self.availableIn else { return self }
        guard let theirs = other.availableIn else { return other }
        return theirs > mine ? other : self
    }
}

public enum ThrottleAnswer: Sendable, Hashable {
    case allowed
    case refused(ThrottleRefusal)

    public var isAllowed: Bool { self == .allowed }
}

/// What `reserve` hands out and `settle` and `cancel` take back. Never given out twice by the same limiter, whatever
/// the requests are called.
public struct ThrottleReservation: Sendable, Hashable {
    package let serial: UInt64
    /// The limiter that made it, by number.
    package let limiter: UInt32

    package init(serial: UInt64, limiter: UInt32 = 0) {
        self.serial = serial
        self.limiter = limiter
    }
}

/// What became of a settlement.
public enum SettlementResult: Sendable, Hashable {
    /// The books now say what was really used.
    case settled
    /// The reservation was settled, cancelled or has expired before, or was never made here. Nothing changed.
    case unknownReservation
}
