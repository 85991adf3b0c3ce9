import SluiceDoctor
import SluiceWire

/// The view as one JSON object. Unknown is null. docs/operations.md names the fields.
enum TopDocument {
    static func write(_ model: TopModel) -> [UInt8] {
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            json.field("url", model.url)
            json.field("version", model.version)
            json.field("uptime_seconds", model.uptime)
            json.field("fabric_group_id", model.fabricGroup)
            json.field("fabric_error", model.fabricError)
            json.object("totals") { json in
                let totals = model.totals
                json.field("pending", totals.pending)
                json.field("in_flight", totals.inFlight)
                json.field("slots", totals.slots)
                json.field("done_per_second", totals.donePerSecond)
                json.field("failed_per_second", totals.failedPerSecond)
                json.field("dropped", totals.dropped)
                json.field("registered_dispatchers", totals.registeredDispatchers)
                json.field("running_dispatchers", totals.runningDispatchers)
            }
            json.array("pools") { json in for pool in model.pools { json.object { Self.write(pool, &$0) } } }
            json.array("dispatchers") { json in
                for row in model.dispatchers { json.object { Self.write(row, &$0) } }
            }
            json.array("requests") { json in for row in model.requests { json.object { Self.write(row, &$0) } } }
            json.field("requests_not_shown", model.unseenRequests)
        }
        return json.bytes
    }

    private static func write(_ pool: TopModel.Pool, _ json: inout JSONWriter) {
        json.field("id", pool.id)
        json.field("state", pool.state)
        json.field("slots", pool.slots)
        json.field("in_flight", pool.inFlight)
        json.field("pending", pool.pending)
        json.field("oldest_wait_seconds", pool.oldestWait)
        json.field("requests_per_second", pool.requestsPerSecond)
        json.field("breaker", pool.breaker)
        json.field("waiting_reason", pool.waitingReason)
        json.field("backend_address", pool.address)
        json.field("concurrency_limit", pool.concurrencyLimit)
        json.field("is_shedding", pool.isShedding)
    }

    private static func write(_ row: TopModel.Dispatcher, _ json: inout JSONWriter) {
        json.field("id", row.id)
        json.field("running", row.isRunning)
        json.field("draining", row.isDraining)
        json.array("pools") { json in for pool in row.pools { json.value(pool) } }
        json.field("in_flight", row.inFlight)
        json.field("processed", row.processed)
        json.field("failures", row.failures)
        json.field("requests_per_second", row.requestsPerSecond)
        json.field("last_error", row.lastError)
        json.field("heartbeat_age_seconds", row.heartbeatAge)
        json.field("last_processed_age_seconds", row.lastProcessedAge)
    }

    private static func write(_ row: TopModel.Request, _ json: inout JSONWriter) {
        json.field("id", row.id)
        json.field("pool", row.pool)
        json.field("model", row.model)
        json.field("producer", row.producer)
        json.field("stage", row.stage)
        json.field("age_seconds", row.age)
        json.field("waited_seconds", row.waited)
        json.field("dispatcher", row.dispatcher)
        json.field("attempt", row.attempt)
        json.field("waiting_reason", row.waitingReason)
        json.field("error", row.error)
    }
}
