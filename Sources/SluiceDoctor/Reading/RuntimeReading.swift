import SluiceWire

/// What `/api/llm-dispatch/runtime` said at one moment. A field that was missing or null is `nil`, which means unknown
/// and never zero.
package struct RuntimeReading: Sendable, Equatable {
    package struct Summary: Sendable, Equatable {
        package var registeredDispatchers: Int?
        package var runningDispatchers: Int?
        package var pending: Int?
        package var inFlight: Int?
        package var executionFailures: Int?
        package var malformedDropped: Int?
        package var offlineRequestsDropped: Int?
        package var offlineRepliesDropped: Int?
        package var expired: Int?
        package var lost: Int?

        /// Everything that was dropped. A part that is not known makes the sum unknown.
        package var dropped: Int? {
            guard let malformedDropped, let offlineRequestsDropped, let offlineRepliesDropped else { return nil }
            return malformedDropped + offlineRequestsDropped + offlineRepliesDropped
        }
    }

    package struct Pool: Sendable, Equatable {
        package var id: String
        package var address: String?
        package var slots: Int?
        package var isEnabled: Bool?
    }

    /// One dispatcher as it serves one pool.
    package struct Dispatcher: Sendable, Equatable {
        package var id: String
        package var pools: [String] = []
        package var fabricGroup: String?
        package var gateway: String?
        package var isEnabled: Bool?
        package var isRunning: Bool?
        package var isDraining: Bool?
        package var usesValkey: Bool?
        package var lastError: String?
        package var address: String?
        package var processed: Int?
        package var failures: Int?
        package var malformedDropped: Int?
        package var offlineRequestsDropped: Int?
        package var offlineRepliesDropped: Int?
        package var expired: Int?
        /// Of dispatchers that died, found by this one.
        package var lost: Int?
        package var inFlight: Int?
        package var queueDepth: Int?
        package var queueDepthError: String?
        package var slots: Int?
        /// Seconds since 1970.
        package var lastProcessedAt: Double?
        /// Seconds since 1970 by the dispatcher's clock.
        package var beatAt: Double?
        package var waitingReason: String?
        package var breaker: String?
    }

    package struct Request: Sendable, Equatable {
        package var id: String
        package var producer: String?
        package var pool: String?
        package var model: String?
        package var stage: String?
        /// Who knows of it: `dispatcher`, `valkey`, `memory`.
        package var source: String?
        /// Seconds since 1970 by the producer's clock.
        package var submittedAt: Double?
        /// Seconds; frozen when a dispatcher took it.
        package var waited: Double?
        /// Seconds since a dispatcher took it.
        package var inFlightFor: Double?
        package var dispatcher: String?
        /// Seconds.
        package var timeout: Double?
        package var attempt: Int?
        package var waitingReason: String?
        package var error: String?

        package var isPending: Bool { self.stage == "pending" }
        /// Seconds since it was submitted; unknown when a part is.
        package var age: Double? {
            guard let waited else { return nil }
            return self.isPending ? waited : self.inFlightFor.map { waited + $0 }
        }
    }

    /// Why the fabric beyond this gateway could not be looked at.
    package var fabricError: String?
    package var summary = Summary()
    package var pools: [Pool] = []
    package var dispatchers: [Dispatcher] = []
    package var requests: [Request] = []

    package init() {}
}

extension RuntimeReading.Dispatcher {
    /// Nothing is known of it but its name.
    package static func named(_ id: String) -> Self { Self(id: id) }
}

extension RuntimeReading.Request {
    /// Nothing is known of it but its name.
    package static func named(_ id: String) -> Self { Self(id: id) }
}

extension RuntimeReading.Pool {
    /// Nothing is known of it but its name.
    package static func named(_ id: String) -> Self { Self(id: id) }
}

extension RuntimeReading {
    /// Rows beyond are not looked at; the gateway sends at most 250 per pool.
    private static let maximumRows = 20_000

    package static func read(_ body: [UInt8]) throws -> RuntimeReading {
        try JSON.read(body) { root in
            var reading = RuntimeReading()
            guard let result = root["result"] else { return reading }
            reading.fabricError = result["fabric_error"]?.string
            if let summary = result["runtime_summary"] { reading.summary = Summary(summary) }
            reading.pools = Self.rows(result["pool_config"], Pool.init)
            reading.dispatchers = Self.rows(result["dispatchers"], Dispatcher.init)
            reading.requests = Self.rows(result["live_requests"], Request.init)
            return reading
        }
    }

