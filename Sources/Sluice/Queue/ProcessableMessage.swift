import SluiceBasics

/// A message that belongs to this consumer until it is settled: completed, failed or released.
///
/// While it is worked on its lease is renewed, if the policy says so. A message that is let go of without being settled
/// comes back when its lease lapses.
public final class ProcessableMessage<Payload: Sendable>: Sendable {
    /// Name of the message.
    public var id: String { self.receipt.id }
    /// What was enqueued.
    public let payload: Payload
    /// What is known of it; `receiveCount` counts this time.
    public let attributes: MessageAttributes
    /// The right to work on it, for the store and for logs.
    public let receipt: Receipt
    /// Why this message was handed out and not another.
    public let selection: Selection

    /// The score in its parts.
    public var breakdown: ScoreBreakdown { self.selection.breakdown }

    private let queue: Queue<Payload>
    private let place: UInt32

    init(queue: Queue<Payload>, place: UInt32, message: ClaimedMessage<Payload>, selection: Selection) {
        self.queue = queue
        self.place = place
        self.payload = message.payload
        self.attributes = message.attributes
        self.receipt = message.receipt
        self.selection = selection
    }

    deinit { self.queue.abandon(self.place, self.receipt.token) }

    /// Whether the message is known to belong to somebody else by now, or to have been purged: stop working on it.
    public var isLost: Bool { self.queue.held(self.place, self.receipt.token)?.isLost ?? false }

    /// Whether somebody has cancelled the message meanwhile: it will not be tried again.
    public var isCancelled: Bool { self.queue.held(self.place, self.receipt.token)?.isCancelled ?? false }

    /// The work is done.
    ///
    /// - Parameter actualTokens: what it used, prompt and completion; the limiter's books are put right by it, below
    ///   zero if need be. `nil`: as estimated.
    public func complete(actualTokens: Int? = nil) async throws(MessageError) {
        try await self.queue.complete(self, self.place, actualTokens: actualTokens)
    }

    /// The work has failed: it is retried after a while, or becomes a dead letter.
    ///
    /// - Parameters:
    ///   - error: kept with the message as text.
    ///   - advice: what to do about it.
    ///   - actualTokens: what the failed attempt used; its estimate is given back to the limiter but for these. The
    ///     request itself counts, because it was sent: see `release()` for work that was not.
    public func fail(
        _ error: any Error,
        advice: FailureAdvice = .retry,
        actualTokens: Int = 0
    ) async throws(MessageError) {
        try await self.queue.fail(self, self.place, "\(error)", advice, actualTokens: actualTokens)
    }

    /// The work was not begun: the message is ready again at once, as if it had not been handed out, and what was
    /// reserved for it is given back.
    public func release() async throws(MessageError) {
        try await self.queue.release(self, self.place)
    }

    /// The message belongs to this consumer for `span` from now; zero gives it up at once.
    public func extend(by span: Duration) async throws(MessageError) {
        try await self.queue.extend(self, self.place, by: span)
    }
}
