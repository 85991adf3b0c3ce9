/// Names that nothing else has: one that is taken gets a number. However many want the same name, each costs about the
/// same, because counting goes on where it ended.
struct DistinctNames: Sendable {
    /// Room for the separator and the number.
    private static let maximumSuffix = 8

    private let maximumLength: Int
    private let separator: String
    private var taken: Set<String>
    /// The number to try next, by what comes before it.
    private var numbers: [String: Int] = [:]

    /// - Parameter maximumLength: in bytes, of names in ASCII.
    init(_ taken: Set<String> = [], maximumLength: Int, separator: String = "_") {
        self.taken = taken
        self.maximumLength = maximumLength
        self.separator = separator
    }

    /// - Parameter wanted: in ASCII, no longer than the maximum.
    mutating func make(_ wanted: String) -> String {
        if self.taken.insert(wanted).inserted { return wanted }
        let stem = String(wanted.prefix(max(0, self.maximumLength - Self.maximumSuffix)))
        var number = self.numbers[stem] ?? 2
        var name = "\(stem)\(self.separator)\(number)"
        while !self.taken.insert(name).inserted {
            number += 1
            name = "\(stem)\(self.separator)\(number)"
        }
        self.numbers[stem] = number + 1
        return name
    }
}