    private static func rows<Row>(_ list: JSONValue?, _ read: (JSONValue) -> Row?) -> [Row] {
        var rows: [Row] = []
        list?.forEachElement { element in
            if let row = read(element) { rows.append(row) }
            return rows.count < Self.maximumRows
        }
        return rows
    }
}

extension RuntimeReading.Summary {
    package init(_ json: JSONValue) {
        self.registeredDispatchers = json["registered_dispatchers"]?.counted
        self.runningDispatchers = json["running_dispatchers"]?.counted
        self.pending = json["pending_request_count"]?.counted
        self.inFlight = json["inflight_request_count"]?.counted
        self.executionFailures = json["execution_failures"]?.counted
        self.malformedDropped = json["malformed_requests_dropped"]?.counted
        self.offlineRequestsDropped = json["offline_producer_requests_dropped"]?.counted
        self.offlineRepliesDropped = json["offline_producer_replies_dropped"]?.counted
        self.expired = json["expired"]?.counted
        self.lost = json["lost"]?.counted
    }
}

extension RuntimeReading.Pool {
    package init?(_ json: JSONValue) {
        guard let id = json["pool_id"]?.string else { return nil }
        self.id = id
        self.address = json["endpoint_url"]?.string
        self.slots = json["max_concurrent"]?.counted
        self.isEnabled = json["enabled"]?.bool
    }
}

extension RuntimeReading.Dispatcher {
    package init?(_ json: JSONValue) {
        guard let id = json["dispatcher_id"]?.string else { return nil }
        self.init(id: id)
        if let pool = json["pool_id"]?.string { self.pools = [pool] }
        json["pools"]?.forEachElement { element in
            if let pool = element.string ?? element["pool_id"]?.string, !self.pools.contains(pool) {
                self.pools.append(pool)
            }
            return self.pools.count < 256
        }
        self.fabricGroup = json["fabric_group_id"]?.string
        self.gateway = json["gateway_id"]?.string
        self.isEnabled = json["enabled"]?.bool
        self.isRunning = json["running"]?.bool
        self.isDraining = json["draining"]?.bool
        self.usesValkey = json["valkey_configured"]?.bool
        self.lastError = json["last_error"]?.string
        self.address = json["endpoint_url"]?.string
        self.processed = json["processed_items"]?.counted
        self.failures = json["execution_failures"]?.counted
        self.malformedDropped = json["malformed_requests_dropped"]?.counted
        self.offlineRequestsDropped = json["offline_producer_requests_dropped"]?.counted
        self.offlineRepliesDropped = json["offline_producer_replies_dropped"]?.counted
        self.expired = json["expired"]?.counted
        self.lost = json["lost"]?.counted
        self.inFlight = json["inflight_request_count"]?.counted
        self.queueDepth = json["request_queue_depth"]?.counted
        self.queueDepthError = json["request_queue_depth_error"]?.string
        self.slots = json["total_concurrency"]?.counted
        self.lastProcessedAt = json["last_processed_at"]?.measured
        self.beatAt = json["last_beat_at"]?.measured
        self.waitingReason = json["waiting_reason"]?.string
        self.breaker = json["breaker_state"]?.string
    }
}

extension RuntimeReading.Request {
    package init?(_ json: JSONValue) {
        guard let id = json["request_id"]?.string else { return nil }
        self.id = id
        self.producer = json["producer_id"]?.string
        self.pool = json["pool_id"]?.string
        self.model = json["model"]?.string
        self.stage = json["lifecycle_stage"]?.string
        self.source = json["state_source"]?.string
        self.submittedAt = json["submitted_at"]?.measured
        self.waited = json["queue_wait_age_seconds"]?.measured
        self.inFlightFor = json["inflight_age_seconds"]?.measured
        self.dispatcher = json["dispatcher_id"]?.string
        self.timeout = json["timeout_seconds"]?.measured
        self.attempt = json["attempt"]?.counted
        self.waitingReason = json["waiting_reason"]?.string
        self.error = json["current_error_summary"]?.string
    }
}
