import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

/// One list that a dispatcher serves.
final class ServedPool: Sendable {
    let name: String
    let backendAddress: String
    /// Keys.
    let requests: String
    let inflight: String
    let index: String
    let dispatchers: String
    /// Where its puller sleeps while there is no room.
    let pause: Pause
    /// Where the keeper of its share of the budget sleeps.
    let budgeting: Pause
    /// What was said of the limit last, so that it is said once.
    let saidOfLimit = Lock("")
    let counts = Lock(FabricPoolCounts())
    let batches = Lock(BatchFigures())
    struct Doubt: Sendable {
        var hasLooked = false
        /// Until then a pop that we know nothing of may still be waiting at the server.
        var until: Instant
    }

    /// An answer to a pop was lost: the private list may hold what we do not know of.
    let doubt = Lock<Doubt?>(nil)
    /// Something of ours may stand in the index for good: we stay listed, so that others clear up.
    let leavesBehind = Lock(false)
    /// Of those that the dispatcher holds.
    let heldCount = Lock(0)
    /// Unsent requests that go back to the list.
    let returning = Lock<[HeldRequest]>([])

    init(_ pool: FabricDispatcherConfiguration.Pool, dispatcher: String, alarms: Alarms) {
        self.name = pool.name
        self.backendAddress = pool.backendAddress
        self.requests = DispatchKeys.requests(pool: pool.name)
        self.inflight = DispatchKeys.inflight(pool: pool.name, dispatcher: dispatcher)
        self.index = DispatchKeys.inflightIndex(pool: pool.name)
        self.dispatchers = DispatchKeys.dispatchers(pool: pool.name)
        self.pause = Pause(alarms)
        self.budgeting = Pause(alarms)
    }

    /// The last that was taken: what goes back to the head of the list first.
    func takeReturning() -> HeldRequest? {
        self.returning.withLock { returning in
            guard let last = returning.indices.max(by: { returning[$0].serial < returning[$1].serial }) else {
                return nil
            }
            return returning.remove(at: last)
        }
    }

    func count(_ change: (inout FabricPoolCounts) -> Void) { self.counts.withLock { change(&$0) } }
}

/// A request that was taken off its list and is not settled. Holds nothing of the payload but what names it.
final class HeldRequest: Sendable {
    struct Stage: Sendable {
        var stage: InflightStage
        /// Seconds since 1970.
        var since: Double
        var attempt: Int
        /// The index says so, too.
        var isWritten = true
    }

    let serial: Int
    let pool: ServedPool
    let batch: PopBatch
    let requestID: String
    let producerID: String
    let mark: ElementMark
    let bytes: Int
    /// Kept to be given back to the list, where no private list has it.
    let element: [UInt8]?
    /// As the index shows it first.
    let record: InflightRecord
    /// Whether the producer knows Sluice's extras.
    let hasExtras: Bool
    let stage: Lock<Stage>
    /// By the engine; `nil` before it was submitted.
    let engineID = Lock<RequestID?>(nil)

    init(
        serial: Int,
        pool: ServedPool,
        batch: PopBatch,
        popped: PoppedRequest,
        dispatcher: String,
        poppedAt: Double,
        keepsElement: Bool
    ) {
        let envelope = popped.envelope
        self.serial = serial
        self.pool = pool
        self.batch = batch
        self.requestID = envelope.requestID
        self.producerID = envelope.producerID
        self.mark = popped.mark
        self.bytes = popped.element.count
        self.element = keepsElement ? popped.element : nil
        self.hasExtras = envelope.extras != nil
        self.record = InflightRecord(
            dispatcherID: dispatcher,
            producerID: envelope.producerID,
            model: envelope.call.model,
            stage: .dispatching,
            since: poppedAt,
            submittedAt: envelope.submittedAt,
            poppedAt: poppedAt,
            tenant: envelope.extras?.tenant,
            priority: envelope.extras?.priority,
            timeoutSeconds: envelope.timeoutSeconds,
            dispatchProfileKey: envelope.dispatchProfileKey,
            estimatedCostUnits: envelope.estimatedCostUnits,
            messageCount: envelope.call.messageCount,
            takesNotice: envelope.extras != nil,
            traceparent: envelope.traceparent
        )
        self.stage = Lock(Stage(stage: .dispatching, since: poppedAt, attempt: 1))
    }

    /// The index entry as things stand.
    var entry: [UInt8] {
        let stage = self.stage.withLock { $0 }
        var record = self.record
        record.stage = stage.stage
        record.since = stage.since
        record.attempt = stage.attempt
        return record.write()
    }
}

/// An element that could be read.
struct PoppedRequest: Sendable {
    let element: [UInt8]
    let mark: ElementMark
    let envelope: RequestEnvelope
}
