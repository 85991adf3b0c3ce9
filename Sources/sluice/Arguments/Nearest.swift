/// Finds what somebody probably meant to type.
enum Nearest {
    /// The closest candidate within a third of the word's length (at least two edits), or `nil`.
    static func match(_ word: String, in candidates: some Sequence<String>) -> String? {
        let typed = Array(word.lowercased().utf8.prefix(128))
        let limit = max(2, typed.count / 3)
        var best: (distance: Int, candidate: String)?
        for candidate in candidates {
            let distance = Self.distance(typed, Array(candidate.lowercased().utf8.prefix(128)))
            if distance <= limit, distance < best?.distance ?? Int.max { best = (distance, candidate) }
        }
        return best?.candidate
    }

    /// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        if left.isEmpty { return right.count }
        if right.isEmpty { return left.count }
        var beforeLast = [Int](repeating: 0, count: right.count + 1)
        var last = Array(0...right.count)
        for row in 1...left.count {
            var current = [row]
            current.reserveCapacity(right.count + 1)
            for column in 1...right.count {
                let cost = left[row - 1] == right[column - 1] ? 0 : 1
                var edits = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + cost)
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    edits = min(edits, beforeLast[column - 2] + 1)
                }
                current.append(edits)
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }
}
