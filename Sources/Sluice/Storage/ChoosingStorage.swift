import SluiceBasics
import SluiceCore

/// A store that knows its messages well enough to choose among all of them, and answers at once.
package protocol ChoosingStorage<Payload>: QueueStorage {
    /// What runs next if `budget` may be spent; nothing is claimed.
    func choose(_ budget: ChoiceBudget) -> StorageChoice
    /// Leases what was chosen, if it is still ready; the number that comes back is the message's in the store.
    func claim(_ ticket: Ticket, lease: Duration) -> ClaimedMessage<Payload>?
    /// Ids of what has expired since somebody asked; `isEmpty` costs nothing.
    func takeExpired() -> [String]
}

/// What may be spent.
package struct ChoiceBudget: Sendable {
    /// `nil`: any number of tokens.
    package var tokens: Int?
    /// What is left of models' own limits.
    package var modelTokens: [String: Int] = [:]
    /// The most that there could ever be; `nil`: not known.
    package var capacity: Int?
}

/// A message that was chosen, and why.
package struct Ticket: Sendable {
    package var slot: UInt32
    package var sequence: UInt64
    package var tokens: Int
    package var model: String?
    package var facts: ScoringFacts
    package var score: Double
    package var reason: Selection.Reason
    package var compared: Int
}

/// What a store with an index of its own has chosen.
package enum StorageChoice: Sendable {
    case chosen(Ticket)
    /// Nothing is ready.
    case nothing(nextChange: Duration?)
    /// What is ready belongs to tenants at their cap.
    case capped(nextChange: Duration?)
    /// Nothing may start before one of the needs is met: those of the smallest messages, or that of a message that has
    /// waited for too long.
    case blocked([Need], nextChange: Duration?)
}

/// What somebody waits for.
package struct Need: Sendable, Equatable {
    package var tokens: Int
    package var model: String?

    package init(tokens: Int, model: String?) {
        self.tokens = tokens
        self.model = model
    }
}
