/// Finds slots by 128-bit names that are random to begin with.
///
/// DESIGN. Open addressing, linear probing, at most three quarters full, removal by shifting back: one cache miss
/// where a dictionary has three, and a multiplication where it has SipHash. That is sound only because the names are
/// drawn by us and not chosen by clients; half of each is random.
package struct SlotTable: Sendable {
    package struct Key: Equatable, Sendable {
        package let high: UInt64
        package let low: UInt64

        package init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }
    }

    private struct Cell: Sendable {
        var high: UInt64
        var low: UInt64
        /// `vacant`: nothing here.
        var slot: UInt32
    }

    private static let vacant = UInt32.max

    private var cells: [Cell]
    private var mask: Int
    package private(set) var count = 0

    package init() {
        self.cells = Array(repeating: Cell(high: 0, low: 0, slot: Self.vacant), count: 16)
        self.mask = 15
    }

    @inline(always)
    private func home(_ low: UInt64) -> Int {
        // Fibonacci hashing (Knuth, TAOCP 3, 6.4): the upper bits of the product are well mixed.
        Int(truncatingIfNeeded: (low &* 0x9E37_79B9_7F4A_7C15) >> 32) & self.mask
    }

    /// The cell that holds the key, or the vacant one where it would go.
    @inline(always)
    private func find(_ key: Key) -> Int {
        var index = self.home(key.low)
        while self.cells[index].slot != Self.vacant {
            if self.cells[index].low == key.low && self.cells[index].high == key.high { return index }
            index = (index + 1) & self.mask
        }
        return index
    }

    package func slot(of key: Key) -> UInt32? {
        let slot = self.cells[self.find(key)].slot
        return slot == Self.vacant ? nil : slot
    }

    /// Returns the slot that the key already has; then nothing changes.
    package mutating func insert(_ key: Key, _ slot: UInt32) -> UInt32? {
        let index = self.find(key)
        let known = self.cells[index].slot
        guard known == Self.vacant else { return known }
        self.cells[index] = Cell(high: key.high, low: key.low, slot: slot)
        self.count += 1
        if self.count * 4 > self.cells.count * 3 { self.grow() }
        return nil
    }

    @discardableResult
    package mutating func remove(_ key: Key) -> UInt32? {
        var gap = self.find(key)
        let removed = self.cells[gap].slot
        guard removed != Self.vacant else { return nil }
        self.count -= 1
        var index = gap
        while true {
            index = (index + 1) & self.mask
            guard self.cells[index].slot != Self.vacant else { break }
            // A cell may move into the gap unless its home lies after the gap.
            let distance = (index - self.home(self.cells[index].low)) & self.mask
            guard distance >= (index - gap) & self.mask else { continue }
            self.cells[gap] = self.cells[index]
            gap = index
        }
        self.cells[gap].slot = Self.vacant
        return removed
    }

    private mutating func grow() {
        let old = self.cells
        self.cells = Array(repeating: Cell(high: 0, low: 0, slot: Self.vacant), count: old.count * 2)
        self.mask = self.cells.count - 1
        for cell in old where cell.slot != Self.vacant {
            self.cells[self.find(Key(high: cell.high, low: cell.low))] = cell
        }
    }
}
