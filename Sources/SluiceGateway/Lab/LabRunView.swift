import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

/// A comparison as JSON: for each policy what `sluice simulate --json` says, and how it went over time.
enum LabRunView {
    static func document(_ comparison: LabComparison, tookMilliseconds: Double) -> [UInt8] {
        var json = JSONWriter(reserving: 64 << 10)
        json.object { json in
            json.field("requests", comparison.workload.arrivals.count)
            json.field("took_ms", tookMilliseconds)
            json.array("runs") { json in
                for result in comparison.results { json.object { Self.write(result, to: &$0) } }
            }
        }
        return json.bytes
    }

    private static func write(_ result: LabComparison.Result, to json: inout JSONWriter) {
        let report = result.report
        json.field("name", result.name)
        json.field("policy", result.scenario.policy)
        json.field("requests", report.requests)
        json.field("in_time", report.inTime)
        json.field("missed", report.missed)
        json.field("refused", report.refused)
        json.field("expired", report.expired)
        json.field("duration_s", report.duration)
        json.field("goodput", report.goodput)
        json.field("token_goodput", report.tokenGoodput)
        json.field("utilisation", report.utilization)
        json.field("idle", report.idle)
        json.field("fairness", report.fairness)
        json.field("books", result.complaint ?? "balanced")
        json.field("limit_used", report.limit.flatMap { $0.tokenShare ?? $0.requestShare })
        json.array("waits") { json in
            for wait in report.waits {
                json.object { json in
                    json.field("kind", wait.group.kind)
                    json.field("name", wait.group.name)
                    json.field("requests", wait.requests)
                    json.field("mean_s", wait.mean)
                    json.field("p50_s", wait.p50)
                    json.field("p95_s", wait.p95)
                    json.field("p99_s", wait.p99)
                    json.field("longest_s", wait.longest)
                }
            }
        }
        json.object("series") { Self.write(result.series, to: &$0) }
    }

    private static func write(_ series: RunSeries, to json: inout JSONWriter) {
        let step = series.step.inSeconds
        json.field("step_s", step)
        json.field("from_s", 0)
        func column(_ name: String, _ values: [Double?]) {
            json.array(name) { json in
                for value in values {
                    if let value {
                        json.value(LabFrameView.rounded(value))
                    } else {
                        json.rawValue(Array("null".utf8))
                    }
                }
            }
        }
        func rates(_ counts: [Int]) -> [Double] { counts.map { Double($0) / step } }
        column("arrived", rates(series.arrived))
        column("started", rates(series.started))
        column("done", rates(series.done))
        column("tokens", rates(series.tokens))
        column("pending", series.pending.map { Double($0) })
        column("utilisation", series.utilisation)
        for (priority, waits) in zip(Priority.allCases, series.waits) { column("wait_\(priority.name)", waits) }
    }
}

/// `GET /api/lab/presets`: what there is to choose from, and within which bounds.
enum LabPresetsView {
    static func document(_ configuration: LabConfiguration, start: [UInt8]?) -> [UInt8] {
        var json = JSONWriter(reserving: 16 << 10)
        json.object { json in
            json.array("scenarios") { json in
                for preset in LabPreset.all {
                    json.object { json in
                        json.field("id", preset.id)
                        json.field("title", preset.title)
                        json.field("about", preset.about)
                        json.object("scenario") { preset.scenario.write(to: &$0) }
                    }
                }
            }
            json.array("policies") { json in
                for preset in SchedulingPreset.allCases { json.object { Self.write(preset, to: &$0) } }
            }
            json.array("patterns") { json in
                for pattern in LabScenario.Pattern.allCases { json.value(pattern.rawValue) }
            }
            if let start { json.rawField("start", start) } else { json.nullField("start") }
            json.object("bounds") { json in
                json.field("sessions", configuration.maximumSessions)
                json.field("run_requests", LabComparison.mostRequests)
                json.field("run_policies", LabComparison.mostPolicies)
                json.field("tenants", LabScenario.mostTenants)
                json.field("live_requests", LabScenario.mostLive)
                json.field("speed_least", LabConfiguration.speeds.lowerBound)
                json.field("speed_most", LabConfiguration.speeds.upperBound)
            }
        }
        return json.bytes
    }

    private static func write(_ preset: SchedulingPreset, to json: inout JSONWriter) {
        json.field("id", preset.rawValue)
        json.field("explanation", SimulatedPolicy.Name(rawValue: preset.rawValue)?.explanation)
        json.field("candidates", preset.candidates)
        guard let weights = preset.weights else { return json.nullField("weights") }
        json.object("weights") { json in
            for name in ScoringWeights.names { json.field(name, weights[named: name]) }
        }
    }
}
