/// What a dispatcher says of itself with every beat. The key expires when the beats end: that, and nothing else, tells
/// that a dispatcher is gone.
package struct DispatcherHeartbeat: Sendable, Equatable {
    /// One pool as this dispatcher serves it. Counts are since its start.
    package struct Pool: Sendable, Equatable {
        package var poolID: String
        /// Requests that may run at once.
        package var slots: Int
        package var inflight: Int
        package var processed: Int
        package var failures: Int
        package var malformedDropped: Int
        package var offlineRequestsDropped: Int
        package var offlineRepliesDropped: Int
        package var expired: Int
        /// Of dead dispatchers, found by this one.
        package var lost: Int
        /// The backend's URL without user and password.
        package var backendAddress: String?
        /// Seconds since 1970.
        package var lastProcessedAt: Double?
        /// Why it takes nothing at present, in the words of waiting reasons; `nil` when it does.
        package var blockedBy: String?
        package var breakerState: String?

        package init(
            poolID: String,
            slots: Int,
            inflight: Int = 0,
            processed: Int = 0,
            failures: Int = 0,
            malformedDropped: Int = 0,
            offlineRequestsDropped: Int = 0,
            offlineRepliesDropped: Int = 0,
            expired: Int = 0,
            lost: Int = 0,
            backendAddress: String? = nil,
            lastProcessedAt: Double? = nil,
            blockedBy: String? = nil,
            breakerState: String? = nil
        ) {
            self.poolID = poolID
            self.slots = slots
            self.inflight = inflight
            self.processed = processed
            self.failures = failures
            self.malformedDropped = malformedDropped
            self.offlineRequestsDropped = offlineRequestsDropped
            self.offlineRepliesDropped = offlineRepliesDropped
            self.expired = expired
            self.lost = lost
            self.backendAddress = backendAddress
            self.lastProcessedAt = lastProcessedAt
            self.blockedBy = blockedBy
            self.breakerState = breakerState
        }
    }

    package var dispatcherID: String
    package var gatewayID: String?
    package var fabricGroupID: String?
    package var version: String?
    /// Seconds since 1970 by the dispatcher's clock, like `beatAt`.
    package var startedAt: Double
    package var beatAt: Double
    /// It finishes what it has and takes nothing new.
    package var isDraining: Bool
    /// Class and message of the last error, without payloads.
    package var lastError: String?
    package var pools: [Pool]

    package init(
        dispatcherID: String,
        gatewayID: String? = nil,
        fabricGroupID: String? = nil,
        version: String? = nil,
        startedAt: Double,
        beatAt: Double,
        isDraining: Bool = false,
        lastError: String? = nil,
        pools: [Pool]
    ) {
        self.dispatcherID = dispatcherID
        self.gatewayID = gatewayID
        self.fabricGroupID = fabricGroupID
        self.version = version
        self.startedAt = startedAt
        self.beatAt = beatAt
        self.isDraining = isDraining
        self.lastError = lastError
        self.pools = pools
    }

    package static let maximumPools = 256
    private static let errorBytes = 512
}

extension DispatcherHeartbeat {
    package func write() -> [UInt8] {
        var json = JSONWriter(reserving: 512 + 320 * self.pools.count)
        json.object { json in
            json.field("dispatcher_id", self.dispatcherID)
            json.field("gateway_id", self.gatewayID)
            json.field("fabric_group_id", self.fabricGroupID)
            json.field("version", self.version)
            json.field("started_at", self.startedAt)
            json.field("beat_at", self.beatAt)
            json.field("draining", self.isDraining)
            json.field("last_error", self.lastError?.cut(toBytes: Self.errorBytes))
            json.array("pools") { json in
                for pool in self.pools.prefix(Self.maximumPools) { json.object { pool.write(&$0) } }
            }
        }
        return json.bytes
    }

    package static func read(_ bytes: [UInt8]) throws(EnvelopeError) -> DispatcherHeartbeat {
        try EnvelopeFields.read(bytes, limit: 1 << 20) { fields throws(EnvelopeError) in
            DispatcherHeartbeat(
                dispatcherID: try fields.identifier("dispatcher_id"),
                gatewayID: try fields.optionalIdentifier("gateway_id"),
                fabricGroupID: try fields.optionalIdentifier("fabric_group_id"),
                version: try fields.optionalIdentifier("version"),
                startedAt: try fields.number("started_at", in: EnvelopeFields.epochSeconds),
                beatAt: try fields.number("beat_at", in: EnvelopeFields.epochSeconds),
                isDraining: try fields.flag("draining"),
                lastError: try fields.optionalString("last_error", maximumBytes: Self.errorBytes),
                pools: try fields.list("pools", maximum: Self.maximumPools, Pool.read)
            )
        }
    }
}

extension DispatcherHeartbeat.Pool {
    fileprivate static let counts = 0...Int.max

    fileprivate func write(_ json: inout JSONWriter) {
        json.field("pool_id", self.poolID)
        json.field("slots", self.slots)
        json.field("inflight", self.inflight)
        json.field("processed", self.processed)
        json.field("failures", self.failures)
        json.field("malformed_dropped", self.malformedDropped)
        json.field("offline_requests_dropped", self.offlineRequestsDropped)
        json.field("offline_replies_dropped", self.offlineRepliesDropped)
        json.field("expired", self.expired)
        json.field("lost", self.lost)
        json.field("backend_address", self.backendAddress)
        json.field("last_processed_at", self.lastProcessedAt)
        if let reason = self.blockedBy { json.field("blocked_by", reason) }
        if let state = self.breakerState { json.field("breaker_state", state) }
    }

    fileprivate static func read(_ fields: EnvelopeFields) throws(EnvelopeError) -> DispatcherHeartbeat.Pool {
        DispatcherHeartbeat.Pool(
            poolID: try fields.identifier("pool_id"),
            slots: try fields.integer("slots", in: Self.counts),
            inflight: try fields.integer("inflight", in: Self.counts),
            processed: try fields.integer("processed", in: Self.counts),
            failures: try fields.integer("failures", in: Self.counts),
            malformedDropped: try fields.integer("malformed_dropped", in: Self.counts),
            offlineRequestsDropped: try fields.integer("offline_requests_dropped", in: Self.counts),
            offlineRepliesDropped: try fields.integer("offline_replies_dropped", in: Self.counts),
            expired: try fields.integer("expired", in: Self.counts),
            lost: try fields.integer("lost", in: Self.counts),
            backendAddress: try fields.optionalString("backend_address", maximumBytes: EnvelopeLimits.addressBytes),
            lastProcessedAt: try fields.optionalNumber("last_processed_at", in: EnvelopeFields.epochSeconds),
            blockedBy: try fields.optionalIdentifier("blocked_by"),
            breakerState: try fields.optionalIdentifier("breaker_state")
        )
    }
}
