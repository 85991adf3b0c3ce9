import SluiceBasics

/// What the dispatcher has to know of an attempt to judge it.
struct AttemptFacts {
    let notes: DispatchNotes
    let wasStarted: Bool
    /// Those that count, this one included.
    let attempts: Int
    let claimedAt: Instant
    let deadline: Instant
    let cancelCause: CancelCause?
    let lane: UInt8
    /// Prompt and expected completion.
    let tokens: Int
}

// The dispatcher's own notes with a request.
extension InMemoryQueue {
    /// `nil` if the token is stale.
    func attemptFacts(_ handle: RequestHandle, _ token: LeaseToken) -> AttemptFacts? {
        guard let slot = self.owned(handle, token) else { return nil }
        return AttemptFacts(
            notes: self.entries[slot].notes,
            wasStarted: self.entries[slot].phase == .started,
            attempts: self.entries[slot].attempts,
            claimedAt: self.entries[slot].claimedAt,
            deadline: self.entries[slot].deadline,
            cancelCause: self.entries[slot].cancelCause,
            lane: self.entries[slot].lane,
            tokens: self.entries[slot].tokens
        )
    }

    package func holds(_ handle: RequestHandle, _ token: LeaseToken) -> Bool { self.owned(handle, token) != nil }

    func deadline(_ handle: RequestHandle) -> Instant? { self.slot(handle).map { self.entries[$0].deadline } }

    func seat(_ handle: RequestHandle) -> UInt64? { self.slot(handle).map { self.entries[$0].notes.seat } }

    /// Returns the seat.
    mutating func notePermit(
        _ handle: RequestHandle,
        _ permit: BreakerPermit,
        _ reservation: ThrottleReservation?,
        of tokens: Int
    ) -> UInt64 {
        let slot = Int(handle.slot)
        self.entries[slot].notes.permit = permit
        self.entries[slot].notes.reservation = reservation
        self.entries[slot].notes.reservedTokens = tokens
        return self.entries[slot].notes.seat
    }

    mutating func clearPermit(_ handle: RequestHandle) {
        guard let slot = self.slot(handle) else { return }
        self.entries[slot].notes.permit = nil
        self.entries[slot].notes.reservation = nil
        self.entries[slot].notes.isThrottled = false
        self.entries[slot].notes.route?.clear()
    }

    mutating func noteRequeue(_ handle: RequestHandle, _ verdict: Verdict) {
        guard let slot = self.slot(handle) else { return }
        self.entries[slot].notes.permit = nil
        self.entries[slot].notes.reservation = nil
        self.entries[slot].notes.isThrottled = false
        self.entries[slot].notes.route?.clear()
        guard case .throttle = verdict else { return }
        self.entries[slot].notes.isThrottled = true
        self.entries[slot].notes.throttles += 1
    }

    func lane(_ handle: RequestHandle) -> UInt8 { self.slot(handle).map { self.entries[$0].lane } ?? 0 }

    mutating func noteAccount(_ handle: RequestHandle, _ account: LaneAccount) {
        self.entries[Int(handle.slot)].notes.account = account
    }

    func isTenantAtCap(_ handle: RequestHandle) -> Bool {
        self.slot(handle).map { self.lineup.ledger.isAtCap(self.entries[$0].tenant) } ?? false
    }

    /// What a request takes from the pool's limit.
    func chargeable(_ handle: RequestHandle) -> Int { self.chargeable(Int(handle.slot)) }

    /// When a delayed request may run.
    func due(_ handle: RequestHandle) -> Instant? { self.scheduled.time(of: handle.slot) }
}
