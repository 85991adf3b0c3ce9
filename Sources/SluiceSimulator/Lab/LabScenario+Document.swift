import SluiceBasics
import SluiceCore
import SluiceWire

extension LabScenario {
    /// The whole of it, in the words in which it is read.
    package func write(to json: inout JSONWriter) {
        json.field("policy", self.policy)
        json.object("weights") { json in
            for name in ScoringWeights.names { json.field(name, self.weights[named: name]) }
        }
        json.field("minimum_score", self.minimumScore)
        json.field("candidates", self.candidates)
        json.field("max_wait_s", self.maximumWait)
        json.field("requests_per_minute", self.limit.requestsPerMinute)
        json.field("tokens_per_minute", self.limit.tokensPerMinute)
        json.field("burst_requests", self.limit.burstRequests)
        json.field("burst_tokens", self.limit.burstTokens)
        json.field("limit_mode", self.limit.mode.rawValue)
        json.field("slots", self.slots)
        json.field("fair", self.isFair)
        json.field("tenant_in_flight", self.tenantInFlight)
        json.array("tenants") { json in
            for tenant in self.tenants {
                json.object { json in
                    json.field("name", tenant.name)
                    json.field("weight", tenant.weight)
                    json.field("share", tenant.share)
                }
            }
        }
        self.writeArrivals(to: &json)
        json.object("backend") { json in
            json.field("overhead_ms", self.backend.overhead.inMilliseconds)
            json.field("prompt_speed", Self.speed(self.backend.perPromptToken))
            json.field("token_speed", Self.speed(self.backend.perCompletionToken))
            json.field("slow_down", self.backend.slowDown)
        }
        json.field("failure_rate", self.failureRate)
        json.field("deadline_s", self.deadline)
        json.field("estimate_error", self.estimateError)
        json.field("seed", Int(clamping: self.seed))
    }

    private func writeArrivals(to json: inout JSONWriter) {
        json.object("arrivals") { json in
            json.field("pattern", self.pattern.rawValue)
            json.field("rate", self.rate)
            json.field("trace", self.trace)
            json.field("pace", self.pace)
            json.field("repeat", self.repeatsTrace)
        }
        json.object("lengths") { json in
            json.field("prompt", self.lengths.prompt)
            json.field("completion", self.lengths.completion)
            json.field("spread", self.lengths.spread)
            json.field("long_share", self.lengths.longShare)
            json.field("long_prompt", self.lengths.longPrompt)
            json.field("long_completion", self.lengths.longCompletion)
        }
        json.object("priorities") { json in
            for (priority, share) in zip(Priority.allCases, self.priorities) { json.field(priority.name, share) }
        }
    }

    /// Tokens a second, to the nearest thousandth: times are kept in whole nanoseconds.
    private static func speed(_ perToken: Duration) -> Double {
        let seconds = perToken.inSeconds
        return seconds > 0 ? (1_000 / seconds).rounded() / 1_000 : 1e9
    }
}
