import SluiceBasics
import SluiceCore
import SluiceWire

extension RouteTargetStatus {
    /// A target as JSON, into an object that is open.
    func write(to json: inout JSONWriter) {
        json.field("target", self.target.name)
        json.field("backend", self.target.backend)
        json.field("model", self.target.model)
        json.field("weight", self.target.weight)
        json.field("order", self.target.order)
        json.field("is_fallback", self.isFallback)
        json.field("state", self.state.rawValue)
        json.field("cools_for_ms", self.coolsFor?.inMilliseconds)
        json.field("cause", self.cause?.rawValue)
        json.field("in_flight", self.inFlight)
        json.field("first_token_ms", self.firstToken?.inMilliseconds)
        json.field("answer_ms", self.answer?.inMilliseconds)
        json.field("attempts", self.attempts)
        json.field("failures", self.failures)
        json.field("hedges", self.hedges)
        json.field("times_cooled", self.timesCooled)
    }
}
