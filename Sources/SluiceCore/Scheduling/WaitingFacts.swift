import SluiceBasics

/// What choosing needs to know of a request that waits.
package struct WaitingFacts: Sendable, Equatable {
    /// Place by age: unique, kept for life.
    package var sequence: UInt64
    package var enqueuedAt: Instant
    /// What it will be charged: prompt and expected completion.
    package var tokens: Int
    /// Number of its tenant in the ledger.
    package var tenant: UInt32
    /// Whose limits beside the pool's apply, usually a model's.
    package var lane: UInt8
    package var priority: Priority
    /// How often it has been delivered before.
    package var receiveCount: UInt8
    /// In milliseconds; 0: not stated.
    package var expectedProcessing: UInt32

    package init(
        sequence: UInt64,
        enqueuedAt: Instant,
        tokens: Int,
        tenant: UInt32 = 0,
        lane: UInt8 = 0,
        priority: Priority = .normal,
        receiveCount: Int = 0,
        expectedProcessing: Duration? = nil
    ) {
        self.sequence = sequence
        self.enqueuedAt = enqueuedAt
        self.tokens = max(0, tokens)
        self.tenant = tenant
        self.lane = lane
        self.priority = priority
        self.receiveCount = UInt8(clamping: receiveCount)
        let milliseconds = (expectedProcessing ?? .zero).wholeNanoseconds / 1_000_000
        self.expectedProcessing = UInt32(clamping: milliseconds)
    }

    package func wait(at now: Instant) -> Duration { max(.zero, now - self.enqueuedAt) }

    package func scoring(available: Int?, at now: Instant) -> ScoringFacts {
        ScoringFacts(
            priority: self.priority,
            tokens: self.tokens,
            availableTokens: available,
            wait: self.wait(at: now),
            receiveCount: Int(self.receiveCount),
            expectedProcessing: self.expectedProcessing == 0 ? nil : .milliseconds(Int64(self.expectedProcessing))
        )
    }
}

/// Sizes in steps of the square root of two: requests of one class are alike to every scorer.
package enum SizeClass {
    package static let count = 64

    package static func of(_ tokens: Int) -> UInt8 {
        guard tokens > 1 else { return tokens == 1 ? 1 : 0 }
        let exponent = Int.bitWidth - 1 - tokens.leadingZeroBitCount
        // 181/128 is the square root of two.
        let isUpper = exponent < 7 ? tokens * 128 >= 181 << exponent : tokens >> (exponent - 7) >= 181
        return UInt8(min(Self.count - 1, 1 + 2 * exponent + (isUpper ? 1 : 0)))
    }
}
