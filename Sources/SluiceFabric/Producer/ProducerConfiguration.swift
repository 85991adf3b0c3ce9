import SluiceBasics
import SluiceWire

/// What a producer is allowed and how it keeps itself known. Defaults are the contract's.
package struct ProducerConfiguration: Sendable {
    /// Unique in the fabric, and new after every start: replies to a former self must not be taken for ours.
    package var producerID: String
    /// Where requests go that name no pool.
    package var defaultPool = "default"
    /// How long the fabric believes in us without a word (`LLM_QUEUE_PRODUCER_TTL_SECONDS`).
    package var aliveTTL: Duration = .seconds(30)
    /// `nil`: a third of the time to live, at least a second (`LLM_QUEUE_PRODUCER_REFRESH_INTERVAL_SECONDS`).
    package var refreshInterval: Duration?
    /// How long one wait for replies lasts at the server, in whole seconds (`LLM_QUEUE_REPLY_POP_TIMEOUT_SECONDS`).
    package var popSeconds = 1
    /// Replies taken at a time. Fewer are asked for while they are large.
    package var popCount = 64
    /// Largest envelope, in bytes (`LLM_QUEUE_MAX_INLINE_PAYLOAD_BYTES`).
    package var maximumPayloadBytes = DispatchContract.defaultMaximumPayloadBytes
    /// Largest reply that is read, in bytes.
    package var maximumReplyBytes = 64 << 20
    /// A pool's list takes no more elements from us than this, foreign ones counted.
    package var maximumQueuedRequests = 10_000
    /// The same in bytes, roughly; 0: without bound.
    package var maximumQueuedBytes = 4 << 30
    /// Requests of this process that wait for a reply.
    package var maximumWaiting = 20_000
    /// Bytes of envelopes on their way to the store, of all calls together.
    package var maximumPushingBytes = 512 << 20
    /// How long a push is tried again while the store certainly has not taken it.
    package var storePatience: Duration = .seconds(10)
    /// What a stream may have unread before it is given up, in bytes.
    package var streamBufferBytes = 4 << 20
    /// Ids of forgotten requests that are remembered, to tell late replies from unknown ones.
    package var rememberedRequests = 4_096
    /// Pauses after errors lie between these.
    package var leastBackoff: Duration = .milliseconds(50)
    package var mostBackoff: Duration = .seconds(1)

    package init(producerID: String) { self.producerID = producerID }

    var refreshEvery: Duration {
        self.refreshInterval ?? max(.seconds(1), .nanoseconds(self.aliveTTL.wholeNanoseconds / 3))
    }
}

/// One request as a producer is given it; the producer adds who, when and until when.
package struct FabricRequest: Sendable {
    /// Unique among the requests that this producer waits for.
    package var id: String
    /// `nil`: what the metadata says, else the default.
    package var pool: String?
    package var call: CompletionCall
    package var metadata: EnvelopeMetadata
    package var traceparent: String?
    package var tracestate: String?
    package var estimatedCostUnits: Int?

    package init(
        id: String,
        pool: String? = nil,
        call: CompletionCall,
        metadata: EnvelopeMetadata = EnvelopeMetadata(),
        traceparent: String? = nil,
        tracestate: String? = nil,
        estimatedCostUnits: Int? = nil
    ) {
        self.id = id
        self.pool = pool
        self.call = call
        self.metadata = metadata
        self.traceparent = traceparent
        self.tracestate = tracestate
        self.estimatedCostUnits = estimatedCostUnits
    }
}
