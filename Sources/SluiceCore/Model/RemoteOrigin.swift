import SluiceBasics

/// What is known besides of a request that came over the fabric's lists instead of a connection of our own.
///
/// The end of such a request is not told before its answer has been delivered, or not: see `Dispatcher.conclude`.
package final class RemoteOrigin: Sendable {
    /// As its producer calls it.
    package let requestID: String
    /// When its producer handed it in, told by our clock.
    package let submittedAt: Instant

    /// What its producer calls the profile by which it was routed.
    package let profileKey: String?
    /// Whether its producer tells of ends that it brings about itself: by giving up.
    package let isToldByProducer: Bool

    package init(
        requestID: String,
        submittedAt: Instant,
        profileKey: String? = nil,
        isToldByProducer: Bool = false
    ) {
        self.requestID = requestID
        self.submittedAt = submittedAt
        self.profileKey = profileKey
        self.isToldByProducer = isToldByProducer
    }
}
