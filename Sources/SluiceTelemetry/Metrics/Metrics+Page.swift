import SluiceBasics
import SluiceCore

extension Metrics {
    /// What was counted here, and the pools' state as the dispatcher sees it now.
    package func write(to page: inout MetricPage, pools: [PoolStatus]) {
        page.writeState(pools)
        page.writeTargets(pools)
        let counted = self.snapshot()
        Self.writeCounters(counted, to: &page)
        Self.writeHistograms(counted, to: &page)
        self.writeSpenders(to: &page)
        self.writeCalls(to: &page)
    }

    private static func writeCounters(_ pools: [(name: String, pool: Pool)], to page: inout MetricPage) {
        page.family("sluice_requests_ended_total", .counter, "Requests by how and why they ended.")
        for (name, pool) in pools {
            for (reason, count) in zip(OutcomeReason.allCases, pool.ended) where count > 0 {
                let labels = [("pool", name), ("outcome", reason.outcome.rawValue), ("reason", reason.rawValue)]
                page.sample(labels, Double(count))
            }
        }
        page.family("sluice_attempts_total", .counter, "Backend calls of ended requests.")
        for (name, pool) in pools { page.sample([("pool", name)], Double(pool.attempts)) }
        page.family("sluice_retries_total", .counter, "Backend calls after a request's first.")
        for (name, pool) in pools { page.sample([("pool", name)], Double(pool.retries)) }
        page.family("sluice_attempt_failures_total", .counter, "Failed backend calls by class.")
        for (name, pool) in pools {
            for (failure, count) in zip(FailureClass.allCases, pool.failedAttempts) where count > 0 {
                page.sample([("pool", name), ("class", failure.rawValue)], Double(count))
            }
        }
        page.family("sluice_tokens_total", .counter, "Tokens as backends counted them.")
        for (name, pool) in pools {
            page.sample([("pool", name), ("kind", "prompt")], Double(pool.promptTokens))
            page.sample([("pool", name), ("kind", "completion")], Double(pool.completionTokens))
        }
    }

    private static func writeHistograms(_ pools: [(name: String, pool: Pool)], to page: inout MetricPage) {
        func family(_ name: String, _ help: String, _ value: (Pool) -> Histogram) {
            page.family(name, .histogram, help)
            for (pool, metrics) in pools { page.histogram([("pool", pool)], value(metrics)) }
        }
        family("sluice_queue_wait_seconds", "Time from admission to the first backend call.") { $0.queueWait }
        family("sluice_time_to_first_token_seconds", "Streams: time from admission to the first content.") {
            $0.timeToFirstToken
        }
        family("sluice_execution_seconds", "Time from the first backend call to the end.") { $0.execution }
        family("sluice_total_seconds", "Time from admission to the end.") { $0.total }
    }

    private func writeSpenders(to page: inout MetricPage) {
        let spenders = self.spenders.snapshot()
        func labels(_ spender: SpenderMetrics.Spender, _ more: MetricPage.Label...) -> [MetricPage.Label] {
            [("tenant", spender.tenant), ("model", spender.model)] + more
        }
        page.family("sluice_tenant_requests_total", .counter, "Requests by tenant, model and how they ended.")
        for (spender, figures) in spenders {
            for (outcome, count) in zip(Outcome.allCases, figures.ended) where count > 0 {
                page.sample(labels(spender, ("outcome", outcome.rawValue)), Double(count))
            }
        }
        page.family("sluice_tenant_tokens_total", .counter, "Tokens by tenant and model, as backends counted them.")
        for (spender, figures) in spenders where figures.promptTokens > 0 || figures.completionTokens > 0 {
            page.sample(labels(spender, ("kind", "prompt")), Double(figures.promptTokens))
            page.sample(labels(spender, ("kind", "completion")), Double(figures.completionTokens))
        }
        page.family("sluice_cost_dollars_total", .counter, "What requests cost, where their model's prices are known.")
        for (spender, figures) in spenders where figures.cost > .zero {
            page.sample(labels(spender), figures.cost.dollars)
        }
    }

