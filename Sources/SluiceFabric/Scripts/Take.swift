import SluiceWire

extension FabricScript {
    /// Moves what waits, oldest first, to the end of a dispatcher's private list, without blocking, and answers it.
    ///
    /// It begins with a write that needs no memory: BLMOVE is refused where Valkey is full, and then nothing could be
    /// drained any more.
    ///
    /// - Keys: request list, private list.
    /// - Arguments: most elements, bytes after which no further one is taken.
    /// - Answers: the elements.
    package static let take = ValkeyScript(
        name: "take",
        source: """
            redis.call('LTRIM', KEYS[2], 0, -1)
            local taken, left = {}, tonumber(ARGV[2])
            for i = 1, tonumber(ARGV[1]) do
              local element = redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
              if not element then break end
              taken[i] = element
              left = left - #element
              if left <= 0 then break end
            end
            return taken
            """
    )

    /// Puts an element of the private list back at the head of the queue and takes its entry out of the index.
    ///
    /// It begins with a write that frees memory, so that a full Valkey does not refuse the rest.
    ///
    /// - Keys: private list, request list, index.
    /// - Arguments: request id, how the index entry of this dispatcher begins, the element's mark, and the element
    ///   itself if it was popped without a private list.
    /// - Answers: 1, or 0 when the element was not there any more.
    package static let putBack = ValkeyScript(
        name: "putBack",
        source: """
            local entry = redis.call('HGET', KEYS[3], ARGV[1])
            if entry and string.sub(entry, 1, #ARGV[2]) == ARGV[2] then
              redis.call('HDEL', KEYS[3], ARGV[1])
            else
              redis.call('HDEL', KEYS[3], '')
            end
            if ARGV[6] then
              redis.call('LPUSH', KEYS[2], ARGV[6])
              return 1
            end
            local size, head, tail = tonumber(ARGV[3]), ARGV[4], ARGV[5]
            for i = 0, redis.call('LLEN', KEYS[1]) - 1 do
              local element = redis.call('LINDEX', KEYS[1], i)
              if #element == size and string.sub(element, 1, #head) == head
                  and (tail == '' or string.sub(element, -#tail) == tail) then
                redis.call('LSET', KEYS[1], i, 'settled')
                redis.call('LREM', KEYS[1], 1, 'settled')
                redis.call('LPUSH', KEYS[2], element)
                return 1
              end
            end
            return 0
            """
    )

    /// What lies in a private list, by its ends: for a dispatcher that has to find out whether it holds more than it
    /// knows of, because the answer to a pop was lost.
    ///
    /// - Keys: private list.
    /// - Arguments: most elements, bytes of each end.
    /// - Answers: `[size, head, tail, size, head, tail, …]`.
    package static let heldElements = ValkeyScript(
        name: "heldElements",
        source: """
            local rows, ends = {}, tonumber(ARGV[2])
            for i = 0, math.min(redis.call('LLEN', KEYS[1]), tonumber(ARGV[1])) - 1 do
              local element = redis.call('LINDEX', KEYS[1], i)
              rows[#rows + 1] = #element
              rows[#rows + 1] = string.sub(element, 1, ends)
              rows[#rows + 1] = string.sub(element, -ends)
            end
            return rows
            """
    )
}

/// An element of a private list, known by its ends only.
struct HeldElement: Sendable, Hashable {
    var size: Int
    var head: [UInt8]
    var tail: [UInt8]

    var mark: ElementMark { ElementMark(self) }

    static func list(_ value: RESPValue) -> [HeldElement]? {
        guard let parts = value.array else { return nil }
        var elements: [HeldElement] = []
        for index in stride(from: 0, to: parts.count - 2, by: 3) {
            guard let size = parts[index].int else { return nil }
            elements.append(
                HeldElement(size: size, head: parts[index + 1].bytes ?? [], tail: parts[index + 2].bytes ?? [])
            )
        }
        return elements
    }
}
