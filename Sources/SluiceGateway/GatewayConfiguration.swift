import SluiceBasics
import SluiceProviders
import SluiceTelemetry

/// What a gateway needs to know beside the dispatcher.
package struct GatewayConfiguration: Sendable {
    package var version: String
    /// Used when neither the request nor its key names one.
    package var defaultPool: String
    /// By pool.
    package var backends: [String: Backend]
    /// Those of pools with several targets, by their own names.
    package var targets: [String: Backend]
    /// Which pool the requests for a model go to; the first that matches counts. A `*` at the end stands for any text.
    package var modelRules: [(pattern: String, pool: String)]
    /// Pools whose requests may reach the backend at most once.
    package var poolsThatNeverResend: Set<String>
    /// Empty: everybody may do everything, as `default`.
    package var keys: [APIKey]
    /// Whether it listens on a loopback address only. Without keys it then answers to local names only.
    package var isLocal: Bool
    /// Whether clients may ask for inference here. Not of a dispatcher, whose work comes from lists.
    package var takesWork: Bool
    /// Models to list; empty: ask the default pool's backend.
    package var models: [String]
    package var defaultTimeout: Duration
    package var maximumTimeout: Duration
    package var maximumResponseBytes: Int
    /// Results of `Prefer: respond-async`.
    package var maximumResults: Int
    package var maximumResultBytes: Int
    package var resultAge: Duration
    /// Event feeds that have nothing to tell say so this often.
    package var heartbeat: Duration
    /// Event feeds show the pools at most this often.
    package var poolsInterval: Duration
    /// Work queued beside a free slot and a closed breaker for this long means that something is stuck.
    package var stuckAfter: Duration
    package var fabricGroup: String?
    package var gatewayName: String?
    /// Which calls get a line in the log.
    package var callLogging: CallLogging
    /// Which traces have spans of ours, that backends and dispatchers see as their parents; `nil`: none.
    package var tracing: SpanSampler?
    /// Whether lines of the log show the beginning of prompts and answers. Off unless switched on.
    package var showsPrompts: Bool
    /// By pool; pools without an entry keep no answers.
    package var caches: [String: CachePolicy]
    package var cacheLimits: CacheLimits
    package var console = ConsoleConfiguration()

    package init(version: String, defaultPool: String = "default", backends: [String: Backend]) {
        self.version = version
        self.defaultPool = defaultPool
        self.backends = backends
        self.targets = [:]
        self.modelRules = []
        self.poolsThatNeverResend = []
        self.keys = []
        self.isLocal = false
        self.takesWork = true
        self.models = []
        self.defaultTimeout = .seconds(600)
        self.maximumTimeout = .seconds(24 * 3600)
        self.maximumResponseBytes = 64 << 20
        self.maximumResults = 10_000
        self.maximumResultBytes = 256 << 20
        self.resultAge = .seconds(3600)
        self.heartbeat = .seconds(15)
        self.poolsInterval = .milliseconds(250)
        self.stuckAfter = .seconds(30)
        self.fabricGroup = nil
        self.gatewayName = nil
        self.callLogging = .all
        self.tracing = nil
        self.showsPrompts = false
        self.caches = [:]
        self.cacheLimits = CacheLimits()
    }

    func pool(forModel model: String) -> String? {
        self.modelRules.first { rule in
            rule.pattern.hasSuffix("*") ? model.hasPrefix(rule.pattern.dropLast()) : model == rule.pattern
        }?.pool
    }
}
