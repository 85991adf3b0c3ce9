import SluiceDoctor

/// Everything that the view shows, without how it is shown. `nil` means unknown.
struct TopModel: Sendable, Equatable {
    struct Totals: Sendable, Equatable {
        var pending: Int?
        var inFlight: Int?
        var slots: Int?
        var donePerSecond: Double?
        var failedPerSecond: Double?
        var dropped: Int?
        var registeredDispatchers: Int?
        var runningDispatchers: Int?
    }

    struct Pool: Sendable, Equatable {
        var id: String
        /// `running`, `paused`, `draining`, `disabled`.
        var state: String?
        var slots: Int?
        var inFlight: Int?
        var pending: Int?
        /// As many as its backend's latency allows; `nil`: all slots.
        var concurrencyLimit: Int?
        var isShedding: Bool?
        /// Seconds.
        var oldestWait: Double?
        var requestsPerSecond: Double?
        var breaker: String?
        var waitingReason: String?
        var address: String?
    }

    struct Dispatcher: Sendable, Equatable {
        var id: String
        var isRunning: Bool?
        var isDraining: Bool?
        var pools: [String]
        var inFlight: Int?
        var processed: Int?
        var failures: Int?
        var requestsPerSecond: Double?
        var lastError: String?
        /// Seconds since its last sign of life, and since it last ended a request.
        var heartbeatAge: Double?
        var lastProcessedAge: Double?
    }

    typealias Request = RuntimeReading.Request

    var url = ""
    var version: String?
    var fabricGroup: String?
    /// Why the fabric beyond this gateway cannot be seen.
    var fabricError: String?
    /// Seconds.
    var uptime: Double?
    var totals = Totals()
    var pools: [Pool] = []
    var dispatchers: [Dispatcher] = []
    /// What was sampled of those that live; `pending` and `inFlight` say how many there are.
    var requests: [Request] = []

    /// How many requests live but are not in the sample.
    var unseenRequests: Int? {
        guard let pending = self.totals.pending, let inFlight = self.totals.inFlight else { return nil }
        return max(0, pending + inFlight - self.requests.count)
    }
}
