/// How evenly something is shared (Jain, Chiu, Hawe 1984): (Σx)² / (n · Σx²); 1 is evenly, 1/n is all for one.
package enum JainIndex {
    /// `nil` when there is nothing to share, or nobody.
    package static func of(_ shares: [Double]) -> Double? {
        // By the largest, so that squares stay finite.
        let largest = shares.max() ?? 0
        guard largest > 0, largest.isFinite, shares.allSatisfy({ $0 >= 0 }) else { return nil }
        let sum = shares.reduce(0) { $0 + $1 / largest }
        let squares = shares.reduce(0) { $0 + ($1 / largest) * ($1 / largest) }
        return sum * sum / (Double(shares.count) * squares)
    }
}
