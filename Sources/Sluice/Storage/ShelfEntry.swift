import SluiceBasics
import SluiceCore

/// A message on a shelf, without its payload: one type for all payloads, so that code for it need not be generic.
struct ShelfEntry: Sendable {
    enum Phase: UInt8, Sendable {
        case free
        case ready
        case delayed
        case leased
        case dead
    }

    /// What few messages have.
    final class Extras: Sendable {
        let metadata: [String: String]
        let lastError: String?
        let reason: DeadLetterReason?

        init(metadata: [String: String], lastError: String? = nil, reason: DeadLetterReason? = nil) {
            self.metadata = metadata
            self.lastError = lastError
            self.reason = reason
        }
    }

    var id = ""
    var extras: Extras?
    var model: String?
    var sequence: UInt64 = 0
    var enqueuedAt = Instant.zero
    var expiresAt = Instant.distantFuture
    /// Of the newest claim; of a dead letter, its place among the dead.
    var token: UInt64 = 0
    var tokens = 0
    var expectedNanoseconds: Int64 = 0
    var rememberedMilliseconds: UInt32 = 0
    var tenant: UInt32 = 0
    var receiveCount: UInt32 = 0
    var lane: UInt8 = 0
    var priority = Priority.normal
    var phase = Phase.free

    var facts: WaitingFacts {
        WaitingFacts(
            sequence: self.sequence,
            enqueuedAt: self.enqueuedAt,
            tokens: self.tokens,
            tenant: self.tenant,
            lane: self.lane,
            priority: self.priority,
            receiveCount: Int(self.receiveCount),
            expectedProcessing: self.expectedNanoseconds == 0 ? nil : .nanoseconds(self.expectedNanoseconds)
        )
    }

    func attributes(tenant: String, now: Instant) -> MessageAttributes {
        MessageAttributes(
            id: self.id,
            sequence: self.sequence,
            priority: self.priority,
            estimatedTokens: self.tokens,
            model: self.model,
            tenant: tenant,
            expectedProcessing: self.expectedNanoseconds == 0 ? nil : .nanoseconds(self.expectedNanoseconds),
            metadata: self.extras?.metadata ?? [:],
            age: max(.zero, now - self.enqueuedAt),
            receiveCount: Int(self.receiveCount),
            lastError: self.extras?.lastError
        )
    }
}
