/// One request on a pool's list, version 2 of the contract. See docs/wire-contract.md.
package struct RequestEnvelope: Sendable, Equatable {
    package var requestID: String
    package var producerID: String
    package var poolID: String
    /// Seconds since 1970 by the producer's clock.
    package var submittedAt: Double
    /// What the producer waits, in seconds from `submittedAt`.
    package var timeoutSeconds: Double?
    package var traceparent: String?
    package var tracestate: String?
    package var metadata: EnvelopeMetadata?
    /// By custom the model.
    package var dispatchProfileKey: String?
    package var estimatedCostUnits: Int?
    package var call: CompletionCall

    package init(
        requestID: String,
        producerID: String,
        poolID: String,
        submittedAt: Double,
        timeoutSeconds: Double? = nil,
        traceparent: String? = nil,
        tracestate: String? = nil,
        metadata: EnvelopeMetadata? = nil,
        dispatchProfileKey: String? = nil,
        estimatedCostUnits: Int? = nil,
        call: CompletionCall
    ) {
        self.requestID = requestID
        self.producerID = producerID
        self.poolID = poolID
        self.submittedAt = submittedAt
        self.timeoutSeconds = timeoutSeconds
        self.traceparent = traceparent
        self.tracestate = tracestate
        self.metadata = metadata
        self.dispatchProfileKey = dispatchProfileKey
        self.estimatedCostUnits = estimatedCostUnits
        self.call = call
    }

    package var extras: DispatchExtras? { self.metadata?.extras }

    /// The body for the backend, streamed if the producer takes frames.
    package var body: [UInt8] {
        self.call.body(streaming: self.extras?.streaming, isChat: self.extras?.isChat ?? true)
    }

    // MARK: Writing

    /// Refuses what a reader of the contract would refuse, before it is written. Raw JSON is taken to be what it says.
    package func check() throws(EnvelopeError) {
        let identifiers: [(String, String?)] = [
            ("request_id", self.requestID), ("producer_id", self.producerID), ("pool_id", self.poolID),
            ("metadata.sluice.priority", self.extras?.priority), ("metadata.sluice.tenant", self.extras?.tenant),
            ("metadata.sluice.idempotency_key", self.extras?.idempotencyKey),
            ("metadata.sluice.operation", self.extras?.operation),
        ]
        for (field, text) in identifiers {
            guard let text, !EnvelopeLimits.isIdentifier(text) else { continue }
            let rule = "must have 1 to \(EnvelopeLimits.identifierBytes) bytes and no control characters"
            throw .notAllowed(field: field, rule: rule)
        }
        let texts: [(String, String?, Int)] = [
            ("traceparent", self.traceparent, EnvelopeLimits.traceBytes),
            ("tracestate", self.tracestate, EnvelopeLimits.traceBytes),
            ("dispatch_profile_key", self.dispatchProfileKey, EnvelopeLimits.identifierBytes),
            ("call.model", self.call.model, EnvelopeLimits.modelBytes),
        ]
        for (field, text, limit) in texts {
            guard let text, text.utf8.count > limit else { continue }
            throw .notAllowed(field: field, rule: "may have at most \(limit) bytes")
        }
    }

    /// Compact JSON. The first dispatchers of this contract sort their keys, and every reader takes any order; we
    /// write what is small first and the messages last, because a live view reads no more than the head of each
    /// element.
    package func write() -> [UInt8] {
        var json = JSONWriter(reserving: self.call.byteCount + 1_536)
        json.object { json in
            json.field("request_id", self.requestID)
            json.field("producer_id", self.producerID)
            json.field("pool_id", self.poolID)
            json.field("contract_version", DispatchContract.version)
            json.field("submitted_at", self.submittedAt)
            json.field("timeout_seconds", self.timeoutSeconds)
            json.field("dispatch_profile_key", self.dispatchProfileKey)
            json.field("estimated_cost_units", self.estimatedCostUnits)
            json.field("traceparent", self.traceparent)
            json.field("tracestate", self.tracestate)
            if let metadata = self.metadata { metadata.write(&json) } else { json.nullField("metadata") }
            self.call.write(&json)
        }
        return json.bytes
    }
}

