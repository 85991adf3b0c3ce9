extension ExecutionQuery {
    /// Whether a row is among those that are asked for, wherever the page begins.
    package func holds(_ row: ExecutionRow) -> Bool {
        if let from, row.endedAt < from { return false }
        if let to, row.endedAt >= to { return false }
        if let latencyOver, row.total <= latencyOver { return false }
        if let latencyUnder, row.total >= latencyUnder { return false }
        if let queueOver, row.queued <= queueOver { return false }
        if let tokensOver, row.tokens <= tokensOver { return false }
        if let attemptsOver, Int64(row.attemptCount) <= attemptsOver { return false }
        for (field, match) in self.matches {
            let value = row.text(of: field)
            if !match.anyOf.isEmpty, !match.anyOf.contains(value) { return false }
            if match.noneOf.contains(value) { return false }
        }
        guard let text else { return true }
        return [row.id, row.remoteID ?? "", row.traceID].contains { Self.text($0, holds: text) }
    }

    /// Whether the row is behind the place where the page begins.
    package func follows(_ row: ExecutionRow) -> Bool {
        guard let after else { return true }
        let place = ExecutionPosition(row, in: self.sort)
        return self.isDescending ? place < after : after < place
    }

    /// Whether the first comes before the second in the list.
    package func precedes(_ left: ExecutionRow, _ right: ExecutionRow) -> Bool {
        let (left, right) = (ExecutionPosition(left, in: self.sort), ExecutionPosition(right, in: self.sort))
        return self.isDescending ? right < left : left < right
    }

    private static func text(_ whole: String, holds part: String) -> Bool {
        let whole = whole.utf8.map { Self.lowercase($0) }
        let part = part.utf8.map { Self.lowercase($0) }
        guard part.count <= whole.count else { return false }
        return (0...(whole.count - part.count)).contains { start in
            part.indices.allSatisfy { whole[start + $0] == part[$0] }
        }
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 0x20 : byte }
}
