import SluiceWire

extension FabricScript {
    /// Looks whether the producers of some requests live and writes those whose producer does into the index.
    ///
    /// It begins with a write that frees memory, so that a full Valkey does not refuse the rest.
    ///
    /// - Keys: index, then the alive key of each request's producer.
    /// - Arguments: request id and index entry of each.
    /// - Answers: 1 or 0 for each.
    package static let admit = ValkeyScript(
        name: "admit",
        source: """
            redis.call('HDEL', KEYS[1], '')
            local living = {}
            for i = 2, #KEYS do
              living[i - 1] = redis.call('EXISTS', KEYS[i])
              if living[i - 1] == 1 then
                redis.call('HSET', KEYS[1], ARGV[i * 2 - 3], ARGV[i * 2 - 2])
              end
            end
            return living
            """
    )

    /// Changes entries of the index that are still this dispatcher's: one that has been settled meanwhile must not come
    /// back.
    ///
    /// - Keys: index.
    /// - Arguments: how this dispatcher's entries begin, then request id and entry of each.
    /// - Answers: how many were there.
    package static let restage = ValkeyScript(
        name: "restage",
        source: """
            redis.call('HDEL', KEYS[1], '')
            local changed = 0
            for i = 2, #ARGV, 2 do
              local entry = redis.call('HGET', KEYS[1], ARGV[i])
              if entry and string.sub(entry, 1, #ARGV[1]) == ARGV[1] then
                redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
                changed = changed + 1
              end
            end
            return changed
            """
    )

    /// Says that a dispatcher lives. A SET alone would be refused where Valkey is full, and the dispatcher be taken for
    /// dead.
    ///
    /// - Keys: heartbeat, then the dispatchers of each of its pools.
    /// - Arguments: the heartbeat, its time to live in milliseconds, dispatcher id, seconds since 1970.
    /// - Answers: 1.
    package static let beat = ValkeyScript(
        name: "beat",
        source: """
            redis.call('PEXPIRE', KEYS[1], ARGV[2])
            redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
            for i = 2, #KEYS do redis.call('HSET', KEYS[i], ARGV[3], ARGV[4]) end
            return 1
            """
    )
}
