import SluiceBasics

/// Several limits of which those that apply all have to agree: of a model, a key, a tenant.
///
/// Reserves in all of them or in none; a refusal names the one that holds longest.
package struct CombinedThrottle: Sendable {
    /// A limit, by its place.
    package struct Member: Sendable, Hashable {
        let index: Int
    }

    package struct Reservation: Sendable, Hashable {
        var parts: [(Member, ThrottleReservation)]

        package static func == (left: Reservation, right: Reservation) -> Bool {
            left.parts.map(\.1) == right.parts.map(\.1)
        }

        package func hash(into hasher: inout Hasher) {
            for part in self.parts { hasher.combine(part.1) }
        }
    }

    private struct Entry: Sendable {
        var name: String
        var throttle: Throttle
    }

    private var entries: [Entry] = []

    package init() {}

    /// - Parameter name: Named in refusals.
    package mutating func add(
        _ name: String,
        _ limit: RateLimit,
        options: ThrottleOptions = ThrottleOptions(),
        now: Instant
    ) -> Member {
        let number = UInt32(truncatingIfNeeded: self.entries.count)
        self.entries.append(Entry(name: name, throttle: Throttle(limit, options: options, number: number, now: now)))
        return Member(index: self.entries.count - 1)
    }

    /// One of the limits, to look at or to change it.
    package subscript(member: Member) -> Throttle {
        get { self.entries[member.index].throttle }
        _modify { yield &self.entries[member.index].throttle }
    }

    /// Whether `reserve` would succeed.
    package mutating func check(_ tokens: Int, of members: [Member], at now: Instant) -> ThrottleAnswer {
        var longest: ThrottleRefusal?
        for member in members {
            guard case .refused(var refusal) = self[member].check(tokens, at: now) else { continue }
            refusal.limiter = self.entries[member.index].name
            longest = longest?.orLonger(refusal) ?? refusal
        }
        return longest.map { .refused($0) } ?? .allowed
    }

    /// Charges one request and its tokens to all members, or to none. A member that is named twice pays twice.
    package mutating func reserve(
        _ tokens: Int,
        of members: [Member],
        at now: Instant
    ) -> Result<Reservation, ThrottleRefusal> {
        if case .refused(let refusal) = self.check(tokens, of: members, at: now) { return .failure(refusal) }
        var reservation = Reservation(parts: [])
        reservation.parts.reserveCapacity(members.count)
        for member in members {
            switch self[member].reserve(tokens, at: now) {
            case .success(let part): reservation.parts.append((member, part))
            case .failure(var refusal):
                // Only when a member is named twice and has room for one.
                self.cancel(reservation, at: now)
                refusal.limiter = self.entries[member.index].name
                return .failure(refusal)
            }
        }
        return .success(reservation)
    }

    package mutating func settle(_ reservation: Reservation, actual: Int, at now: Instant) {
        for (member, part) in reservation.parts { self[member].settle(part, actual: actual, at: now) }
    }

    package mutating func cancel(_ reservation: Reservation, at now: Instant) {
        for (member, part) in reservation.parts { self[member].cancel(part, at: now) }
    }
}
