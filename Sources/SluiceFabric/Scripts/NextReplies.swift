import SluiceWire

extension FabricScript {
    /// Takes away the replies that a producer has read and answers the next ones, which stay where they are: what is
    /// lost on the way is read again.
    ///
    /// The replies that were read are named by the first of them, so that this, executed late by a connection that
    /// has long been given up, takes nothing away that nobody has seen.
    ///
    /// - Keys: reply list.
    /// - Arguments: how many were read, size of the first, its first bytes, most elements, bytes after which no further
    ///   one is answered.
    /// - Answers: the elements.
    package static let nextReplies = ValkeyScript(
        name: "nextReplies",
        source: """
            local read = tonumber(ARGV[1])
            if read > 0 then
              local first = redis.call('LINDEX', KEYS[1], 0)
              if first and #first == tonumber(ARGV[2]) and string.sub(first, 1, #ARGV[3]) == ARGV[3] then
                redis.call('LTRIM', KEYS[1], read, -1)
              end
            end
            local elements, left = {}, tonumber(ARGV[5])
            for i = 1, tonumber(ARGV[4]) do
              local element = redis.call('LINDEX', KEYS[1], i - 1)
              if not element then break end
              elements[i] = element
              left = left - #element
              if left <= 0 then break end
            end
            return elements
            """
    )
}
