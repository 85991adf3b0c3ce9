import SluiceBasics

// Giving a message to its consumer.
extension Queue {
    func deliver(
        _ taken: Taken,
        _ limiter: (any WorkLimiter)?,
        _ reservation: WorkReservation?,
        _ terms: DequeueTerms
    ) -> ProcessableMessage<Payload> {
        let now = self.clock.now()
        let message = taken.message
        let place = self.state.withLock { state in
            var held = HeldMessage(
                receipt: message.receipt,
                priority: message.attributes.priority,
                startedAt: now,
                renewedUntil: now + (terms.renewal ?? .zero),
                tokens: message.attributes.estimatedTokens,
                limiter: limiter,
                reservation: reservation
            )
            // Whoever cancelled it while it was on its way is not forgotten.
            if let number = state.cancelledDuringLook[message.receipt.id], terms.look <= number {
                held.isCancelled = true
            }
            if let place = taken.place, let before = state.letGo(place, message.receipt.token) {
                held.isCancelled = held.isCancelled || before.isCancelled
                held.isLost = before.isLost
            }
            let place = state.hold(held)
            if terms.renewal != nil { state.renewals.set(place, at: now + terms.lease / 3) }
            state.book.totals.delivered += 1
            if message.attributes.receiveCount <= 1 { state.book.wait.record(message.attributes.age, at: now) }
            if terms.prefetch != nil { state.buffer.noteDelivery(at: now) }
            return place
        }
        if terms.renewal != nil { self.caretaker.attend(self, before: now + terms.lease / 3) }
        self.tell(
            .delivered(
                id: message.receipt.id,
                receiveCount: message.attributes.receiveCount,
                wait: message.attributes.age
            )
        )
        return ProcessableMessage(queue: self, place: place, message: message, selection: taken.selection)
    }

    /// Counts what the store has found to be expired.
    func noteExpired() {
        guard let expired = self.chooser?.takeExpired(), !expired.isEmpty else { return }
        self.count(expired: expired)
    }

    func count(expired: [String]) {
        self.state.withLock { $0.book.totals.expired += expired.count }
        for id in expired { self.tell(.expired(id: id)) }
    }
}
