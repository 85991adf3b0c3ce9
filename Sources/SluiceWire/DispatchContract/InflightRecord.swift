/// How far a dispatcher is with a request.
package enum InflightStage: String, Sendable, CaseIterable {
    /// Popped; its producer is looked at, or it waits for a slot.
    case dispatching
    /// The backend has it.
    case executing
    /// The answer is on its way to the producer.
    case replying
}

/// What the in-flight index says of one request, so that every gateway sees every dispatcher's work. The field's name
/// is the request's id; nothing of the payload is here.
package struct InflightRecord: Sendable, Equatable {
    package var dispatcherID: String
    package var producerID: String
    package var model: String
    package var stage: InflightStage
    /// When this stage began. Seconds since 1970 by the dispatcher's clock, like `poppedAt`.
    package var since: Double
    /// By the producer's clock.
    package var submittedAt: Double
    package var poppedAt: Double
    /// From 1.
    package var attempt: Int
    package var tenant: String?
    package var priority: String?
    /// The dispatcher's token for this run.
    package var lease: String?
    package var timeoutSeconds: Double?
    package var dispatchProfileKey: String?
    package var estimatedCostUnits: Int?
    package var messageCount: Int?
    /// Whether the producer is told at once if the request is lost: it knows Sluice's extras.
    package var takesNotice = false
    /// The caller's, so that the end of a request that is lost belongs to its trace.
    package var traceparent: String?

    package init(
        dispatcherID: String,
        producerID: String,
        model: String,
        stage: InflightStage,
        since: Double,
        submittedAt: Double,
        poppedAt: Double,
        attempt: Int = 1,
        tenant: String? = nil,
        priority: String? = nil,
        lease: String? = nil,
        timeoutSeconds: Double? = nil,
        dispatchProfileKey: String? = nil,
        estimatedCostUnits: Int? = nil,
        messageCount: Int? = nil,
        takesNotice: Bool = false,
        traceparent: String? = nil
    ) {
        self.dispatcherID = dispatcherID
        self.producerID = producerID
        self.model = model
        self.stage = stage
        self.since = since
        self.submittedAt = submittedAt
        self.poppedAt = poppedAt
        self.attempt = attempt
        self.tenant = tenant
        self.priority = priority
        self.lease = lease
        self.timeoutSeconds = timeoutSeconds
        self.dispatchProfileKey = dispatchProfileKey
        self.estimatedCostUnits = estimatedCostUnits
        self.messageCount = messageCount
        self.takesNotice = takesNotice
        self.traceparent = traceparent
    }

    /// How the record of this dispatcher begins. Scripts compare it, so that a dispatcher never removes the entry of
    /// another that has taken the request over.
    package static func start(dispatcher: String) -> [UInt8] {
        var json = JSONWriter(reserving: 96)
        json.object { $0.field("dispatcher", dispatcher) }
        return json.bytes.dropLast() + [UInt8(ascii: ",")]
    }

    package func write() -> [UInt8] {
        var json = JSONWriter(reserving: 384)
        json.object { json in
            // Stays first: see `start`.
            json.field("dispatcher", self.dispatcherID)
            json.field("producer", self.producerID)
            json.field("model", self.model)
            json.field("stage", self.stage.rawValue)
            json.field("since", self.since)
            json.field("submitted_at", self.submittedAt)
            json.field("popped_at", self.poppedAt)
            json.field("attempt", self.attempt)
            if let tenant = self.tenant { json.field("tenant", tenant) }
            if let priority = self.priority { json.field("priority", priority) }
            if let lease = self.lease { json.field("lease", lease) }
            if let timeout = self.timeoutSeconds { json.field("timeout_seconds", timeout) }
            if let key = self.dispatchProfileKey { json.field("dispatch_profile_key", key) }
            if let units = self.estimatedCostUnits { json.field("estimated_cost_units", units) }
            if let count = self.messageCount { json.field("message_count", count) }
            if self.takesNotice { json.field("notice", true) }
            if let traceparent = self.traceparent { json.field("traceparent", traceparent) }
        }
        return json.bytes
    }

    package static func read(_ bytes: [UInt8]) throws(EnvelopeError) -> InflightRecord {
        try EnvelopeFields.read(bytes, limit: 16_384) { fields throws(EnvelopeError) in
            let stage = try fields.identifier("stage")
            guard let stage = InflightStage(rawValue: stage) else {
                throw fields.refuse("stage", "must be 'dispatching', 'executing' or 'replying'")
            }
            return InflightRecord(
                dispatcherID: try fields.identifier("dispatcher"),
                producerID: try fields.identifier("producer"),
                model: try fields.identifier("model"),
                stage: stage,
                since: try fields.number("since", in: EnvelopeFields.epochSeconds),
                submittedAt: try fields.number("submitted_at", in: EnvelopeFields.epochSeconds),
                poppedAt: try fields.number("popped_at", in: EnvelopeFields.epochSeconds),
                attempt: try fields.integer("attempt", in: 1...1_000_000),
                tenant: try fields.optionalIdentifier("tenant"),
                priority: try fields.optionalIdentifier("priority"),
                lease: try fields.optionalIdentifier("lease"),
                timeoutSeconds: try fields.optionalNumber("timeout_seconds", in: EnvelopeFields.spanSeconds),
                dispatchProfileKey: try fields.optionalString(
                    "dispatch_profile_key",
                    maximumBytes: EnvelopeLimits.identifierBytes
                ),
                estimatedCostUnits: try fields.optionalInteger("estimated_cost_units", in: 0...1_000_000_000_000),
                messageCount: try fields.optionalInteger("message_count", in: 0...1_000_000_000),
                takesNotice: try fields.flag("notice"),
                traceparent: try fields.optionalString("traceparent", maximumBytes: EnvelopeLimits.traceBytes)
            )
        }
    }
}
