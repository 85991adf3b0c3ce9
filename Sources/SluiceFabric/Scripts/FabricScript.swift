import SluiceWire

/// The Lua scripts of the fabric, one file each. A step that must not be torn apart is one script; no script does more
/// work than its arguments bound.
///
/// Their keys belong to different hash slots: they run on one Valkey, or on a primary with replicas, not on a cluster.
package enum FabricScript {
    package static let all = [
        Self.enqueueBounded, Self.publishReply, Self.settle, Self.headBytes, Self.sweepOrphans, Self.take, Self.admit,
        Self.putBack, Self.restage, Self.beat, Self.heldElements, Self.nextReplies, Self.leaseBudget,
    ]
}
