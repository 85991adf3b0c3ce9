import SluiceBasics
import SluiceCore

/// Whose requests of which model ended how, and what they took.
final class SpenderMetrics: Sendable {
    struct Spender: Hashable, Sendable {
        var tenant: String
        var model: String
    }

    struct Figures: Sendable {
        var ended = [UInt64](repeating: 0, count: Outcome.allCases.count)
        var promptTokens: UInt64 = 0
        var completionTokens: UInt64 = 0
        var cost = Money.zero
    }

    private let spenders = Lock<[Spender: Figures]>([:])
    /// Pairs of tenant and model that are told apart; what clients make up beyond goes to `other`.
    static let maximumSpenders = 1_000
    private static let other = "other"

    /// By tenant, then model.
    func snapshot() -> [(spender: Spender, figures: Figures)] {
        let spenders = self.spenders.withLock { $0 }
        return spenders.sorted { ($0.key.tenant, $0.key.model) < ($1.key.tenant, $1.key.model) }
            .map { ($0.key, $0.value) }
    }

    func ended(_ record: RequestRecord) {
        guard let outcome = record.reason?.outcome else { return }
        let cost = record.cost.flatMap { $0 > .zero ? $0 : nil }
        self.update(record.submission, isReal: outcome == .done || cost != nil) { figures in
            figures.ended[outcome.ordinal] &+= 1
            if let usage = record.usage {
                figures.promptTokens &+= UInt64(clamping: usage.prompt)
                figures.completionTokens &+= UInt64(clamping: usage.completion)
            }
            if let cost { figures.cost += cost }
        }
    }

    func rejected(_ submission: Submission) {
        self.update(submission, isReal: false) { $0.ended[Outcome.rejected.ordinal] &+= 1 }
    }

    /// - Parameter isReal: whether there is such a model: names that clients make up must not use up the room.
    private func update(_ submission: Submission, isReal: Bool, _ change: (inout Figures) -> Void) {
        var spender = Spender(tenant: submission.tenant, model: submission.model)
        self.spenders.withLock { spenders in
            if let known = spenders.index(forKey: spender) { return change(&spenders.values[known]) }
            if !isReal { spender.model = Self.other }
            if spenders[spender] == nil, spenders.count >= Self.maximumSpenders {
                spender = Spender(tenant: Self.other, model: Self.other)
            }
            change(&spenders[spender, default: Figures()])
        }
    }
}

extension Outcome {
    /// Position in `allCases`.
    var ordinal: Int {
        switch self {
        case .done: 0
        case .failed: 1
        case .cancelled: 2
        case .expired: 3
        case .rejected: 4
        case .dropped: 5
        case .lost: 6
        case .dead: 7
        }
    }
}
