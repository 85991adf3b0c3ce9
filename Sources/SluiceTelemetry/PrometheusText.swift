import SluiceBasics
import SluiceCore

/// Writes metrics in Prometheus' text format, version 0.0.4.
package struct PrometheusText {
    package private(set) var bytes: [UInt8] = []

    package init() { self.bytes.reserveCapacity(32 << 10) }

    package mutating func family(_ name: String, _ type: String, _ help: String) {
        self.line("# HELP \(name) \(help)")
        self.line("# TYPE \(name) \(type)")
    }

    package mutating func sample(_ name: String, _ labels: [(String, String)], _ value: Double) {
        let text = Self.number(value)
        guard !labels.isEmpty else { return self.line("\(name) \(text)") }
        let joined = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        self.line("\(name){\(joined)} \(text)")
    }

    package mutating func histogram(_ name: String, _ labels: [(String, String)], _ histogram: Histogram) {
        var total: UInt64 = 0
        for (bound, count) in zip(Histogram.bounds, histogram.counts) {
            total &+= count
            let text = bound == bound.rounded() ? String(Int(bound)) : bound.description
            self.sample("\(name)_bucket", labels + [("le", text)], Double(total))
        }
        self.sample("\(name)_bucket", labels + [("le", "+Inf")], Double(histogram.count))
        self.sample("\(name)_sum", labels, histogram.sumNanoseconds / 1e9)
        self.sample("\(name)_count", labels, Double(histogram.count))
    }

    /// As Go's `ParseFloat` reads it, which is what the format refers to.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : value.description
    }

    private mutating func line(_ text: String) {
        self.bytes.append(contentsOf: text.utf8)
        self.bytes.append(0x0A)
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        // By scalars: as a character, CR LF is one that is not LF.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension Metrics {
    /// The whole page: what was counted here, and the pools' state as the dispatcher sees it now.
    ///
    /// - Parameter gauges: more values without labels: name, help, value.
    package func prometheus(
        pools: [PoolStatus],
        gauges: [(name: String, help: String, value: Double)] = []
    ) -> [UInt8] {
        var text = PrometheusText()
        self.writeState(pools, to: &text)
        text.writeTargets(pools)
        let counted = self.snapshot()
        Self.writeCounters(counted, to: &text)
        Self.writeHistograms(counted, to: &text)
        text.family("sluice_cost_dollars_total", "counter", "What requests cost, where their model's prices are known.")
        for (spender, cost) in self.spendingSnapshot() {
            let labels = [("tenant", spender.tenant), ("model", spender.model)]
            text.sample("sluice_cost_dollars_total", labels, cost.dollars)
        }
        for gauge in gauges {
            text.family(gauge.name, "gauge", gauge.help)
            text.sample(gauge.name, [], gauge.value)
        }
        return text.bytes
    }

    private func writeState(_ pools: [PoolStatus], to text: inout PrometheusText) {
        func gauge(_ name: String, _ help: String, type: String = "gauge", _ value: (PoolStatus) -> Double) {
            text.family(name, type, help)
            for pool in pools { text.sample(name, [("pool", pool.configuration.name)], value(pool)) }
        }
        gauge("sluice_queue_depth", "Requests that wait.") { Double($0.queued) }
        gauge("sluice_in_flight", "Requests that hold a slot.") { Double($0.inFlight) }
        gauge("sluice_slots", "Requests that may run at once.") { Double($0.configuration.slots) }
        gauge(
            "sluice_concurrency_limit",
            "Requests that the backend gets at once: as its latency allows, or the slots."
        ) {
            Double($0.concurrency?.limit ?? $0.configuration.slots)
        }
        gauge("sluice_latency_stretch", "Latency over that of the unloaded backend; 1 when not measured.") {
            $0.concurrency?.stretch ?? 1
        }
        gauge("sluice_pool_shedding", "1 while the pool sheds.") { $0.isShedding ? 1 : 0 }
        gauge("sluice_held_bytes", "Payload bytes of live requests.") { Double($0.bytes) }
        gauge("sluice_oldest_queued_seconds", "Age of the oldest waiting request.") {
            $0.oldestQueuedAge?.inSeconds ?? 0
        }
        gauge("sluice_pool_accepting", "1 while the pool accepts work.") { $0.mode == .draining ? 0 : 1 }
        gauge("sluice_pool_paused", "1 while the pool starts nothing.") { $0.mode == .paused ? 1 : 0 }
        gauge("sluice_requests_accepted_total", "Requests accepted.", type: "counter") { Double($0.accepted) }
        gauge("sluice_requests_redriven_total", "Dead requests put back.", type: "counter") { Double($0.redriven) }
        text.family("sluice_breaker_state", "gauge", "1 for the state that the backend's circuit breaker is in.")
        for pool in pools {
            for state in BreakerState.allCases {
                let labels = [
                    ("pool", pool.configuration.name), ("backend", pool.breaker.backend), ("state", state.rawValue),
                ]
                text.sample("sluice_breaker_state", labels, pool.breaker.state == state ? 1 : 0)
            }
        }
    }

    private static func writeCounters(_ pools: [(name: String, pool: Pool)], to text: inout PrometheusText) {
        text.family("sluice_requests_ended_total", "counter", "Requests by how and why they ended.")
        for (name, pool) in pools {
            for (reason, count) in zip(OutcomeReason.allCases, pool.ended) where count > 0 {
                let labels = [("pool", name), ("outcome", reason.outcome.rawValue), ("reason", reason.rawValue)]
                text.sample("sluice_requests_ended_total", labels, Double(count))
            }
        }
        text.family("sluice_attempts_total", "counter", "Backend calls of ended requests.")
        for (name, pool) in pools { text.sample("sluice_attempts_total", [("pool", name)], Double(pool.attempts)) }
        text.family("sluice_retries_total", "counter", "Backend calls after a request's first.")
        for (name, pool) in pools { text.sample("sluice_retries_total", [("pool", name)], Double(pool.retries)) }
        text.family("sluice_attempt_failures_total", "counter", "Failed backend calls by class.")
        for (name, pool) in pools {
            for (failure, count) in zip(FailureClass.allCases, pool.failedAttempts) where count > 0 {
                text.sample(
                    "sluice_attempt_failures_total",
                    [("pool", name), ("class", failure.rawValue)],
                    Double(count)
                )
            }
        }
        text.family("sluice_tokens_total", "counter", "Tokens as backends counted them.")
        for (name, pool) in pools {
            text.sample("sluice_tokens_total", [("pool", name), ("kind", "prompt")], Double(pool.promptTokens))
            text.sample("sluice_tokens_total", [("pool", name), ("kind", "completion")], Double(pool.completionTokens))
        }
    }

    private static func writeHistograms(_ pools: [(name: String, pool: Pool)], to text: inout PrometheusText) {
        func family(_ name: String, _ help: String, _ value: (Pool) -> Histogram) {
            text.family(name, "histogram", help)
            for (pool, metrics) in pools { text.histogram(name, [("pool", pool)], value(metrics)) }
        }
        family("sluice_queue_wait_seconds", "Time from admission to the first backend call.") { $0.queueWait }
        family("sluice_time_to_first_token_seconds", "Streams: time from admission to the first content.") {
            $0.timeToFirstToken
        }
        family("sluice_execution_seconds", "Time from the first backend call to the end.") { $0.execution }
        family("sluice_total_seconds", "Time from admission to the end.") { $0.total }
    }
}
