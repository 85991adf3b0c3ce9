import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

// GET /api/llm-dispatch/runtime: the runtime in the shape that the dispatch runtime's operators know. What has no
// meaning without a shared store is present and null.
extension Gateway {
    func runtime(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        await self.runtimeAnswer(limit: try Self.limit(request, default: 50, maximum: 250))
    }

    func runtimeAnswer(limit: Int) async -> HTTPResponse {
        if let fabric = self.fabric { return await self.fabricRuntime(fabric, limit: limit) }
        let pools = self.dispatcher.pools()
        let live = self.dispatcher.live(LiveFilter(), limit: limit, after: nil)
        let now = self.clock.now()
        let view = RequestView(now: now, wallClock: self.clock.wallClockNanoseconds())
        var json = JSONWriter(reserving: 16 << 10)
        json.object { json in
            json.field("status", "OK")
            json.object("result") { json in
                json.field("contract_version", "v2")
                json.object("runtime_summary") { Self.writeSummary(pools, limit, live, to: &$0) }
                json.array("pool_config") { json in
                    for pool in pools {
                        json.object { json in
                            json.field("pool_id", pool.configuration.name)
                            json.field("endpoint_url", self.configuration.backends[pool.configuration.name]?.address)
                            json.field("max_concurrent", pool.configuration.slots)
                            json.field("enabled", pool.mode == .running)
                        }
                    }
                }
                json.array("live_requests") { json in
                    for row in Self.sorted(live) { json.object { self.writeRow(row, view, now, to: &$0) } }
                }
                json.array("dispatchers") { json in
                    for pool in pools { json.object { self.writeDispatcher(pool, to: &$0) } }
                }
            }
        }
        return Self.json(json)
    }

    private static func writeSummary(
        _ pools: [PoolStatus],
        _ limit: Int,
        _ live: [LiveRequest],
        to json: inout JSONWriter
    ) {
        let dropped = RuntimeDrops(pools)
        // Without a fabric there are none to count: this process runs its work itself.
        json.nullField("registered_dispatchers")
        json.nullField("running_dispatchers")
        json.field("pending_request_count", pools.reduce(0) { $0 + $1.queued })
        json.field("pending_request_sample_count", live.filter { $0.record.state == .queued }.count)
        json.field("inflight_request_count", pools.reduce(0) { $0 + $1.inFlight })
        json.field("live_request_sample_limit_per_pool", limit)
        json.field("execution_failures", dropped.executionFailures)
        json.field("malformed_requests_dropped", dropped.malformed)
        json.field("offline_producer_requests_dropped", dropped.offlineRequests)
        json.field("offline_producer_replies_dropped", dropped.offlineReplies)
    }

    static func stage(_ state: RequestState) -> String {
        switch state {
        case .queued: "pending"
        case .claimed: "dispatching"
        case .started: "executing"
        case .streaming, .ended: "replying"
        }
    }

    static func sorted(_ rows: [LiveRequest]) -> [LiveRequest] {
        // state_source, submitted_at, request_id; "dispatcher" sorts before "valkey".
        rows.sorted { left, right in
            let leftQueued = left.record.state == .queued
            let rightQueued = right.record.state == .queued
            if leftQueued != rightQueued { return rightQueued }
            if left.record.submittedAt != right.record.submittedAt {
                return left.record.submittedAt < right.record.submittedAt
            }
            return left.record.submission.id < right.record.submission.id
        }
    }

    func writeRow(_ row: LiveRequest, _ view: RequestView, _ now: Instant, to json: inout JSONWriter) {
        let record = row.record
        let submission = record.submission
        let changed = record.firstByteAt ?? record.startedAt ?? record.claimedAt ?? record.submittedAt
        json.field("request_id", submission.id.description)
        json.field("producer_id", submission.producer)
        json.field("pool_id", submission.pool)
        json.field("model", submission.model)
        json.field("lifecycle_stage", Self.stage(record.state))
        json.field("state_source", record.state == .queued ? "memory" : "dispatcher")
        json.field("submitted_at", view.epoch(record.submittedAt))
        json.field("popped_at", view.epoch(record.claimedAt))
        json.field("state_updated_at", view.epoch(changed))
        json.field("queue_wait_age_seconds", ((record.claimedAt ?? now) - record.submittedAt).inSeconds)
        json.field("inflight_age_seconds", record.claimedAt.map { (now - $0).inSeconds })
        json.field("dispatcher_id", record.state == .queued ? nil : self.dispatcherName(submission.pool))
        json.field("dispatch_profile_key", submission.model)
        json.nullField("estimated_cost_units")
        json.field("timeout_seconds", (submission.deadline - record.submittedAt).inSeconds)
        json.field("message_count", submission.messageCount)
        // Prompts stay out of every view.
        json.nullField("request_summary")
        json.field("current_error_summary", record.decisiveAttempt?.message)
        json.field("waiting_reason", row.waiting?.reason.rawValue)
    }

    func dispatcherName(_ pool: String) -> String { "\(pool):\(self.configuration.gatewayName ?? "embedded")" }

    func writeDispatcher(_ pool: PoolStatus, to json: inout JSONWriter) {
        let ended = pool.ended.filter { $0.key.outcome != .rejected }.reduce(UInt64(0)) { $0 + $1.value }
        json.field("dispatcher_id", self.dispatcherName(pool.configuration.name))
        json.field("enabled", true)
        json.field("pool_id", pool.configuration.name)
        json.field("fabric_group_id", self.configuration.fabricGroup)
        json.field("gateway_id", self.configuration.gatewayName)
        json.field("valkey_configured", false)
        json.field("running", pool.mode == .running)
        json.nullField("last_error")
        json.field("scheduler_policy", SchedulingView.name(pool.configuration.scheduling.policy))
        json.field("endpoint_url", self.configuration.backends[pool.configuration.name]?.address)
        json.nullField("processed_batches")
        json.field("processed_items", ended)
        json.nullField("last_processed_at")
        json.nullField("last_batch_size")
        json.field("execution_failures", Int(pool.ended[.backend] ?? 0) + Int(pool.ended[.malformedResponse] ?? 0))
        json.field("malformed_requests_dropped", Int(pool.ended[.malformed] ?? 0))
        json.field("offline_producer_requests_dropped", Int(pool.ended[.offlineProducerBeforeDispatch] ?? 0))
        json.field("offline_producer_replies_dropped", Int(pool.ended[.offlineProducerBeforeReply] ?? 0))
        json.field("inflight_request_count", pool.inFlight)
        json.field("request_queue_depth", pool.queued)
        json.nullField("request_queue_depth_error")
        json.field("total_concurrency", pool.configuration.slots)
        json.field("concurrency_limit", pool.concurrency?.limit)
        json.field("max_buffered_requests_per_pool", pool.configuration.maximumRequests)
        json.field("waiting_reason", pool.waitingReason?.rawValue)
        json.field("breaker_state", pool.breaker.state.rawValue)
    }
}
