import SluiceBasics
import SluiceCore

/// How long the requests of one group waited.
package struct WaitSummary: Sendable, Equatable {
    package enum Group: Sendable, Equatable {
        case all
        case size(isShort: Bool)
        case priority(Priority)
        case tenant(String)

        package var kind: String {
            switch self {
            case .all: "all"
            case .size: "size"
            case .priority: "priority"
            case .tenant: "tenant"
            }
        }

        package var name: String {
            switch self {
            case .all: "all"
            case .size(let isShort): isShort ? "short" : "long"
            case .priority(let priority): priority.name
            case .tenant(let name): name
            }
        }
    }

    package var group: Group
    /// That arrived.
    package var requests: Int
    /// That ended well and in time.
    package var inTime: Int
    /// In seconds, of those that started; `nil` when none did. Percentiles by nearest rank.
    package var mean: Double?
    package var p50: Double?
    package var p95: Double?
    package var p99: Double?
    package var longest: Double?

    /// - Parameter waits: in seconds, in any order.
    init(_ group: Group, requests: Int, inTime: Int, waits: [Double]) {
        self.group = group
        self.requests = requests
        self.inTime = inTime
        let sorted = waits.sorted()
        guard let last = sorted.last else { return }
        self.mean = sorted.reduce(0, +) / Double(sorted.count)
        self.p50 = Self.percentile(0.5, of: sorted)
        self.p95 = Self.percentile(0.95, of: sorted)
        self.p99 = Self.percentile(0.99, of: sorted)
        self.longest = last
    }

    /// The least value that this share of all values does not exceed.
    package static func percentile(_ share: Double, of sorted: [Double]) -> Double? {
        guard !sorted.isEmpty else { return nil }
        let rank = Int((share * Double(sorted.count)).rounded(.up))
        return sorted[min(max(1, rank), sorted.count) - 1]
    }
}
