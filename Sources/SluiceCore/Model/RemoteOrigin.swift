import SluiceBasics

/// What is known besides of a request that came over the fabric's lists instead of a connection of our own.
///
/// The end of such a request is not told before its answer has been delivered, or not: see `Dispatcher.conclude`.
package final class RemoteOrigin: Sendable {
    /// As its producer calls it.
    package let requestID: String
    /// When its producer handed it in, told by our clock.
    package let submittedAt: Instant

    package init(requestID: String, submittedAt: Instant) {
        self.requestID = requestID
        self.submittedAt = submittedAt
    }
}
