import SluiceBasics

/// How much has been sent in a lane, ever; wraps around, because only differences count.
package struct LaneAccount: Sendable, Equatable {
    var requests: UInt32 = 0
    var tokens: UInt32 = 0

    package init() {}
}

/// What a backend's provider allows, model by model.
///
/// DESIGN. Every model of a backend has a lane in the line, so that one whose limit is used up does not hold the others
/// up. Lane 0 is for pools that do not follow their provider's limits, and knows none. Models are named by clients, so
/// there are only so many lanes, and a new model takes over the one that was used longest ago; what still waits there
/// then goes by the limits of another, which is no more than impolite.
///
/// An answer says what was left when its request came in, or at some time after, depending on the provider. It is taken
/// for the time when the request was claimed, and at most `longestWay` later: what came back since is added, what was
/// sent since is taken off.
struct ProviderLanes: Sendable {
    private struct Lane: Sendable {
        var model: String
        var usedAt: Instant
        var allowance = ProviderAllowance()
        var account = LaneAccount()
        /// Of the newest answer that was believed.
        var learnedAt = Instant.zero
        var isKnown = false
    }

    private static let most = 64
    /// That a request may take from here to the provider's count, on a machine that is busy.
    private static let longestWay = Duration.milliseconds(250)

    private var lanes: [Lane] = []
    /// Those of which something is known.
    private var known: [UInt8] = []

    var isEmpty: Bool { self.known.isEmpty }

    /// The lane of a model.
    mutating func lane(of model: String, now: Instant) -> UInt8 {
        for index in self.lanes.indices where self.lanes[index].model == model {
            self.lanes[index].usedAt = now
            return UInt8(index + 1)
        }
        if self.lanes.count < Self.most {
            self.lanes.append(Lane(model: model, usedAt: now))
            return UInt8(self.lanes.count)
        }
        let oldest = self.lanes.indices.min { self.lanes[$0].usedAt < self.lanes[$1].usedAt } ?? 0
        self.lanes[oldest] = Lane(model: model, usedAt: now)
        self.known.removeAll { $0 == UInt8(oldest + 1) }
        return UInt8(oldest + 1)
    }

    private func index(_ lane: UInt8) -> Int? {
        lane > 0 && Int(lane) <= self.lanes.count ? Int(lane) - 1 : nil
    }

    /// A request goes out. Returns where the account stood before.
    mutating func charge(_ lane: UInt8, tokens: Int) -> LaneAccount {
        guard let index = self.index(lane) else { return LaneAccount() }
        let before = self.lanes[index].account
        self.lanes[index].account.requests &+= 1
        self.lanes[index].account.tokens &+= UInt32(truncatingIfNeeded: tokens)
        if self.lanes[index].isKnown { self.lanes[index].allowance.charge(tokens) }
        return before
    }

    /// An answer has said something.
    ///
    /// - Parameters:
    ///   - claimedAt: when its request was claimed, and `account` what was given to it then.
    ///   - tokens: those of the request itself.
    mutating func note(
        _ observation: ProviderObservation,
        lane: UInt8,
        account: LaneAccount,
        tokens: Int,
        claimedAt: Instant,
        now: Instant
    ) {
        guard let index = self.index(lane) else { return }
        if !self.lanes[index].isKnown {
            self.lanes[index].isKnown = true
            self.known.append(lane)
        }
        if let wait = observation.retryAfter { self.lanes[index].allowance.note(retryAfter: wait, at: now) }
        guard claimedAt >= self.lanes[index].learnedAt else { return }
        self.lanes[index].learnedAt = claimedAt
        let told = ProviderObservation(
            requests: observation.requests,
            tokens: observation.tokens,
            inputTokens: observation.inputTokens,
            outputTokens: observation.outputTokens
        )
        // It was said when the request had arrived: what came back on its way is in it already.
        self.lanes[index].allowance.note(told, at: min(now, claimedAt + Self.longestWay))
        // The provider has counted this one.
        let sent = self.lanes[index].account
        let requests = sent.requests &- account.requests &- 1
        let sum = sent.tokens &- account.tokens &- UInt32(truncatingIfNeeded: tokens)
        guard requests > 0, requests < 1 << 31 else { return }
        self.lanes[index].allowance.charge(sum < 1 << 31 ? Int(sum) : 0, requests: Int(requests))
    }

    /// Writes what each lane has left, as `Lineup` reads it.
    func fill(_ rooms: inout [Int], at now: Instant) {
        guard !self.known.isEmpty else {
            if !rooms.isEmpty { rooms.removeAll(keepingCapacity: true) }
            return
        }
        // Also those of which nothing is known any more.
        for lane in rooms.indices { rooms[lane] = .max }
        while rooms.count <= self.lanes.count { rooms.append(.max) }
        for lane in self.known { rooms[Int(lane)] = self.room(lane, at: now) }
    }

    /// Tokens that may go out now; less than 0: nothing may.
    func room(_ lane: UInt8, at now: Instant) -> Int {
        guard let index = self.index(lane), self.lanes[index].isKnown else { return .max }
        if let requests = self.lanes[index].allowance.availableRequests(at: now), requests < 1 { return -1 }
        guard let tokens = self.lanes[index].allowance.availableTokens(at: now) else { return .max }
        return tokens < 1 ? -1 : tokens
    }

    /// Whether requests, rather than tokens, are used up.
    func lacksRequests(_ lane: UInt8, at now: Instant) -> Bool {
        guard let index = self.index(lane), self.lanes[index].isKnown else { return false }
        return (self.lanes[index].allowance.availableRequests(at: now) ?? 1) < 1
    }

    /// How long a request of so many tokens has to wait for its lane alone.
    func wait(_ lane: UInt8, tokens: Int, at now: Instant) -> Duration {
        guard let index = self.index(lane), self.lanes[index].isKnown,
            case .refused(let refusal) = self.lanes[index].allowance.check(tokens, at: now)
        else { return .zero }
        return refusal.availableIn ?? .zero
    }

    /// When to look again; `nil`: nobody waits for a lane.
    ///
    /// - Parameter needs: by lane, tokens of the smallest that was not let through; `.max`: none.
    func due(needs: [Int], at now: Instant) -> Instant? {
        var least: Duration?
        for lane in self.known where Int(lane) < needs.count && needs[Int(lane)] < .max {
            let wait = self.wait(lane, tokens: max(1, needs[Int(lane)]), at: now)
            // By its own account there is room: another look will tell.
            least = min(least ?? .seconds(60), wait > .zero ? wait : .milliseconds(250))
        }
        return least.map { now + max(.milliseconds(1), $0) }
    }
}