// Reading.
extension RequestEnvelope {
    /// Reads an element of a request list. Unknown fields are ignored; of two members with one name the first counts.
    package static func read(
        _ element: [UInt8],
        limits: EnvelopeLimits = EnvelopeLimits()
    ) throws(UnreadableEnvelope) -> RequestEnvelope {
        do throws(EnvelopeError) {
            var envelope = try EnvelopeFields.read(element, limit: limits.elementBytes, Self.fields)
            envelope.takeRawParts(of: element)
            return envelope
        } catch {
            throw UnreadableEnvelope(error, identity: EnvelopeIdentity.find(in: element[...]))
        }
    }

    private static func fields(_ fields: EnvelopeFields) throws(EnvelopeError) -> RequestEnvelope {
        try fields.checkVersion()
        let call = try fields.object("call")
        let metadata = try fields.optionalObject("metadata")
        let extras = try metadata?.optionalObject("sluice").map(DispatchExtras.read)
        try Self.check(call, isChat: extras?.isChat ?? true)
        return RequestEnvelope(
            requestID: try fields.identifier("request_id"),
            producerID: try fields.identifier("producer_id"),
            poolID: try fields.identifier("pool_id"),
            submittedAt: try fields.number("submitted_at", in: EnvelopeFields.epochSeconds),
            timeoutSeconds: try fields.optionalNumber("timeout_seconds", in: EnvelopeFields.spanSeconds),
            traceparent: try fields.optionalString("traceparent", maximumBytes: EnvelopeLimits.traceBytes),
            tracestate: try fields.optionalString("tracestate", maximumBytes: EnvelopeLimits.traceBytes),
            metadata: metadata == nil ? nil : EnvelopeMetadata(extras: extras),
            dispatchProfileKey: try fields.optionalString(
                "dispatch_profile_key",
                maximumBytes: EnvelopeLimits.identifierBytes
            ),
            estimatedCostUnits: try fields.optionalInteger("estimated_cost_units", in: 0...1_000_000_000_000),
            call: CompletionCall(
                model: try call.optionalString("model", maximumBytes: EnvelopeLimits.modelBytes) ?? "",
                messageCount: call["messages"]?.count ?? 0,
                parameters: []
            )
        )
    }

    private static func check(_ call: EnvelopeFields, isChat: Bool) throws(EnvelopeError) {
        try CompletionCall.check(call, isChat: isChat)
        for name: StaticString in ["extra_body", "extra_create_kwargs"] {
            guard let extra = try call.optionalObject(name) else { continue }
            guard extra.memberCount <= EnvelopeLimits.members else {
                throw call.refuse(name, "may have at most \(EnvelopeLimits.members) members")
            }
        }
    }

    /// What is kept as raw JSON, from a document whose types have been checked.
    private mutating func takeRawParts(of element: [UInt8]) {
        let values = JSONMembers.values(of: ["call", "metadata"], in: element[...])
        if let call = values[0] {
            self.call = CompletionCall(
                checked: call,
                model: self.call.model,
                messageCount: self.call.messageCount
            )
        }
        if let metadata = values[1], self.metadata != nil { self.takeMetadata(metadata) }
    }

    private mutating func takeMetadata(_ value: ArraySlice<UInt8>) {
        for member in JSONMembers.unique(JSONMembers.scan(value)) {
            guard member.name == EnvelopeMetadata.extrasName else {
                self.metadata?.members.append(member)
                continue
            }
            guard self.metadata?.extras?.streaming != nil else { continue }
            let options = JSONMembers.values(of: ["stream_options"], in: member.value)[0]
            guard let options, !JSONMembers.isNull(options) else { continue }
            self.metadata?.extras?.streaming?.options = options
        }
    }
}
