/// How many second calls there may be: never more than a share of the requests that there were.
struct HedgeBudget: Sendable {
    /// Of one call.
    private static let unit = 1_000_000
    /// So many calls can be saved up.
    private static let mostSaved = 10

    private let share: Int
    private var credit = 0
    private(set) var taken: UInt64 = 0
    private(set) var won: UInt64 = 0

    init(ratio: Double) { self.share = ratio > 0 ? Int((min(1, ratio) * Double(Self.unit)).rounded(.down)) : 0 }

    var isOn: Bool { self.share > 0 }
    var allows: Bool { self.credit >= Self.unit }

    mutating func countRequest() { self.credit = min(self.credit + self.share, Self.mostSaved * Self.unit) }

    mutating func take() {
        self.credit -= Self.unit
        self.taken &+= 1
    }

    mutating func win() { self.won &+= 1 }
}
