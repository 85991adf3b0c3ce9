import SluiceBasics

/// One slot of the queue's slab.
struct QueueEntry: Sendable {
    enum Phase: Sendable {
        case free
        /// In `ready`.
        case ready
        /// In `scheduled`: a delay has to pass first.
        case scheduled
        case claimed
        /// The call may have been sent.
        case started
        /// In `dead`.
        case dead

        // Not on the entry: asking a large struct a question copies it.
        var isQueued: Bool { self == .ready || self == .scheduled }
        var isInFlight: Bool { self == .claimed || self == .started }
    }

    var generation: UInt32 = 0
    var id = RequestID(high: 0, low: 0)
    var phase: Phase = .free
    var cancelCause: CancelCause?
    var tenant: UInt32 = 0
    /// Its place in line, kept for life: a retry returns to it.
    var key = OrderKey(rank: 0, sequence: 0)
    /// Of the newest claim; stale unless the phase is claimed or started.
    var token: UInt64 = 0
    /// Counted attempts: throttled and released ones are given back.
    var attempts = 0
    var recoveries = 0
    /// Attempts in the record.
    var calls = 0
    /// Whether it is in `deadlines`.
    var watchesDeadline = false
    /// Prompt and expected completion.
    var tokens = 0
    var priority = Priority.normal
    var lane: UInt8 = 0
    /// What its tenant is charged when it is claimed, and what of that was earned when it is no longer held.
    var cost = 0
    var served = 0
    var submittedAt = Instant.zero
    var deadline = Instant.zero
    var claimedAt = Instant.zero
    var payloadBytes = 0
    var notes = DispatchNotes()
    /// `nil` in a free slot only.
    var record: RequestRecord?
}

extension QueueEntry {
    var facts: WaitingFacts {
        WaitingFacts(
            sequence: self.key.sequence,
            enqueuedAt: self.submittedAt,
            tokens: self.tokens,
            tenant: self.tenant,
            lane: self.lane,
            priority: self.priority,
            receiveCount: self.attempts
        )
    }
}

// Steps of a life, each in one access to the slot: every access to an element of the slab has its price, and a
// question to the record through the slab copies it.
extension QueueEntry {
    mutating func fill(
        _ submission: Submission,
        key: OrderKey,
        tenant: UInt32,
        lane: UInt8,
        seat: UInt64,
        now: Instant
    ) {
        self.id = submission.id
        self.phase = .ready
        self.cancelCause = nil
        self.tenant = tenant
        self.key = key
        self.token = 0
        self.attempts = 0
        self.recoveries = 0
        self.calls = 0
        self.deadline = submission.deadline
        self.priority = submission.priority
        self.lane = lane
        self.submittedAt = submission.remote?.submittedAt ?? now
        self.payloadBytes = submission.payloadBytes
        self.notes = DispatchNotes(seat: seat)
        self.record = RequestRecord(submission: submission, submittedAt: self.submittedAt)
    }

    mutating func claim(token: UInt64, now: Instant) {
        self.phase = .claimed
        self.token = token
        self.served = 0
        self.claimedAt = now
        self.record?.state = .claimed
        self.record?.claimedAt = now
    }

    mutating func start(backend: String, model: String?, now: Instant) {
        if self.calls == 0 { self.record?.startedAt = now }
        self.phase = .started
        self.record?.state = .started
        self.addAttempt(backend: backend, model: model, isHedge: false, now: now)
    }

    /// Another call for the same request; the first goes on.
    mutating func startHedge(backend: String, model: String?, now: Instant) {
        self.addAttempt(backend: backend, model: model, isHedge: true, now: now)
    }

    private mutating func addAttempt(backend: String, model: String?, isHedge: Bool, now: Instant) {
        self.attempts += 1
        self.calls += 1
        var attempt = AttemptRecord(number: self.calls, backend: backend, startedAt: now)
        attempt.model = model
        attempt.isHedge = isHedge
        self.record?.attempts.append(attempt)
        if isHedge {
            self.notes.route?.hedge?.attempt = self.calls
        } else {
            self.notes.route?.permit?.attempt = self.calls
        }
    }

    /// The call that counts: of two at once the one that is left.
    private var currentAttempt: Int {
        let own = self.notes.route?.permit?.attempt ?? 0
        return own > 0 ? own : self.calls
    }

    mutating func firstByte(now: Instant) {
        self.notes.route?.hadContent = true
        let attempt = self.currentAttempt
        self.record?.noteFirstByte(now, attempt: attempt)
    }

    mutating func closeAttempt(_ result: AttemptResult, _ verdict: Verdict, now: Instant) {
        let attempt = self.currentAttempt
        self.record?.closeAttempt(result, verdict, attempt: attempt, now: now)
    }

    /// Ends one of two calls; the other one is then the one that counts.
    mutating func closeHedged(_ attempt: Int, _ result: AttemptResult, now: Instant) {
        self.record?.closeAttempt(result, nil, attempt: attempt, isSuperseded: true, now: now)
        let other = self.notes.route?.hedge
        if self.notes.route?.permit?.attempt == attempt { self.notes.route?.permit = other }
        self.notes.route?.hedge = nil
    }

    mutating func end(_ reason: OutcomeReason, message: String?, now: Instant) {
        self.record?.state = .ended
        self.record?.reason = reason
        self.record?.message = message
        self.record?.endedAt = now
    }

    mutating func vacate() -> RequestRecord? {
        self.phase = .free
        self.generation &+= 1
        return self.record.take()
    }
}

extension RequestRecord {
    fileprivate mutating func noteFirstByte(_ now: Instant, attempt: Int) {
        self.state = .streaming
        if self.firstByteAt == nil { self.firstByteAt = now }
        let index = attempt - 1
        guard self.attempts.indices.contains(index), self.attempts[index].firstByteAt == nil else { return }
        self.attempts[index].firstByteAt = now
    }

    fileprivate mutating func closeAttempt(
        _ result: AttemptResult,
        _ verdict: Verdict?,
        attempt: Int,
        isSuperseded: Bool = false,
        now: Instant
    ) {
        let index = attempt - 1
        guard self.attempts.indices.contains(index) else { return }
        self.attempts[index].isSuperseded = isSuperseded
        self.attempts[index].close(result, verdict, now: now)
    }
}

extension AttemptRecord {
    fileprivate mutating func close(_ result: AttemptResult, _ verdict: Verdict?, now: Instant) {
        self.endedAt = now
        switch result {
        case .success(let status, _, _):
            self.status = status
        case .failure(let failure):
            self.status = failure.status
            self.failure = failure.failureClass
            self.message = failure.message
            self.isRemoteAnswer = failure.isRemoteAnswer
        }
        switch verdict {
        case .retry(let delay), .throttle(let delay): self.retryDelay = delay
        case .done, .end, .release, nil: break
        }
    }
}
