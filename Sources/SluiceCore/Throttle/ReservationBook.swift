/// The reservations that are not settled yet, in the order in which they were made.
///
/// Positions grow with time and close up in `compact`; serials are for ever. The first is always open, so that a book
/// without open reservations is empty.
struct ReservationBook: Sendable {
    struct Entry: Sendable {
        var serial: UInt64
        /// On the limiter's own clock, nanoseconds.
        var time: Int64
        /// What is charged now, and what was asked for.
        var tokens: Int
        var estimate: Int
        /// Where it counts in `UsageWindow`.
        var slot: Int
        var isOpen: Bool
    }

    static let smallestCapacity = 16

    private var entries: [Entry] = []
    private var start = 0
    private(set) var openCount = 0
    private(set) var nextSerial: UInt64 = 0
    private(set) var capacity = ReservationBook.smallestCapacity

    var first: Int { self.start }
    var end: Int { self.entries.count }
    var oldest: Entry? { self.openCount > 0 ? self.entries[self.start] : nil }
    var isFull: Bool { self.entries.count == self.capacity }

    subscript(position: Int) -> Entry { self.entries[position] }

    mutating func setTokens(_ tokens: Int, at position: Int) {
        self.entries[position].tokens = tokens
    }

    @inline(always)
    mutating func append(time: Int64, tokens: Int, slot: Int) -> UInt64 {
        let serial = self.nextSerial
        self.nextSerial &+= 1
        self.entries.append(
            Entry(serial: serial, time: time, tokens: tokens, estimate: tokens, slot: slot, isOpen: true)
        )
        self.openCount += 1
        return serial
    }

    /// Where the open reservation is. O(1) unless the book has been compacted since, then O(log n).
    func position(of serial: UInt64) -> Int? {
        guard self.openCount > 0, serial >= self.entries[self.start].serial, serial < self.nextSerial else {
            return nil
        }
        // Without gaps it is as many places from the newest as its serial is.
        let fromEnd = self.nextSerial &- serial
        if fromEnd <= UInt64(self.entries.count - self.start) {
            let guess = self.entries.count - Int(fromEnd)
            if self.entries[guess].serial == serial { return self.entries[guess].isOpen ? guess : nil }
        }
        var low = self.start
        var high = self.entries.count
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].serial < serial { low = middle + 1 } else { high = middle }
        }
        guard low < self.entries.count, self.entries[low].serial == serial, self.entries[low].isOpen else { return nil }
        return low
    }

    /// Without reservations; serials go on.
    mutating func clear() {
        self.entries.removeAll(keepingCapacity: true)
        self.start = 0
        self.openCount = 0
    }

    /// Returns by how many positions the first has moved; `nil`: nothing is open any more.
    mutating func close(_ position: Int) -> Int? {
        self.entries[position].isOpen = false
        self.openCount -= 1
        guard self.openCount > 0 else {
            self.entries.removeAll(keepingCapacity: true)
            self.start = 0
            return nil
        }
        let old = self.start
        while !self.entries[self.start].isOpen { self.start += 1 }
        return self.start - old
    }

    /// Makes room behind the last: drops what is closed, and doubles when half is open. Returns what was open.
    mutating func compact() -> [Bool] {
        let isOpen = self.entries[self.start...].map(\.isOpen)
        self.entries.removeSubrange(..<self.start)
        self.entries.removeAll { !$0.isOpen }
        self.start = 0
        if self.openCount * 2 > self.capacity { self.capacity *= 2 }
        return isOpen
    }
}
