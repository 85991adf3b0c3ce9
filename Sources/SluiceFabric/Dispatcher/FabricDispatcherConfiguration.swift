import SluiceBasics
import SluiceWire

/// How a dispatcher takes work off a list (`LLM_QUEUE_POP`).
package enum PopMode: String, Sendable, CaseIterable {
    /// Into a private list, where it survives a connection that breaks between pop and answer, and a dispatcher that
    /// dies.
    case blmove
    /// Out of Valkey, as the first dispatchers did: what is popped and not answered is gone with the process.
    case blpop
}

/// What a dispatcher is allowed, and how it keeps itself known.
package struct FabricDispatcherConfiguration: Sendable {
    /// A list that is served.
    package struct Pool: Sendable {
        package var name: String
        /// Of the backend, without user and password; part of every reply.
        package var backendAddress: String

        package init(name: String, backendAddress: String) {
            self.name = name
            self.backendAddress = backendAddress
        }
    }

    /// Unique in the fabric, and new after every start.
    package var dispatcherID: String
    package var gatewayID: String?
    package var fabricGroupID: String?
    package var version: String?
    package var pools: [Pool]
    package var popMode = PopMode.blmove
    package var orphans = OrphanPolicy.drop
    /// How long one pop waits at the server, in whole seconds (`LLM_QUEUE_DISPATCH_POP_TIMEOUT_SECONDS`).
    package var popSeconds = 1
    /// How long a reply list lives after its last reply, and how long a reply is held while Valkey cannot be reached
    /// (`LLM_QUEUE_REPLY_QUEUE_TTL_SECONDS`).
    package var replyTTL: Duration = .seconds(300)
    /// How long a reply is held when Valkey knows neither its request nor its producer any more: it may have lost its
    /// data, and a producer that lives says so again within ten seconds.
    package var forgottenGrace: Duration = .seconds(15)
    /// How long the fabric believes in us without a word. Beats come three times as often.
    package var heartbeatTTL: Duration = .seconds(15)
    /// How often we look for dispatchers that died; each time a fifth more or less.
    package var sweepEvery: Duration = .seconds(5)
    /// Requests of a dead dispatcher that are cleared up at a time.
    package var sweepCount = 16
    /// Requests taken at a time, and bytes after which no further one is.
    package var takeCount = 32
    package var takeBytes = 8 << 20
    /// Requests of one pool that were taken and are not settled, and their bytes: those that wait for a retry or for
    /// Valkey to take their reply occupy no slot.
    package var maximumHeld = 4_096
    package var maximumHeldBytes = 512 << 20
    /// Share of a pool's slots for which the lists may always have requests here, though all be taken and others wait:
    /// where work comes in over HTTP as well, which would otherwise never leave room. The engine decides their order.
    package var reservedShare = 0.0
    /// Largest envelope that is read, in bytes.
    package var maximumElementBytes = EnvelopeLimits().elementBytes
    /// For envelopes that say nothing of time.
    package var defaultTimeout: Duration = .seconds(600)
    /// Clocks may differ by this much before it is counted.
    package var clockTolerance: Duration = .seconds(5)
    /// Bytes of one stream that wait to be pushed; beyond it the backend is not read.
    package var frameBytes = 256 << 10
    /// Pauses after errors lie between these.
    package var leastBackoff: Duration = .milliseconds(20)
    package var mostBackoff: Duration = .milliseconds(500)

    package init(dispatcherID: String, pools: [Pool]) {
        self.dispatcherID = dispatcherID
        self.pools = pools
    }

    var beatEvery: Duration { max(.milliseconds(100), .nanoseconds(self.heartbeatTTL.wholeNanoseconds / 3)) }
}

/// What a dispatcher has done for one pool since its start.
package struct FabricPoolCounts: Sendable, Equatable {
    /// Taken off the list.
    package var taken = 0
    /// Pops that brought something.
    package var batches = 0
    /// Answered, well or not.
    package var processed = 0
    /// Answered with an error.
    package var failures = 0
    package var malformed = 0
    /// Of those, how many spoke another version of the contract.
    package var unsupportedVersions = 0
    package var offlineRequests = 0
    package var offlineReplies = 0
    package var expired = 0
    /// Of dispatchers that died.
    package var lost = 0
    package var requeued = 0
    /// Given back to the queue unsent.
    package var putBack = 0
    /// Delivered although somebody had taken us for dead.
    package var late = 0
    /// Replies that could not be pushed before their list would have expired.
    package var repliesGivenUp = 0
    /// Producers whose clock is ahead of ours by more than is tolerated.
    package var skewedClocks = 0
    package var storeErrors = 0
    /// Found in the private list after the answer to a pop was lost.
    package var recovered = 0
    package var frames = 0
    /// Stopped because nobody waits for them any more.
    package var cancelled = 0
    /// Seconds since 1970.
    package var lastProcessedAt: Double?

    package init() {}
}
