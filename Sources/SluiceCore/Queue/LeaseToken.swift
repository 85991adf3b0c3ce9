/// The fencing token of one claim. Tokens of a queue only grow, so one that was superseded is never valid again.
package struct LeaseToken: Hashable, Sendable, Comparable {
    package let value: UInt64

    package init(value: UInt64) {
        self.value = value
    }

    package static func < (left: LeaseToken, right: LeaseToken) -> Bool { left.value < right.value }
}

/// Where a live request lies in its pool: a slot and the generation of its tenant, so that a slot that was given to
/// somebody else since is recognised.
package struct RequestHandle: Hashable, Sendable {
    package let pool: UInt16
    package let slot: UInt32
    package let generation: UInt32

    package init(pool: UInt16, slot: UInt32, generation: UInt32) {
        self.pool = pool
        self.slot = slot
        self.generation = generation
    }
}
