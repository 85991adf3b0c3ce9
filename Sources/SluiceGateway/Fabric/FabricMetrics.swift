import SluiceBasics
import SluiceCore
import SluiceFabric
import SluiceTelemetry
import SluiceWire

/// The fabric's part of `/metrics`: our own names, and those that the first dispatchers had.
struct FabricMetrics {
    private let fabric: FabricAccess
    /// Of the whole fabric; `nil` while Valkey cannot be asked.
    private let snapshot: FabricSnapshot?
    private let execution: (_ pool: String) -> Histogram?

    init(_ fabric: FabricAccess, _ snapshot: FabricSnapshot?, execution: @escaping (_ pool: String) -> Histogram?) {
        self.fabric = fabric
        self.snapshot = snapshot
        self.execution = execution
    }

    func write(to page: inout MetricPage) {
        self.writeView(to: &page)
        if let dispatcher = self.fabric.dispatcher {
            self.writeOwn(dispatcher, to: &page)
            self.writeFirstNames(dispatcher, to: &page)
        }
        if let producer = self.fabric.producer { self.write(producer, to: &page) }
    }

    private func writeView(to page: inout MetricPage) {
        page.family("sluice_fabric_up", .gauge, "1 while Valkey answers.")
        page.sample([], self.snapshot == nil ? 0 : 1)
        guard let snapshot = self.snapshot else { return }
        page.family("sluice_fabric_pending", .gauge, "Requests on a pool's list.")
        for pool in snapshot.pools { page.sample([("pool", pool.name)], Double(pool.pending)) }
        page.family("sluice_fabric_in_flight", .gauge, "Requests that dispatchers hold.")
        for pool in snapshot.pools {
            page.sample([("pool", pool.name)], Double(pool.inflight))
        }
        let running = snapshot.dispatchers.count { $0.heartbeat.map { !$0.isDraining } ?? false }
        page.family("marie_llm_dispatch_registered_dispatchers", .gauge, "Dispatchers that the fabric knows.")
        page.sample([], Double(snapshot.dispatchers.count))
        page.family("marie_llm_dispatch_running_dispatchers", .gauge, "Dispatchers that take work.")
        page.sample([], Double(running))
        page.family("marie_llm_dispatch_request_queue_depth", .gauge, "Requests on a pool's list.")
        for pool in snapshot.pools {
            page.sample([("pool_id", pool.name)], Double(pool.pending))
        }
    }

    // MARK: Dispatchers

    private typealias Counted = (pool: String, counts: FabricPoolCounts)

    private func counted(_ dispatcher: FabricDispatcher) -> [Counted] {
        dispatcher.configuration.pools.compactMap { pool in
            dispatcher.counts(pool: pool.name).map { (pool.name, $0) }
        }
    }

    private func writeOwn(_ dispatcher: FabricDispatcher, to page: inout MetricPage) {
        let pools = self.counted(dispatcher)
        func counter(_ name: String, _ help: String, _ value: (FabricPoolCounts) -> Int) {
            page.family(name, .counter, help)
            for (pool, counts) in pools { page.sample([("pool", pool)], Double(value(counts))) }
        }
        page.family("sluice_fabric_held", .gauge, "Requests taken and not settled.")
        page.sample([], Double(dispatcher.heldCount))
        page.family("sluice_fabric_heartbeat_age_seconds", .gauge, "Since the last heartbeat that Valkey took.")
        if let age = dispatcher.heartbeatAge { page.sample([], age.inSeconds) }
        page.family("sluice_fabric_heartbeat_ttl_seconds", .gauge, "After so long without one it is taken for dead.")
        page.sample([], dispatcher.configuration.heartbeatTTL.inSeconds)
        counter("sluice_fabric_taken_total", "Requests taken off the list.", \.taken)
        counter("sluice_fabric_answered_total", "Requests answered, well or not.", \.processed)
        counter("sluice_fabric_put_back_total", "Requests given back unsent.", \.putBack)
        counter("sluice_fabric_requeued_total", "Requests of dead dispatchers queued again.", \.requeued)
        counter("sluice_fabric_recovered_total", "Requests found after the answer to a pop was lost.", \.recovered)
        counter("sluice_fabric_late_total", "Replies delivered after we had been taken for dead.", \.late)
        counter("sluice_fabric_cancelled_total", "Stopped because nobody waits any more.", \.cancelled)
        counter("sluice_fabric_frames_total", "Pieces of streams pushed.", \.frames)
        counter("sluice_fabric_skewed_clocks_total", "Requests from clocks ahead of ours.", \.skewedClocks)
        counter(
            "sluice_fabric_unsupported_versions_total",
            "Of another version of the contract.",
            \.unsupportedVersions
        )
        counter("sluice_fabric_store_errors_total", "Commands that Valkey did not answer, or refused.", \.storeErrors)
    }

