import SluiceWire

extension FabricScript {
    /// Clears up after a dispatcher whose heartbeat has gone: puts what it held back at the head of the queue, in its
    /// old order, or takes it away and reports it. A dispatcher that beats is never touched.
    ///
    /// An element that was taken away is named by its request id, read with cjson: this happens after a crash, for few
    /// elements at a time. Index entries are removed if they are still this dispatcher's; the caller reads the index
    /// anyway and names them, which covers what was popped without a private list.
    ///
    /// - Keys: heartbeat, private list, request list, index, dispatchers of the pool.
    /// - Arguments: `requeue` or `drop`, most elements, dispatcher id, how its index entries begin, then request ids
    ///   of index entries.
    /// - Answers: `[-1]` when the dispatcher lives; else `[elements left, elements moved, id, id, …]` with the ids of
    ///   elements ("" where unreadable) and then of index entries that were removed. A request can be in both.
    package static let sweepOrphans = ValkeyScript(
        name: "sweepOrphans",
        source: """
            if redis.call('EXISTS', KEYS[1]) == 1 then return {-1} end
            local function identify(element)
              if #element > 4194304 then return '' end
              local good, envelope = pcall(cjson.decode, element)
              if good and type(envelope) == 'table' and type(envelope.request_id) == 'string' then
                return envelope.request_id
              end
              return ''
            end
            local function forget(id)
              local entry = redis.call('HGET', KEYS[4], id)
              if entry and string.sub(entry, 1, #ARGV[4]) == ARGV[4] then
                return redis.call('HDEL', KEYS[4], id)
              end
              return 0
            end
            redis.call('HDEL', KEYS[5], '')
            local answer = {0, 0}
            for _ = 1, tonumber(ARGV[2]) do
              local element
              if ARGV[1] == 'requeue' then
                element = redis.call('LMOVE', KEYS[2], KEYS[3], 'RIGHT', 'LEFT')
              else
                element = redis.call('LPOP', KEYS[2])
              end
              if not element then break end
              local id = identify(element)
              if id ~= '' then forget(id) end
              answer[2] = answer[2] + 1
              answer[#answer + 1] = id
            end
            for i = 5, #ARGV do
              if forget(ARGV[i]) == 1 then answer[#answer + 1] = ARGV[i] end
            end
            answer[1] = redis.call('LLEN', KEYS[2])
            if answer[1] == 0 then redis.call('HDEL', KEYS[5], ARGV[3]) end
            return answer
            """
    )
}

/// What becomes of the requests of a dispatcher that died (`LLM_QUEUE_ORPHANS`).
package enum OrphanPolicy: String, Sendable, CaseIterable {
    /// Lost, as in the first dispatchers, but booked.
    case drop
    /// Back to the head of the queue: a request may then run twice.
    case requeue
}

/// What `sweepOrphans` answers.
package enum SweepAnswer: Sendable, Equatable {
    case alive
    /// `elements` are the ids of what was moved or taken away, "" where unreadable; `entries` those that only the index
    /// knew. Call again while `left` is above 0.
    case swept(elements: [String], entries: [String], left: Int)

    package init?(_ value: RESPValue) {
        guard let parts = value.array, let left = parts.first?.int else { return nil }
        if left < 0 {
            self = .alive
            return
        }
        guard parts.count >= 2, let moved = parts[1].int, moved >= 0, moved <= parts.count - 2 else { return nil }
        let ids = parts.dropFirst(2).map { $0.text ?? "" }
        self = .swept(elements: Array(ids.prefix(moved)), entries: Array(ids.dropFirst(moved)), left: left)
    }
}
