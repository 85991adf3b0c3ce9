import SluiceBasics

// Waiting for work.
extension Queue {
    /// The next message to work on; waits for it. `nil`: the queue was stopped.
    ///
    /// Nothing is polled: a waiting consumer is woken by a request that comes in, by a delay or a lease that ends, by
    /// tokens that become available, by a message that is settled, by `resume`. Only a store that cannot tell when it
    /// changes is asked again every `storagePolling`, and a limiter, whose limits may be changed meanwhile.
    ///
    /// - Throws: `CancellationError` as soon as the task is cancelled.
    public func next(
        under limiter: (any WorkLimiter)? = nil
    ) async throws(CancellationError) -> ProcessableMessage<Payload>? {
        while true {
            let rings = self.bell.rings
            if Task.isCancelled {
                // A ring that woke a consumer which leaves is for the next one.
                self.bell.passOn(rings)
                throw CancellationError()
            }
            let look = await self.look(under: limiter)
            switch look.answer {
            case .work(let message):
                // There may be more.
                self.bell.passOn(rings)
                return message
            case .nothing(let nothing):
                if nothing.reason == .stopped { return nil }
                // What this consumer cannot use may do for another, with another limiter.
                if nothing.reason != .empty { self.bell.passOn(rings) }
                await self.wait(look, nothing.retry, limiter, since: rings)
            }
        }
    }

    /// Waits until it is worth looking again.
    private func wait(
        _ look: Look,
        _ retry: NoWork.Retry,
        _ limiter: (any WorkLimiter)?,
        since rings: UInt64
    ) async {
        let start = self.clock.now()
        var end = Instant.distantFuture
        if case .after(let span) = retry { end = start + max(min(span, look.nextChange ?? span), .nanoseconds(1)) }
        guard let limiter, !look.refused.isEmpty else {
            return await self.bell.wait(since: rings, until: end, self.clock)
        }
        let due = look.refusedFor.map { start + $0 } ?? .distantFuture
        let polling = self.state.withLock { $0.policy.storagePolling }
        while true {
            let next = self.clock.now() + polling
            guard next < end else { return await self.bell.wait(since: rings, until: end, self.clock) }
            await self.bell.wait(since: rings, until: next, self.clock)
            // Only the limiter is asked, which is here: the store may be far away.
            let now = self.clock.now()
            guard now >= next, self.bell.rings == rings, !Task.isCancelled else { return }
            for need in look.refused {
                guard case .refused(let refusal) = limiter.check(tokens: need.tokens, model: need.model) else { return }
                // A little later or sooner is what rounding makes of the same moment.
                if let span = refusal.availableIn, now + span + .milliseconds(1) < due { return }
            }
        }
    }
}