    /// Names and labels as dashboards for the first dispatchers have them.
    private func writeFirstNames(_ dispatcher: FabricDispatcher, to page: inout MetricPage) {
        let id = dispatcher.configuration.dispatcherID
        let pools = self.counted(dispatcher)
        func labels(_ pool: String, _ more: [(String, String)] = []) -> [(String, String)] {
            [("pool_id", pool), ("dispatcher_id", id)] + more
                + [("contract_version", DispatchContract.version)]
        }
        page.family("marie_llm_dispatch_batches_total", .counter, "Pops that brought something.")
        for (pool, counts) in pools {
            page.sample(labels(pool), Double(counts.batches))
        }
        self.writeBatches(dispatcher, { labels($0) }, to: &page)
        page.family("marie_llm_dispatch_items_total", .counter, "Requests answered, by status.")
        for (pool, counts) in pools {
            let good = Double(counts.processed - counts.failures)
            page.sample(labels(pool, [("status", "ok")]), good)
            let failed = Double(counts.failures)
            page.sample(labels(pool, [("status", "error")]), failed)
        }
        page.family("marie_llm_dispatch_execution_failures_total", .counter, "Requests answered with an error.")
        for (pool, counts) in pools {
            page.sample(labels(pool), Double(counts.failures))
        }
        page.family(
            "marie_llm_dispatch_dropped_requests_total",
            .counter,
            "Requests that no backend was asked for, by reason."
        )
        for (pool, counts) in pools {
            let dropped = [
                ("malformed_request", counts.malformed),
                ("offline_producer_before_dispatch", counts.offlineRequests),
                ("deadline", counts.expired), ("dispatcher_crash", counts.lost),
            ]
            for (reason, count) in dropped {
                let labels = labels(pool, [("reason", reason)])
                page.sample(labels, Double(count))
            }
        }
        page.family("marie_llm_dispatch_dropped_replies_total", .counter, "Replies that nobody took, by reason.")
        for (pool, counts) in pools {
            let dropped = [
                ("offline_producer_before_reply", counts.offlineReplies), ("store_away", counts.repliesGivenUp),
            ]
            for (reason, count) in dropped {
                let labels = labels(pool, [("reason", reason)])
                page.sample(labels, Double(count))
            }
        }
        page.family("marie_llm_dispatch_request_seconds", .histogram, "Time from the first backend call to the end.")
        for (pool, _) in pools {
            guard let histogram = self.execution(pool) else { continue }
            page.histogram(labels(pool), histogram)
        }
    }

    private func writeBatches(
        _ dispatcher: FabricDispatcher,
        _ labels: (String) -> [MetricPage.Label],
        to page: inout MetricPage
    ) {
        let batches = dispatcher.configuration.pools.compactMap { pool in
            dispatcher.batches(pool: pool.name).map { (pool.name, $0) }
        }
        page.family("marie_llm_dispatch_batch_size", .histogram, "Requests that a pop brought.")
        for (pool, figures) in batches { page.histogram(labels(pool), figures.sizes) }
        page.family(
            "marie_llm_dispatch_batch_seconds",
            .histogram,
            "Time from a pop to the end of the last request that it brought."
        )
        for (pool, figures) in batches { page.histogram(labels(pool), figures.times) }
    }

    // MARK: Producers

    private func write(_ producer: Producer, to page: inout MetricPage) {
        let counts = producer.counts
        page.family("sluice_fabric_waiting", .gauge, "Requests that wait for a reply.")
        page.sample([], Double(producer.waiting))
        page.family("sluice_fabric_alive", .gauge, "1 while the fabric knows this producer.")
        page.sample([], producer.isAlive ? 1 : 0)
        page.family("sluice_fabric_pushed_total", .counter, "Requests put onto lists.")
        page.sample([], Double(counts.pushed))
        let replies = [
            ("ok", counts.replies), ("error", counts.errorReplies), ("frame", counts.frames),
            ("late", counts.lateReplies), ("unknown", counts.unknownReplies), ("malformed", counts.malformedReplies),
            ("repeated", counts.repeatedFrames),
        ]
        page.family("sluice_fabric_replies_total", .counter, "What came on the list of replies, by kind.")
        for (kind, count) in replies { page.sample([("kind", kind)], Double(count)) }
        let ends = [
            ("timed_out", counts.timedOut), ("cancelled", counts.cancelled), ("slow_reader", counts.slowReaders),
            ("broken_stream", counts.brokenStreams), ("oversize", counts.oversize),
            ("overloaded", counts.overloaded), ("queue_full", counts.queueFull),
        ]
        page.family("sluice_fabric_given_up_total", .counter, "Requests that ended without a reply, by reason.")
        for (reason, count) in ends {
            page.sample([("reason", reason)], Double(count))
        }
        let errors = [
            ("push", counts.storeErrors), ("refresh", counts.refreshFailures), ("pop", counts.popFailures),
        ]
        page.family("sluice_fabric_producer_errors_total", .counter, "Errors of Valkey, by what was tried.")
        for (step, count) in errors {
            page.sample([("step", step)], Double(count))
        }
    }
}
