import SluiceBasics
import SluiceCore
import SluiceWire

/// A pool's scheduling as JSON, in the shape in which `PATCH /api/pools/{id}` takes it.
enum SchedulingView {
    static func write(_ scheduling: SchedulingConfiguration, to json: inout JSONWriter) {
        json.object("policy") { json in
            let policy = scheduling.policy
            json.field("preset", Self.name(policy))
            if case .scored(let weights) = policy.order {
                json.object("weights") { json in
                    for name in ScoringWeights.names { json.field(name, weights[named: name]) }
                }
            } else {
                json.nullField("weights")
            }
            json.field("min_score", policy.minimumScore)
            json.field("candidates", policy.candidates)
            json.field("max_wait_ms", policy.maximumWait.inMilliseconds)
        }
        json.object("limits") { json in
            let limit = scheduling.limit ?? RateLimit()
            json.field("requests_per_minute", limit.requestsPerMinute)
            json.field("tokens_per_minute", limit.tokensPerMinute)
            json.field("burst_requests", limit.burstRequests)
            json.field("burst_tokens", limit.burstTokens)
            json.field("mode", limit.mode.rawValue)
            json.field("provider_limits", scheduling.followsProviderLimits)
        }
        json.object("tenants") { json in
            let tenants = scheduling.tenants
            json.field("fair", tenants.isFair)
            json.object("weights") { json in
                for (name, weight) in tenants.weights.sorted(by: { $0.key < $1.key }) { json.field(name, weight) }
            }
            json.field("max_in_flight", tenants.maximumInFlight)
        }
        json.field("concurrency", (scheduling.isAdaptive ? ConcurrencyMode.adaptive : .fixed).rawValue)
        json.object("shedding") { json in
            json.field("after_ms", scheduling.shedding.target?.inMilliseconds)
            json.field("interval_ms", scheduling.shedding.interval.inMilliseconds)
        }
    }

    /// `custom` for weights of somebody's own.
    static func name(_ policy: SchedulingPolicy) -> String { policy.preset?.rawValue ?? "custom" }
}
