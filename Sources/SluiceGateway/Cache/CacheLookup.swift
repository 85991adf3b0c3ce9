import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceProviders
import SluiceWire

/// A request that may be answered without a call of its own. An object, so that whoever holds it holds one pointer.
final class CacheLookup: Sendable {
    let cache: AnswerCache
    let key: CacheKey
    let policy: CachePolicy
    let control: CacheControl
    let request: HTTPRequest
    let submission: Submission
    let operation: OpenAIOperation
    let began: Instant
    /// Whether the answer has to say how many tokens it cost.
    let wantsUsage: Bool

    init(
        cache: AnswerCache,
        key: CacheKey,
        policy: CachePolicy,
        control: CacheControl,
        request: HTTPRequest,
        submission: Submission,
        operation: OpenAIOperation,
        began: Instant
    ) {
        self.cache = cache
        self.key = key
        self.policy = policy
        self.control = control
        self.request = request
        self.submission = submission
        self.operation = operation
        self.began = began
        self.wantsUsage = !submission.isStream || Self.asksForUsage(request.body)
    }

    private static func asksForUsage(_ body: [UInt8]) -> Bool {
        (try? JSON.read(body) { $0["stream_options"]?["include_usage"]?.bool }) == true
    }

    var form: Flight.Form { self.submission.isStream ? .stream(hasUsage: self.wantsUsage) : .whole }

    /// As many answers as were asked for at once.
    var choiceCount: Int { (try? JSON.read(self.request.body) { $0["n"]?.int ?? 1 }) ?? 1 }

    /// Whether this answer has everything that was asked for.
    func suits(_ entry: CacheEntry) -> Bool { !entry.lacksUsage || !self.wantsUsage }

    /// Whoever is more urgent does not wait for the call of who is less. Less is more urgent.
    var rank: Int { Int(self.submission.priority.rawValue) }
}

/// What the cache has to do with a request.
enum CachePlan {
    /// Its pool has none.
    case none
    case bypass
    case lookup(CacheLookup)
}

extension Gateway {
    /// Headers of clients that change what is answered.
    private static let headersThatCount = [
        "openai-organization", "openai-project", "openai-beta", "anthropic-beta", "x-sluice-unsupported-params",
    ]

    func cachePlan(
        _ request: HTTPRequest,
        _ submission: Submission,
        _ operation: OpenAIOperation
    ) -> CachePlan {
        guard let cache = self.cache, let policy = cache.policy(submission.pool) else { return .none }
        let control = request.headers["cache-control"].map { CacheControl($0) } ?? CacheControl()
        let isElsewhere = submission.respondsLater || submission.isStream && Ingress.wantsQueueUpdates(request.headers)
        guard CachedAnswer.isCacheable(operation), !isElsewhere, !(control.isFresh && control.isUnstored) else {
            return .bypass
        }
        let scope = CacheScope(
            tenant: submission.tenant,
            pool: submission.pool,
            backend: policy.backend,
            operation: operation.rawValue,
            headers: Self.headersThatCount.map { request.headers.bytes(of: $0) }
        )
        guard let key = try? CacheKey(body: request.body, scope: scope) else { return .bypass }
        return .lookup(
            CacheLookup(
                cache: cache,
                key: key,
                policy: policy,
                control: control,
                request: request,
                submission: submission,
                operation: operation,
                began: self.clock.now()
            )
        )
    }
}
