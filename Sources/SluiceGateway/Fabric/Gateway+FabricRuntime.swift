import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceProviders
import SluiceWire

// GET /api/llm-dispatch/runtime with the whole fabric in it: what lies on the lists, what any dispatcher holds, what
// this process has besides.
extension Gateway {
    func fabricRuntime(_ fabric: FabricAccess, limit: Int) async -> HTTPResponse {
        let snapshot: FabricSnapshot?
        var complaint: String?
        do throws(ValkeyError) {
            snapshot = try await fabric.view.look(limit: limit)
        } catch {
            snapshot = nil
            complaint = error.message
        }
        let pools = self.dispatcher.pools()
        let local = self.localRows(limit)
        let now = Double(self.clock.wallClockNanoseconds()) / 1e9
        let view = RequestView(now: self.clock.now(), wallClock: self.clock.wallClockNanoseconds())
        var json = JSONWriter(reserving: 32 << 10)
        json.object { json in
            json.field("status", "OK")
            json.object("result") { json in
                json.field("contract_version", DispatchContract.version)
                json.field("fabric_error", complaint)
                json.field("snapshot_ms", snapshot?.cost.inMilliseconds)
                json.object("runtime_summary") { json in
                    FabricRows.writeSummary(snapshot, pools, local, limit, to: &json)
                }
                json.array("pool_config") { json in
                    for pool in pools { json.object { self.writePoolConfiguration(pool, snapshot, to: &$0) } }
                }
                json.array("live_requests") { json in
                    for row in Self.sorted(local) where row.record.state != .queued {
                        json.object { self.writeRow(row, view, self.clock.now(), to: &$0) }
                    }
                    for pool in snapshot?.pools ?? [] { FabricRows.writeHeld(pool, limit, now, to: &json) }
                    for row in Self.sorted(local) where row.record.state == .queued {
                        json.object { self.writeRow(row, view, self.clock.now(), to: &$0) }
                    }
                    for pool in snapshot?.pools ?? [] {
                        FabricRows.writePending(pool, limit, now, FabricRows.reason(pool, snapshot), to: &json)
                    }
                }
                json.array("dispatchers") { json in
                    for dispatcher in snapshot?.dispatchers ?? [] {
                        FabricRows.write(dispatcher, snapshot, complaint, to: &json)
                    }
                    // A runtime that takes HTTP as well is a dispatcher of its own for that.
                    guard self.configuration.takesWork, fabric.producer == nil else { return }
                    for pool in pools { json.object { self.writeDispatcher(pool, to: &$0) } }
                }
            }
        }
        return Self.json(json)
    }

    /// Requests of this process that the lists know nothing of: in a runtime of its own what came over HTTP, in a
    /// gateway what has not been pushed yet.
    private func localRows(_ limit: Int) -> [LiveRequest] {
        let isGateway = self.fabric?.producer != nil
        return self.dispatcher.live(LiveFilter(state: isGateway ? .queued : nil), limit: limit, after: nil)
            .filter { $0.record.submission.remote == nil }
    }

    private func writePoolConfiguration(
        _ pool: PoolStatus,
        _ snapshot: FabricSnapshot?,
        to json: inout JSONWriter
    ) {
        let name = pool.configuration.name
        let beats = (snapshot?.dispatchers ?? []).compactMap { $0.heartbeat?.pools.first { $0.poolID == name } }
        json.field("pool_id", name)
        json.field(
            "endpoint_url",
            beats.first?.backendAddress ?? self.configuration.backends[name]?.address
        )
        let isGateway = self.fabric?.producer != nil
        json.field("max_concurrent", isGateway ? beats.reduce(0) { $0 + $1.slots } : pool.configuration.slots)
        json.field("enabled", pool.mode == .running)
    }
}

/// The parts of the runtime's answer that come out of Valkey.
enum FabricRows {
    static func writeSummary(
        _ snapshot: FabricSnapshot?,
        _ pools: [PoolStatus],
        _ local: [LiveRequest],
        _ limit: Int,
        to json: inout JSONWriter
    ) {
        let dispatchers = snapshot?.dispatchers ?? []
        let beats = dispatchers.compactMap(\.heartbeat)
        func sum(_ count: (DispatcherHeartbeat.Pool) -> Int) -> Int {
            beats.reduce(0) { $0 + $1.pools.reduce(0) { $0 + count($1) } }
        }
        let queuedHere = local.count { $0.record.state == .queued }
        json.field("registered_dispatchers", dispatchers.count)
        json.field("running_dispatchers", beats.count { !$0.isDraining })
        json.field(
            "pending_request_count",
            snapshot.map { $0.pools.reduce(queuedHere) { $0 + $1.pending } }
        )
        json.field(
            "pending_request_sample_count",
            (snapshot?.pools ?? []).reduce(queuedHere) { $0 + min(limit, $1.sample.count) }
        )
        json.field(
            "inflight_request_count",
            snapshot.map { $0.pools.reduce(local.count - queuedHere) { $0 + $1.inflight } }
        )
        json.field("live_request_sample_limit_per_pool", limit)
        json.field("execution_failures", sum(\.failures))
        json.field("malformed_requests_dropped", sum(\.malformedDropped))
        json.field("offline_producer_requests_dropped", sum(\.offlineRequestsDropped))
        json.field("offline_producer_replies_dropped", sum(\.offlineRepliesDropped))
        json.field("expired", sum(\.expired))
        json.field("lost", sum(\.lost))
    }

