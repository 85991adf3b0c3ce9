import SluiceWire

extension FabricScript {
    /// Pushes replies or stream frames, if their producer still lives, and renews the list's time to live. To look
    /// first and push afterwards would lose a race with the producer's death, and leave a list that nobody reads.
    ///
    /// The first PEXPIRE is there because a script that has begun with a write that needs no memory may go on where
    /// Valkey is full.
    ///
    /// - Keys: the producer's alive key, its reply list.
    /// - Arguments: the list's time to live in milliseconds, then the elements.
    /// - Answers: 1, or 0 when the producer is gone and nothing was pushed.
    package static let publishReply = ValkeyScript(
        name: "publishReply",
        source: """
            if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
            redis.call('PEXPIRE', KEYS[2], ARGV[1])
            for i = 2, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
            redis.call('PEXPIRE', KEYS[2], ARGV[1])
            return 1
            """
    )
}
