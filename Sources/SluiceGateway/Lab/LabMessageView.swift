import SluiceBasics
import SluiceCore
import SluiceSimulator
import SluiceWire

/// One message of the lab as JSON: what its score is made of, and what holds it.
enum LabMessageView {
    static func document(_ explanation: LabExplanation, now: Instant) -> [UInt8] {
        let message = explanation.message
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            json.field("number", Int(clamping: message.number))
            json.field("state", message.state.rawValue)
            json.field("priority", message.priority.name)
            json.field("tenant", explanation.tenant)
            json.field("prompt_tokens", message.promptTokens)
            json.field("completion_tokens", message.completionTokens)
            json.field("token_estimate", message.tokenEstimate)
            json.field("arrived_s", LabFrameView.rounded((message.arrivedAt - .zero).inSeconds))
            json.field("started_s", message.startedAt.map { LabFrameView.rounded(($0 - .zero).inSeconds) })
            json.field("ended_s", message.endedAt.map { LabFrameView.rounded(($0 - .zero).inSeconds) })
            json.field("waited_ms", message.waited(at: now).inMilliseconds)
            json.field("due_in_ms", message.dueAt.map { max(.zero, $0 - now).inMilliseconds })
            json.field("attempts", message.attempts)
            json.field("reason", message.reason?.rawValue)
            Self.writeScore(explanation, to: &json)
            if let waiting = explanation.explanation, let submission = explanation.submission {
                json.object("waiting") { json in
                    ExplanationView.write(waiting, submission, id: "#\(message.number)", to: &json)
                    json.field("held_by", waiting.firstClosed?.gate.rawValue)
                    json.field("winner_number", explanation.winner.map { Int(clamping: $0) })
                }
            } else {
                json.nullField("waiting")
            }
        }
        return json.bytes
    }

    private static func writeScore(_ explanation: LabExplanation, to json: inout JSONWriter) {
        guard let total = explanation.total else { return json.nullField("score") }
        json.object("score") { json in
            json.field("total", total)
            json.field("minimum", explanation.minimum)
            json.field("available_tokens", explanation.available)
            json.array("scorers") { json in
                for scorer in explanation.scorers {
                    json.object { json in
                        json.field("name", scorer.name)
                        json.field("value", scorer.value)
                        json.field("weight", scorer.weight)
                        json.field("contribution", scorer.contribution)
                    }
                }
            }
        }
    }
}
