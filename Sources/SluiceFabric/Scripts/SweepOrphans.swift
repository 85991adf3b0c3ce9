import SluiceWire

extension FabricScript {
    /// Clears up after a dispatcher whose heartbeat has gone: puts what it held back at the head of the queue, in its
    /// old order, or takes it away and reports it. A dispatcher that beats is never touched.
    ///
    /// An element that was taken away is named by its request id, read with cjson: this happens after a crash, for few
    /// elements at a time. Of an element that is too large for that the ends are looked at, and what is found there
    /// counts if the index knows it. Index entries are removed if they are still this dispatcher's; the caller reads
    /// the index anyway and names them once the list is empty, which covers what was popped without a private list.
    ///
    /// What was found is kept for a minute under the caller's receipt: if the answer is lost, the same call gets it
    /// again, and nothing vanishes unbooked.
    ///
    /// - Keys: heartbeat, private list, request list, index, dispatchers of the pool, what the caller's last call
    ///   found.
    /// - Arguments: `requeue` or `drop`, most elements, dispatcher id, how its index entries begin, a receipt that is
    ///   new for each call, 1 if no more is to come once the list is empty, then request ids of index entries.
    /// - Answers: `[-1]` when the dispatcher lives; else `[elements left, elements moved, id, id, …]` with the ids of
    ///   elements ("" where unreadable) and then of index entries that were removed.
    package static let sweepOrphans = ValkeyScript(
        name: "sweepOrphans",
        source: """
            local found = redis.call('LRANGE', KEYS[6], 0, -1)
            if found[1] == ARGV[5] then
              local answer = {tonumber(found[2]), tonumber(found[3])}
              for i = 4, #found do answer[i - 1] = found[i] end
              return answer
            end
            if redis.call('EXISTS', KEYS[1]) == 1 then return {-1} end
            redis.call('DEL', KEYS[6])
            local function known(id)
              local entry = redis.call('HGET', KEYS[4], id)
              return entry and string.sub(entry, 1, #ARGV[4]) == ARGV[4]
            end
            local function identify(element)
              if #element > 4194304 then
                for _, part in ipairs({string.sub(element, 1, 1024), string.sub(element, -1024)}) do
                  for id in string.gmatch(part, '"request_id"%s*:%s*"([^"\\\\]+)"') do
                    if known(id) then return id end
                  end
                end
                return ''
              end
              local good, envelope = pcall(cjson.decode, element)
              if good and type(envelope) == 'table' and type(envelope.request_id) == 'string' then
                return envelope.request_id
              end
              return ''
            end
            local function forget(id)
              return known(id) and redis.call('HDEL', KEYS[4], id) or 0
            end
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
            for i = 7, #ARGV do
              if forget(ARGV[i]) == 1 then answer[#answer + 1] = ARGV[i] end
            end
            answer[1] = redis.call('LLEN', KEYS[2])
            if answer[1] == 0 and ARGV[6] == '1' then redis.call('HDEL', KEYS[5], ARGV[3]) end
            redis.call('RPUSH', KEYS[6], ARGV[5])
            for i = 1, #answer do redis.call('RPUSH', KEYS[6], answer[i]) end
            redis.call('PEXPIRE', KEYS[6], 60000)
            return answer
            """
    )

    /// How long an answer can be asked for again; the same in the script.
    package static let receiptsLive = Duration.seconds(60)
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
