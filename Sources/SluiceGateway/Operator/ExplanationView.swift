import SluiceBasics
import SluiceCore
import SluiceWire

/// An explanation as JSON.
enum ExplanationView {
    static func write(_ explanation: Explanation, _ submission: Submission, id: String, to json: inout JSONWriter) {
        json.field("id", id)
        json.field("summary", ExplanationText.summary(explanation))
        json.field("state", explanation.state.rawValue)
        json.field("pool", explanation.pool)
        json.field("tenant", submission.tenant)
        json.field("priority", submission.priority.name)
        json.field("token_estimate", submission.tokenEstimate)
        json.field("reason", explanation.reason?.rawValue)
        json.field("position", explanation.position)
        json.field("queued", explanation.queued)
        json.field("predicted_start_ms", explanation.predictedStart?.inMilliseconds)
        json.field("waited_ms", explanation.waited.inMilliseconds)
        json.field("deadline_in_ms", explanation.remaining.inMilliseconds)
        json.array("gates") { json in
            for gate in explanation.gates { json.object { Self.write(gate, to: &$0) } }
        }
        Self.write("score", explanation.score, to: &json)
        if let winner = explanation.winner {
            json.object("winner") { json in
                json.field("id", winner.id?.description)
                json.field("tenant", winner.tenant)
                json.field("priority", winner.priority.name)
                json.field("waited_ms", winner.waited.inMilliseconds)
                Self.write("score", winner.score, to: &json)
            }
        } else {
            json.nullField("winner")
        }
        if let tenant = explanation.tenant {
            json.object("tenant_share") { json in
                json.field("weight", tenant.weight)
                json.field("counter", tenant.counter)
                json.field("least_counter", tenant.leastCounter)
                json.field("least_tenant", tenant.leastTenant)
                json.field("queued", tenant.queued)
                json.field("in_flight", tenant.inFlight)
                json.field("max_in_flight", tenant.maximumInFlight)
            }
        } else {
            json.nullField("tenant_share")
        }
    }

    private static func write(_ gate: Explanation.Reading, to json: inout JSONWriter) {
        json.field("gate", gate.gate.rawValue)
        json.field("state", gate.isOpen ? "open" : "closed")
        json.field("value", gate.value)
        json.field("threshold", gate.threshold)
        json.field("unit", gate.unit?.rawValue)
        json.field("reopens_in_ms", gate.reopensIn?.inMilliseconds)
        json.field("detail", gate.detail)
    }

    private static func write(_ name: String, _ score: ScoreBreakdown?, to json: inout JSONWriter) {
        guard let score else { return json.nullField(name) }
        json.object(name) { json in
            json.field("priority", score.priority)
            json.field("efficiency", score.efficiency)
            json.field("wait_time", score.waitTime)
            json.field("retry", score.retry)
            json.field("token_fit", score.tokenFit)
            json.field("processing_time", score.processingTime)
            json.field("total", score.total)
        }
    }
}

extension Explanation {
    /// Without what is other tenants' business: who they are and what their requests are called.
    func seen(byTenant tenant: String) -> Explanation {
        var seen = self
        if let winner = self.winner, winner.tenant != tenant {
            seen.winner?.id = nil
            seen.winner?.tenant = nil
        }
        if self.tenant?.leastTenant != tenant { seen.tenant?.leastTenant = nil }
        for index in seen.gates.indices where seen.gates[index].gate == .tenantTurn { seen.gates[index].detail = nil }
        return seen
    }
}
