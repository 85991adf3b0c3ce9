import SluiceWire

extension FabricScript {
    /// Reads the first and last bytes of the first elements of a list, and its length: the live view's pending rows.
    ///
    /// A payload never leaves the server, but LINDEX copies each element inside it, at some 1.3 ms per MiB during which
    /// the server does nothing else. The cost is therefore bounded three ways: elements looked at, bytes answered, and
    /// bytes copied. The tail is only taken of elements that do not begin with their ids, as ours do.
    ///
    /// - Keys: the list.
    /// - Arguments: most elements, bytes of each end, most bytes answered, most bytes copied.
    /// - Answers: `[length, head, tail, head, tail, …]`.
    package static let headBytes = ValkeyScript(
        name: "headBytes",
        source: """
            local length = redis.call('LLEN', KEYS[1])
            local ends = tonumber(ARGV[2])
            local answer_left, copy_left = tonumber(ARGV[3]), tonumber(ARGV[4])
            local rows = {length}
            for i = 0, math.min(length, tonumber(ARGV[1])) - 1 do
              local element = redis.call('LINDEX', KEYS[1], i)
              local head, tail = string.sub(element, 1, ends), ''
              if #element > ends and not string.find(head, '"request_id"', 1, true) then
                tail = string.sub(element, -ends)
              end
              answer_left = answer_left - #head - #tail
              copy_left = copy_left - #element
              if answer_left < 0 then break end
              rows[#rows + 1] = head
              rows[#rows + 1] = tail
              if copy_left < 0 then break end
            end
            return rows
            """
    )
}

/// What `headBytes` answers.
package struct HeadBytesAnswer: Sendable, Equatable {
    /// True length of the list.
    package var depth: Int
    /// Oldest first; fewer than `depth` when a bound was met.
    package var rows: [PendingSummary]

    package init?(_ value: RESPValue) {
        guard let parts = value.array, let depth = parts.first?.int else { return nil }
        self.depth = depth
        self.rows = stride(from: 1, to: parts.count - 1, by: 2).map { index in
            PendingSummary.read(head: (parts[index].bytes ?? [])[...], tail: (parts[index + 1].bytes ?? [])[...])
        }
    }
}
