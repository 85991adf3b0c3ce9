/// Turns counters that only grow into rates, over the last few seconds.
struct RateMeter: Sendable {
    private struct Mark: Sendable {
        var seconds: Double
        var count: Int
    }

    private let window: Double
    private var marks: [String: [Mark]] = [:]

    init(window: Double = 5) { self.window = window }

    /// Forgets every counter that is not named: its owner is gone.
    mutating func keep(_ names: Set<String>) {
        self.marks = self.marks.filter { names.contains($0.key) }
    }

    /// - Returns: Per second; `nil` until there are two sights of the counter, or when it began anew.
    mutating func rate(_ name: String, _ count: Int?, at seconds: Double) -> Double? {
        guard let count else {
            self.marks[name] = nil
            return nil
        }
        var marks = self.marks[name] ?? []
        // Whose counter falls has been restarted.
        if let last = marks.last, count < last.count || seconds < last.seconds { marks = [] }
        marks.append(Mark(seconds: seconds, count: count))
        // One sight from before the window stays, so that slow sampling still yields a rate.
        while marks.count > 2, seconds - marks[1].seconds >= self.window { marks.removeFirst() }
        self.marks[name] = marks
        guard let first = marks.first, seconds > first.seconds else { return nil }
        return Double(count - first.count) / (seconds - first.seconds)
    }
}
