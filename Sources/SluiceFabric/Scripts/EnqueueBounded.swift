import SluiceWire

extension FabricScript {
    /// Pushes requests unless their list is full. Either all of them are queued or none.
    ///
    /// Bytes are what MEMORY USAGE estimates from five elements: exact lists of sizes would have to be kept by every
    /// producer, and foreign ones do not. Where the command is forbidden, only the number is bounded.
    ///
    /// - Keys: the request list.
    /// - Arguments: most elements, most bytes (0: without bound), then the elements.
    /// - Answers: `[1, depth]`, or `[0, depth, bytes]` when it is full.
    package static let enqueueBounded = ValkeyScript(
        name: "enqueueBounded",
        source: """
            local depth = redis.call('LLEN', KEYS[1])
            local adding = #ARGV - 2
            local most, most_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
            local bytes = 0
            if most_bytes > 0 then
              if depth > 0 then
                local used = redis.pcall('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 5)
                if type(used) == 'number' then bytes = used end
              end
              local added = 0
              for i = 3, #ARGV do added = added + #ARGV[i] end
              if bytes + added > most_bytes then return {0, depth, bytes} end
            end
            if depth + adding > most then return {0, depth, bytes} end
            for i = 3, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
            return {1, depth + adding}
            """
    )
}

/// What `enqueueBounded` answers.
package enum EnqueueAnswer: Sendable, Equatable {
    case queued(depth: Int)
    /// `bytes` is an estimate, 0 if it was not asked for.
    case full(depth: Int, bytes: Int)

    package init?(_ value: RESPValue) {
        guard let parts = value.array, parts.count >= 2, let code = parts[0].int, let depth = parts[1].int else {
            return nil
        }
        switch code {
        case 1: self = .queued(depth: depth)
        case 0: self = .full(depth: depth, bytes: parts.count > 2 ? parts[2].int ?? 0 : 0)
        default: return nil
        }
    }
}
