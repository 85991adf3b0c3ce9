import SluiceCore

extension PoolConfiguration {
    /// Takes over what a file says now and did not say before, and leaves everything else as operators have set it. The
    /// backend, the targets and the lease stay as they were at the start.
    mutating func take(from new: PoolConfiguration, whatDiffersFrom old: PoolConfiguration) {
        var pool = Difference(old: old, new: new, result: self)
        pool.take(\.slots)
        pool.take(\.maximumRequests)
        pool.take(\.maximumBytes)
        pool.take(\.maximumRequestsPerTenant)
        self = pool.result
        var retry = Difference(old: old.retry, new: new.retry, result: self.retry)
        retry.take(\.mode)
        retry.take(\.maximumAttempts)
        retry.take(\.baseDelay)
        retry.take(\.maximumDelay)
        retry.take(\.maximumRetryAfter)
        retry.take(\.budgetRatio)
        retry.take(\.budgetFloor)
        retry.take(\.maximumThrottles)
        self.retry = retry.result
        self.scheduling.take(from: new.scheduling, whatDiffersFrom: old.scheduling)
    }
}

extension SchedulingConfiguration {
    fileprivate mutating func take(from new: Self, whatDiffersFrom old: Self) {
        var scheduling = Difference(old: old, new: new, result: self)
        scheduling.take(\.policy.order)
        scheduling.take(\.policy.minimumScore)
        scheduling.take(\.policy.candidates)
        scheduling.take(\.policy.maximumWait)
        scheduling.take(\.tenants.isFair)
        scheduling.take(\.tenants.defaultWeight)
        scheduling.take(\.tenants.maximumInFlight)
        scheduling.take(\.tenants.completionWeight)
        scheduling.take(\.followsProviderLimits)
        scheduling.take(\.isAdaptive)
        scheduling.take(\.shedding.target)
        scheduling.take(\.shedding.interval)
        self = scheduling.result
        let (before, after) = (old.tenants.weights, new.tenants.weights)
        for name in Set(before.keys).union(after.keys) where before[name] != after[name] {
            self.tenants.weights[name] = after[name]
        }
        guard old.limit != new.limit else { return }
        let none = RateLimit()
        var limit = Difference(old: old.limit ?? none, new: new.limit ?? none, result: self.limit ?? none)
        limit.take(\.requestsPerMinute)
        limit.take(\.tokensPerMinute)
        limit.take(\.burstRequests)
        limit.take(\.burstTokens)
        limit.take(\.mode)
        self.limit = limit.result.isUnlimited ? nil : limit.result
    }
}

/// What a file says instead of what it said, one setting after the other.
private struct Difference<Settings> {
    let old: Settings
    let new: Settings
    var result: Settings

    mutating func take(_ setting: WritableKeyPath<Settings, some Equatable>) {
        guard self.old[keyPath: setting] != self.new[keyPath: setting] else { return }
        self.result[keyPath: setting] = self.new[keyPath: setting]
    }
}
