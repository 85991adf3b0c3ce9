import SluiceWire

/// Takes the events that say nothing but what the answer has cost out of a stream; every other byte passes as it came.
///
/// Whole events and comments go on at once. Only an event whose end has not come yet waits for it, and one that is too
/// large to be of that kind does not.
package struct StreamUsageFilter: Sendable {
    private let maximumEventBytes: Int
    /// The beginning of the event that is under way.
    private var held: [UInt8] = []
    /// The line that is under way has no byte yet.
    private var isLineEmpty = true
    /// It is a comment outside of any event.
    private var isComment = false
    /// The event that is under way is too large, and what has come of it has passed.
    private var isPassing = false
    /// The last byte was a CR: a LF right after it belongs to it.
    private var sawReturn = false
    /// The last event was taken out.
    private var tookLast = false

    package init(maximumEventBytes: Int = 1 << 20) { self.maximumEventBytes = maximumEventBytes }

    /// - Returns: what goes on of all that has come so far and has not yet gone; often the piece itself.
    package mutating func pass(_ chunk: [UInt8]) -> [UInt8] {
        // Most pieces are whole events of mere content: one search, no copy.
        let isAtRest = self.isBetweenEvents && self.isLineEmpty && !self.sawReturn
        if isAtRest && Self.endsEvent(chunk) && !Self.maySayUsage(chunk, 0..<chunk.count) { return chunk }
        var passed: [UInt8] = []
        passed.reserveCapacity(self.held.count + chunk.count)
        var start = 0
        var begin = 0
        if self.sawReturn, let first = chunk.first {
            self.sawReturn = false
            if first == 0x0A {
                start = 1
                // Unless the event goes on with it, it goes the way of what it ends.
                if self.isBetweenEvents { begin = 1 }
                if self.isBetweenEvents && !self.tookLast { passed.append(first) }
            }
        }
        self.walk(chunk, from: start, &begin, &passed)
        self.keep(chunk[begin...], &passed)
        return passed
    }

    /// What is still held at the end of the stream: no event, but not ours to keep.
    package mutating func rest() -> [UInt8] {
        defer { self.held = [] }
        return self.held
    }

    private var isBetweenEvents: Bool { self.held.isEmpty && !self.isPassing && (self.isLineEmpty || self.isComment) }

    /// Goes from line to line.
    ///
    /// - Parameter begin: of what belongs to the event that is under way; what is before it has been dealt with.
    private mutating func walk(_ chunk: [UInt8], from start: Int, _ begin: inout Int, _ passed: inout [UInt8]) {
        var index = start
        var nextFeed = -1
        var nextReturn = -1
        while index < chunk.count {
            if nextFeed < index { nextFeed = ByteSearch.firstIndex(of: 0x0A, in: chunk, from: index) ?? chunk.count }
            if nextReturn < index {
                nextReturn = ByteSearch.firstIndex(of: 0x0D, in: chunk, from: index) ?? chunk.count
            }
            let end = min(nextFeed, nextReturn)
            let isBlank = self.isLineEmpty && end == index
            if self.isLineEmpty && !isBlank {
                self.isLineEmpty = false
                let isFirst = self.held.isEmpty && !self.isPassing && begin == index
                self.isComment = isFirst && chunk[index] == UInt8(ascii: ":")
            }
            guard end < chunk.count else { return }
            index = end + 1
            if end == nextReturn {
                if index == chunk.count { self.sawReturn = true } else if chunk[index] == 0x0A { index += 1 }
            }
            if isBlank {
                self.endEvent(chunk, begin..<index, &passed)
                begin = index
            } else if self.isComment {
                passed.append(contentsOf: chunk[begin..<index])
                self.tookLast = false
                begin = index
            }
            self.isLineEmpty = true
            self.isComment = false
        }
    }

    private mutating func endEvent(_ chunk: [UInt8], _ range: Range<Int>, _ passed: inout [UInt8]) {
        defer { self.isPassing = false }
        guard !self.held.isEmpty else {
            self.tookLast = !self.isPassing && self.saysOnlyUsage(chunk, range)
            if !self.tookLast { passed.append(contentsOf: chunk[range]) }
            return
        }
        self.held.append(contentsOf: chunk[range])
        self.tookLast = self.saysOnlyUsage(self.held, 0..<self.held.count)
        if !self.tookLast { passed.append(contentsOf: self.held) }
        self.held.removeAll(keepingCapacity: true)
    }

    /// The beginning of an event whose end is still to come.
    private mutating func keep(_ part: ArraySlice<UInt8>, _ passed: inout [UInt8]) {
        guard !part.isEmpty else { return }
        guard !self.isPassing, !self.isComment, self.held.count + part.count <= self.maximumEventBytes else {
            passed.append(contentsOf: self.held)
            passed.append(contentsOf: part)
            self.held = []
            self.isPassing = !self.isComment
            return
        }
        self.held.append(contentsOf: part)
    }

    // MARK: Events

    private static func endsEvent(_ chunk: [UInt8]) -> Bool {
        let count = chunk.count
        guard count >= 2, chunk[count - 1] == 0x0A else { return false }
        if chunk[count - 2] == 0x0A { return true }
        return count >= 4 && chunk[count - 2] == 0x0D && chunk[count - 3] == 0x0A && chunk[count - 4] == 0x0D
    }

    /// Whether a list stands there that is empty, or broken off by the end of a line.
    private static func maySayUsage(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        var index = range.lowerBound
        while let open = ByteSearch.firstIndex(of: UInt8(ascii: "["), in: bytes, from: index, to: range.upperBound) {
            index = ByteSearch.skipSpace(bytes, from: open + 1)
            guard index < range.upperBound, bytes[index] != UInt8(ascii: "]") else { return true }
            if bytes[(open + 1)..<index].contains(where: { $0 == 0x0A || $0 == 0x0D }) { return true }
        }
        return false
    }

    /// Whether an event has usage and no choice, so that nobody misses it who has not asked.
    private func saysOnlyUsage(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        guard range.count <= self.maximumEventBytes, Self.maySayUsage(bytes, range) else { return false }
        var found: SSEEvent?
        var parser = SSEParser(maximumEventBytes: self.maximumEventBytes)
        try? parser.feed(Array(bytes[range])) { found = $0 }
        guard let event = found, event.name.isEmpty else { return false }
        let isUsage = try? JSON.read(event.data) { root in
            root["choices"]?.kind == .array && root["choices"]?.count == 0 && root["usage"]?.kind == .object
                && root["error"].map { $0.isNull } ?? true
        }
        return isUsage == true
    }
}
