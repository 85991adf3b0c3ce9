import SluiceBasics
import SluiceCore

/// What has been done for each tenant of each pool since the start, bounded in tenants.
package final class TenantCounts: Sendable {
    package struct Count: Sendable, Equatable {
        package var done: UInt64 = 0
        package var tokens: UInt64 = 0
    }

    private struct Key: Hashable, Sendable {
        var pool: String
        var tenant: String
    }

    /// Tenants that are told apart, over all pools; what comes beyond is counted as `other`.
    package static let maximum = 10_000
    package static let others = "other"

    private let counts = Lock<[Key: Count]>([:])

    func ended(_ record: RequestRecord) {
        guard record.reason?.outcome == .done else { return }
        let tokens = record.usage.map { UInt64(clamping: $0.prompt) &+ UInt64(clamping: $0.completion) } ?? 0
        var key = Key(pool: record.submission.pool, tenant: record.submission.tenant)
        self.counts.withLock { counts in
            if counts[key] == nil, counts.count >= Self.maximum { key.tenant = Self.others }
            counts[key, default: Count()].done &+= 1
            counts[key]?.tokens &+= tokens
        }
    }

    package func counts(pool: String) -> [String: Count] {
        let counts = self.counts.withLock { $0 }
        var result: [String: Count] = [:]
        for (key, count) in counts where key.pool == pool { result[key.tenant] = count }
        return result
    }
}