    private func writeCalls(to page: inout MetricPage) {
        let series = self.calls.snapshot()
        func labels(_ labels: GenAIMetrics.Labels, _ more: MetricPage.Label? = nil) -> [MetricPage.Label] {
            let own: [MetricPage.Label] = [
                ("gen_ai.operation.name", labels.operation.rawValue), ("gen_ai.provider.name", labels.provider),
                ("gen_ai.request.model", labels.model),
            ]
            return more.map { own + [$0] } ?? own
        }
        page.family(
            instrument: "gen_ai.client.operation.duration",
            .histogram,
            unit: .seconds,
            "Calls of models, each attempt on its own."
        )
        for one in series {
            for (failure, histogram) in one.durations {
                page.histogram(labels(one.labels, failure.map { ("error.type", $0.rawValue) }), histogram)
            }
        }
        page.family(instrument: "gen_ai.client.token.usage", .histogram, unit: nil, "Tokens of a call, by kind.")
        for one in series {
            if one.input.count > 0 { page.histogram(labels(one.labels, ("gen_ai.token.type", "input")), one.input) }
            if one.output.count > 0 { page.histogram(labels(one.labels, ("gen_ai.token.type", "output")), one.output) }
        }
        page.family(
            instrument: "gen_ai.server.time_to_first_token",
            .histogram,
            unit: .seconds,
            "Streams: time from the call to its first content."
        )
        for one in series where one.firstToken.count > 0 { page.histogram(labels(one.labels), one.firstToken) }
        page.family(
            instrument: "gen_ai.server.time_per_output_token",
            .histogram,
            unit: .seconds,
            "Streams: time between tokens after the first."
        )
        for one in series where one.perOutputToken.count > 0 { page.histogram(labels(one.labels), one.perOutputToken) }
    }
}

extension MetricPage {
    fileprivate mutating func writeState(_ pools: [PoolStatus]) {
        func each(_ name: String, _ help: String, _ kind: Kind = .gauge, _ value: (PoolStatus) -> Double) {
            self.family(name, kind, help)
            for pool in pools { self.sample([("pool", pool.configuration.name)], value(pool)) }
        }
        each("sluice_queue_depth", "Requests that wait.") { Double($0.queued) }
        each("sluice_in_flight", "Requests that hold a slot.") { Double($0.inFlight) }
        each("sluice_slots", "Requests that may run at once.") { Double($0.configuration.slots) }
        each("sluice_concurrency_limit", "Requests that the backend gets at once: as its latency allows, or the slots.")
        { Double($0.concurrency?.limit ?? $0.configuration.slots) }
        each("sluice_latency_stretch", "Latency over that of the unloaded backend; 1 when not measured.") {
            $0.concurrency?.stretch ?? 1
        }
        each("sluice_pool_shedding", "1 while the pool sheds.") { $0.isShedding ? 1 : 0 }
        each("sluice_held_bytes", "Payload bytes of live requests.") { Double($0.bytes) }
        each("sluice_oldest_queued_seconds", "Age of the oldest waiting request.") {
            $0.oldestQueuedAge?.inSeconds ?? 0
        }
        each("sluice_pool_accepting", "1 while the pool accepts work.") { $0.mode == .draining ? 0 : 1 }
        each("sluice_pool_paused", "1 while the pool starts nothing.") { $0.mode == .paused ? 1 : 0 }
        each("sluice_requests_accepted_total", "Requests accepted.", .counter) { Double($0.accepted) }
        each("sluice_requests_redriven_total", "Dead requests put back.", .counter) { Double($0.redriven) }
        self.family("sluice_breaker_state", .gauge, "1 for the state that the backend's circuit breaker is in.")
        for pool in pools {
            for state in BreakerState.allCases {
                let labels = [
                    ("pool", pool.configuration.name), ("backend", pool.breaker.backend), ("state", state.rawValue),
                ]
                self.sample(labels, pool.breaker.state == state ? 1 : 0)
            }
        }
    }
}
