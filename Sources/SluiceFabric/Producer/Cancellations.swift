import SluiceWire

/// Tells dispatchers which requests nobody waits for any more. A courtesy: the contract has no cancelling, and whoever
/// does not read it finishes in vain, as before.
package struct Cancellations: Sendable {
    private let link: any ValkeyLink
    private let producerID: String

    /// Longer than a request needs to be taken and seen.
    private static let secondsToLive = 60
    /// What nobody holds is pushed out by what follows: dispatchers read all of it, twice a second.
    private static let maximumElements = 1_024

    package init(link: any ValkeyLink, producerID: String) {
        self.link = link
        self.producerID = producerID
    }

    package func announce(_ requestID: String, pool: String) async {
        let key = ValkeyArgument.text(DispatchKeys.cancelled(pool: pool))
        // What cannot be said is not said: the deadline ends it.
        _ = try? await self.link.send([
            ValkeyCommand(
                "RPUSH",
                [key, .text(DispatchKeys.cancelledElement(producer: self.producerID, request: requestID))]
            ),
            ValkeyCommand("LTRIM", [key, .integer(-Self.maximumElements), -1]),
            ValkeyCommand("EXPIRE", [key, .integer(Self.secondsToLive)]),
        ])
    }
}
