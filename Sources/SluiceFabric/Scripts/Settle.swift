import SluiceWire

extension FabricScript {
    /// Ends a request at its dispatcher: publishes the reply if the producer lives, takes the element out of the
    /// dispatcher's private list and the entry out of the index, all or nothing. Without a reply it only cleans up.
    ///
    /// The element is named by `ElementMark`, so that a large payload need not travel back to be removed; its bytes
    /// move inside the server. The private list holds no more elements than the dispatcher may run. An index entry is
    /// left alone if it is another dispatcher's by now.
    ///
    /// Doing it twice delivers the reply twice: a late success is worth more to a producer than an exact count, and a
    /// producer passes over the second.
    ///
    /// It cleans up before it pushes: a script that has begun with a write that frees memory may go on where Valkey is
    /// full, so that a full Valkey can be drained.
    ///
    /// - Keys: alive key, reply list, private list, index.
    /// - Arguments: reply or "", time to live of the reply list in milliseconds, request id, how the index entry of
    ///   this dispatcher begins, then the element's mark: size, head, tail.
    /// - Answers: `[1 delivered | 0 producer gone | 2 no reply given, elements removed, entries removed]`.
    package static let settle = ValkeyScript(
        name: "settle",
        source: """
            local entry = redis.call('HGET', KEYS[4], ARGV[3])
            local forgotten = 0
            if entry and string.sub(entry, 1, #ARGV[4]) == ARGV[4] then
              forgotten = redis.call('HDEL', KEYS[4], ARGV[3])
            else
              redis.call('HDEL', KEYS[4], '')
            end
            local size, head, tail = tonumber(ARGV[5]), ARGV[6], ARGV[7]
            local removed = 0
            if size == #head then
              removed = redis.call('LREM', KEYS[3], 1, head)
            else
              for i = 0, redis.call('LLEN', KEYS[3]) - 1 do
                local element = redis.call('LINDEX', KEYS[3], i)
                if #element == size and string.sub(element, 1, #head) == head
                    and string.sub(element, -#tail) == tail then
                  redis.call('LSET', KEYS[3], i, 'settled')
                  removed = redis.call('LREM', KEYS[3], 1, 'settled')
                  break
                end
              end
            end
            local delivered = 2
            if ARGV[1] ~= '' then
              delivered = 0
              if redis.call('EXISTS', KEYS[1]) == 1 then
                redis.call('RPUSH', KEYS[2], ARGV[1])
                redis.call('PEXPIRE', KEYS[2], ARGV[2])
                delivered = 1
              end
            end
            return {delivered, removed, forgotten}
            """
    )
}

/// Names an element of a list without its payload: its size, its first and its last bytes. The ids stand in one of
/// them, wherever the writer puts small fields. Small elements are their own mark.
package struct ElementMark: Sendable, Equatable {
    package static let wholeBytes = 8_192
    static let endBytes = 512

    package let arguments: [ValkeyArgument]
    /// The same element as a dispatcher finds it in its private list.
    let ends: HeldElement

    package init(_ element: [UInt8]) {
        let isSmall = element.count <= Self.wholeBytes
        self.ends = HeldElement(
            size: element.count,
            head: Array(element.prefix(Self.endBytes)),
            tail: Array(element.suffix(Self.endBytes))
        )
        self.arguments = [
            .integer(element.count),
            .bytes(isSmall ? element : self.ends.head),
            .bytes(isSmall ? [] : self.ends.tail),
        ]
    }

    init(_ element: HeldElement) {
        self.ends = element
        self.arguments = [.integer(element.size), .bytes(element.head), .bytes(element.tail)]
    }
}

/// What `settle` answers.
package struct SettleAnswer: Sendable, Equatable {
    package enum Delivery: Int, Sendable {
        case producerGone = 0
        case delivered = 1
        case notAsked = 2
    }

    package var delivery: Delivery
    /// Whether the element was still in the private list: if not, somebody swept it.
    package var wasHeld: Bool
    package var wasIndexed: Bool

    /// A store that knows of nothing says nothing about the producer: it may have lost its data.
    package var isForgotten: Bool { self.delivery == .producerGone && !self.wasHeld && !self.wasIndexed }

    package init(delivery: Delivery, wasHeld: Bool, wasIndexed: Bool) {
        self.delivery = delivery
        self.wasHeld = wasHeld
        self.wasIndexed = wasIndexed
    }

    package init?(_ value: RESPValue) {
        guard let parts = value.array?.compactMap(\.int), parts.count == 3, let delivery = Delivery(rawValue: parts[0])
        else { return nil }
        self.init(delivery: delivery, wasHeld: parts[1] > 0, wasIndexed: parts[2] > 0)
    }
}
