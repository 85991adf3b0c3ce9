import SluiceBasics

// Waiting for work.
extension Queue {
    /// The next message to work on; waits for it. `nil`: the queue was stopped.
    ///
    /// Nothing is polled: a waiting consumer is woken by a request that comes in, by a delay or a lease that ends, by
    /// tokens that become available, by a message that is settled, by `resume`. Only a store that cannot tell when it
    /// changes is asked again every `storagePolling`, and a limiter, whose limits may be changed.
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
                var end: Instant?
                switch nothing.retry {
                case .after(let span): end = self.clock.now() + max(min(span, look.nextChange ?? span), .nanoseconds(1))
                case .onChange: end = look.nextChange.map { self.clock.now() + max($0, .nanoseconds(1)) }
                }
                await self.bell.wait(since: rings, until: end, self.clock)
            }
        }
    }
}
