import SluiceBasics

extension Throttle {
    /// Ends the reservation with what was really used: the books are as if that had been reserved. Once.
    @discardableResult
    package mutating func settle(
        _ reservation: ThrottleReservation,
        actual: Int,
        at now: Instant
    ) -> SettlementResult {
        self.advance(to: now)
        guard let position = self.position(of: reservation) else { return self.unknown() }
        let entry = self.book[position]
        let actual = TokenBucket.bounded(actual)
        self.correct(position, entry, to: actual, isLast: true)
        self.totals.settled &+= 1
        self.totals.estimatedTokens &+= entry.estimate
        self.totals.actualTokens &+= actual
        self.close(position)
        return .settled
    }

    /// What is known so far, for instance in the middle of an answer. The reservation stays open; the next word on it
    /// replaces this one.
    @discardableResult
    package mutating func adjust(
        _ reservation: ThrottleReservation,
        to actual: Int,
        at now: Instant
    ) -> SettlementResult {
        self.advance(to: now)
        guard let position = self.position(of: reservation) else { return self.unknown() }
        self.correct(position, self.book[position], to: TokenBucket.bounded(actual), isLast: false)
        return .settled
    }

    /// Ends the reservation of a request that was never sent: as if it had not been made.
    @discardableResult
    package mutating func cancel(_ reservation: ThrottleReservation, at now: Instant) -> SettlementResult {
        self.advance(to: now)
        guard let position = self.position(of: reservation) else { return self.unknown() }
        let entry = self.book[position]
        self.requestBucket?.correct(position, by: -1, isLast: true)
        self.tokenBucket?.correct(position, by: -entry.tokens, isLast: true)
        self.window.correct(slot: entry.slot, requests: -1, tokens: -entry.tokens)
        self.history.set(entry.serial, tokens: 0, accuracy: ConsumptionHistory.cancelled)
        self.totals.cancelled &+= 1
        self.close(position)
        return .settled
    }

    private func position(of reservation: ThrottleReservation) -> Int? {
        reservation.limiter == self.number ? self.book.position(of: reservation.serial) : nil
    }

    private mutating func unknown() -> SettlementResult {
        self.totals.unknownReservations &+= 1
        return .unknownReservation
    }

    private mutating func correct(_ position: Int, _ entry: ReservationBook.Entry, to actual: Int, isLast: Bool) {
        let change = actual - entry.tokens
        if change != 0 {
            self.tokenBucket?.correct(position, by: change, isLast: isLast)
            self.window.correct(slot: entry.slot, requests: 0, tokens: change)
            self.book.setTokens(actual, at: position)
        }
        self.history.set(
            entry.serial,
            tokens: actual,
            accuracy: ConsumptionHistory.accuracy(entry.estimate, actual)
        )
    }

    private mutating func close(_ position: Int) {
        guard let steps = self.book.close(position) else {
            self.requestBucket?.closeAll()
            self.tokenBucket?.closeAll()
            return
        }
        for _ in 0..<steps {
            self.requestBucket?.closeFirst()
            self.tokenBucket?.closeFirst()
        }
    }

    /// What it reserved stays charged, and what it was adjusted to.
    mutating func expireOldest() {
        guard self.book.openCount > 0 else { return }
        self.totals.expired &+= 1
        self.close(self.book.first)
    }
}