    static func writeHeld(_ pool: FabricSnapshot.Pool, _ limit: Int, _ now: Double, to json: inout JSONWriter) {
        let rows = pool.held.sorted { ($0.record.submittedAt, $0.id) < ($1.record.submittedAt, $1.id) }
        for (id, record) in rows.prefix(limit) {
            json.object { json in
                json.field("request_id", id)
                json.field("producer_id", record.producerID)
                json.field("pool_id", pool.name)
                json.field("model", record.model)
                json.field("lifecycle_stage", record.stage.rawValue)
                json.field("state_source", "dispatcher")
                json.field("submitted_at", record.submittedAt)
                json.field("popped_at", record.poppedAt)
                json.field("state_updated_at", record.since)
                json.field("queue_wait_age_seconds", max(0, record.poppedAt - record.submittedAt))
                json.field("inflight_age_seconds", max(0, now - record.poppedAt))
                json.field("dispatcher_id", record.dispatcherID)
                json.field("dispatch_profile_key", record.dispatchProfileKey)
                json.field("estimated_cost_units", record.estimatedCostUnits)
                json.field("timeout_seconds", record.timeoutSeconds)
                json.field("message_count", record.messageCount)
                // Prompts stay out of every view.
                json.nullField("request_summary")
                json.nullField("current_error_summary")
                json.nullField("waiting_reason")
                json.field("attempt", record.attempt)
                json.field("tenant", record.tenant)
                json.field("priority", record.priority)
            }
        }
    }

    /// Why what lies on a list is not being taken.
    static func reason(_ pool: FabricSnapshot.Pool, _ snapshot: FabricSnapshot?) -> String {
        let beats = (snapshot?.dispatchers ?? []).compactMap(\.heartbeat).filter { !$0.isDraining }
            .compactMap { beat in beat.pools.first { $0.poolID == pool.name } }
        if beats.isEmpty { return "no_dispatcher" }
        let reasons = beats.map(\.blockedBy)
        // One that takes is enough for the queue to move.
        if let blocked = reasons.first, !reasons.contains(nil), let blocked { return blocked }
        return pool.inflight >= beats.reduce(0) { $0 + $1.slots }
            ? WaitingReason.slotsFull.rawValue : WaitingReason.aheadInQueue.rawValue
    }

    static func writePending(
        _ pool: FabricSnapshot.Pool,
        _ limit: Int,
        _ now: Double,
        _ reason: String,
        to json: inout JSONWriter
    ) {
        for row in pool.sample.prefix(limit) {
            json.object { json in
                json.field("request_id", row.identity.requestID)
                json.field("producer_id", row.identity.producerID)
                json.field("pool_id", pool.name)
                // By custom the profile is the model, which stands too deep to be read here.
                json.field("model", row.dispatchProfileKey)
                json.field("lifecycle_stage", "pending")
                json.field("state_source", "valkey")
                json.field("submitted_at", row.submittedAt)
                json.nullField("popped_at")
                json.field("state_updated_at", row.submittedAt)
                json.field("queue_wait_age_seconds", row.submittedAt.map { max(0, now - $0) })
                json.nullField("inflight_age_seconds")
                json.nullField("dispatcher_id")
                json.field("dispatch_profile_key", row.dispatchProfileKey)
                json.field("estimated_cost_units", row.estimatedCostUnits)
                json.field("timeout_seconds", row.timeoutSeconds)
                json.nullField("message_count")
                json.nullField("request_summary")
                json.nullField("current_error_summary")
                json.field("waiting_reason", reason)
            }
        }
    }

    /// A row for each pool that it serves.
    static func write(
        _ dispatcher: FabricSnapshot.Dispatcher,
        _ snapshot: FabricSnapshot?,
        _ complaint: String?,
        to json: inout JSONWriter
    ) {
        let beat = dispatcher.heartbeat
        for name in dispatcher.pools {
            let pool = beat?.pools.first { $0.poolID == name }
            json.object { json in
                json.field("dispatcher_id", dispatcher.id)
                json.field("enabled", true)
                json.field("pool_id", name)
                json.field("fabric_group_id", beat?.fabricGroupID)
                json.field("gateway_id", beat?.gatewayID)
                json.field("valkey_configured", true)
                json.field("running", beat.map { !$0.isDraining } ?? false)
                json.field("draining", beat?.isDraining)
                json.field("last_error", beat == nil ? "Its heartbeat has gone." : beat?.lastError)
                json.field("last_beat_at", beat?.beatAt ?? dispatcher.lastBeat.map { Double($0) })
                json.field("started_at", beat?.startedAt)
                json.field("version", beat?.version)
                json.field("scheduler_policy", "fifo")
                json.field("endpoint_url", pool?.backendAddress)
                json.nullField("processed_batches")
                json.field("processed_items", pool?.processed)
                json.field("last_processed_at", pool?.lastProcessedAt)
                json.nullField("last_batch_size")
                json.field("execution_failures", pool?.failures)
                json.field("malformed_requests_dropped", pool?.malformedDropped)
                json.field("offline_producer_requests_dropped", pool?.offlineRequestsDropped)
                json.field("offline_producer_replies_dropped", pool?.offlineRepliesDropped)
                json.field("expired", pool?.expired)
                json.field("lost", pool?.lost)
                json.field("inflight_request_count", pool?.inflight)
                json.field("request_queue_depth", snapshot?.pools.first { $0.name == name }?.pending)
                json.field("request_queue_depth_error", complaint)
                json.field("total_concurrency", pool?.slots)
                json.field("waiting_reason", pool?.blockedBy)
                json.field("breaker_state", pool?.breakerState)
            }
        }
    }
}
