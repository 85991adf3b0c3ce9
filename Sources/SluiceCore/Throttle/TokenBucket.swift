/// A token bucket that can change what was charged earlier, exactly.
///
/// DESIGN. Amounts are whole numbers of 1/60,000,000,000 token, so that a rate of n per minute is n units per
/// nanosecond: nothing is ever rounded, however often and in whatever steps time passes.
///
/// A correction long after the charge must leave what would be there had the right amount been charged at once, and
/// that is not the difference: what the bucket spilled in between because it was full depends on the charge. So the
/// bucket remembers, for every charge that may still change, what happened to the level from it up to the next one
/// (`BucketSpan`). A correction changes one span and asks what all of them do together: O(log n) for n open charges,
/// and O(1) for the newest.
package struct TokenBucket: Sendable {
    /// Nanoseconds per minute.
    package static let unitsPerToken: Int64 = 60_000_000_000
    /// Larger numbers count as this one, about 10^12.
    package static let largest = 1 << 40

    /// Tokens per minute, which is units per nanosecond.
    private var rate: Int128
    private var ceiling: Int128
    private var level: Int128

    /// The open charges are at `first..<end`, the newest of them is in `newest`, the others are in the tree.
    private var first = 0
    private var end = 0
    private var tree: BucketSpanTree
    private var newest = BucketSpan(shift: 0, ceiling: BucketSpan.unbounded)
    /// The level before the first open charge.
    private var base: Int128 = 0

    /// - Parameters:
    ///   - perMinute: Refill in tokens per minute.
    ///   - capacity: Level of the full bucket in tokens.
    ///   - level: Tokens at the start; at most `capacity`, may be negative. `nil`: full.
    package init(perMinute: Int, capacity: Int, level: Int? = nil) {
        self.rate = Int128(Self.bounded(perMinute))
        self.ceiling = Self.units(Self.bounded(capacity))
        self.level =
            level.map { min(Self.units(max($0, -Self.largest)), Self.units(Self.bounded(capacity))) }
            ?? self.ceiling
        self.tree = BucketSpanTree(capacity: ReservationBook.smallestCapacity)
    }

    /// The number as it counts: from 0 to `largest`.
    @inline(always)
    package static func bounded(_ tokens: Int) -> Int { min(max(tokens, 0), Self.largest) }

    @inline(always)
    static func units(_ tokens: Int) -> Int128 { Int128(tokens) &* Int128(Self.unitsPerToken) }

    /// Whole tokens, rounded down; negative when overdrawn.
    package var available: Int { Self.wholeTokens(self.level) }
    /// In whole tokens.
    package var capacity: Int { Self.wholeTokens(self.ceiling) }
    /// What is beyond the whole tokens, in 1/60,000,000,000 token.
    package var remainder: Int64 { Int64(truncatingIfNeeded: self.level &- Self.units(self.available)) }
    package var perMinute: Int { Int(self.rate) }

    /// Share of the capacity that is used, from 0; above 1 when overdrawn.
    package var usedShare: Double {
        self.ceiling > 0 ? Double(self.ceiling - self.level) / Double(self.ceiling) : 0
    }

    private static func wholeTokens(_ units: Int128) -> Int {
        // 64 bits are enough for levels to 150 million tokens, and much faster.
        if let short = Int64(exactly: units) {
            let quotient = short / Self.unitsPerToken
            return Int(short < quotient * Self.unitsPerToken ? quotient - 1 : quotient)
        }
        let (quotient, remainder) = units.quotientAndRemainder(dividingBy: Int128(Self.unitsPerToken))
        return Int(remainder < 0 ? quotient - 1 : quotient)
    }

    /// Lets time pass: nanoseconds, not negative.
    package mutating func refill(_ elapsed: Int64) {
        guard self.level < self.ceiling else {
            // A full bucket stays full; but what came before might have been less.
            if self.first < self.end { self.extendNewest(elapsed) }
            return
        }
        self.level = min(self.level &+ self.rate &* Int128(elapsed), self.ceiling)
        if self.first < self.end { self.extendNewest(elapsed) }
    }

    @inline(always)
    private mutating func extendNewest(_ elapsed: Int64) {
        self.newest = self.newest.then(BucketSpan(shift: self.rate &* Int128(elapsed), ceiling: self.ceiling))
    }

    /// Nanoseconds until `tokens` are there; 0: they are, `nil`: they never will be.
    package func wait(for tokens: Int) -> Int64? {
        let need = Self.units(tokens)
        guard need > self.level else { return 0 }
        guard need <= self.ceiling, self.rate > 0 else { return nil }
        let (quotient, remainder) = (need - self.level).quotientAndRemainder(dividingBy: self.rate)
        return Int64(clamping: remainder > 0 ? quotient + 1 : quotient)
    }

    @inline(always)
    package func has(_ tokens: Int) -> Bool { Self.units(tokens) <= self.level }
}

// Charges and their corrections. Positions are those of `ReservationBook`.
extension TokenBucket {
    /// Takes the tokens, also those that are not there. The charge stays open at the next position.
    package mutating func charge(_ tokens: Int) {
        let units = Self.units(tokens)
        if self.first < self.end {
            self.tree.append(self.newest, at: self.end - 1)
        } else {
            self.base = self.level
        }
        self.newest = .charge(units)
        self.end += 1
        self.level -= units
    }

    /// Makes the open charge at the position larger by `tokens`, smaller if negative, as if it always had been.
    ///
    /// - Parameter isLast: Whether the charge is closed right afterwards.
    package mutating func correct(_ position: Int, by tokens: Int, isLast: Bool) {
        guard tokens != 0, position >= self.first, position < self.end else { return }
        let change = Self.units(tokens)
        let isNewest = position == self.end - 1
        var whole = isNewest ? self.newest : self.tree[position]
        if isNewest {
            self.newest.shift -= change
        } else {
            var span = whole
            span.shift -= change
            whole = whole.then(self.tree.joined(from: position + 1, to: self.end - 1)).then(self.newest)
            if isLast && position == self.first {
                self.tree.setAlone(position, span)
            } else {
                self.tree.set(position, span, count: self.end - 1)
            }
        }
        if self.level < whole.ceiling {
            // Nothing has been spilled since, so the level still says what it would be.
            self.level = min(self.level - change, whole.ceiling)
        } else {
            let before = self.tree.joined(from: self.first, to: position).apply(self.base)
            self.level = min(before + whole.shift - change, whole.ceiling)
        }
    }

    /// The charge at the first position will not change any more. There is another one behind it.
    mutating func closeFirst() {
        self.base = self.tree[self.first].apply(self.base)
        self.first += 1
    }

    /// No charge will change any more.
    mutating func closeAll() {
        self.first = 0
        self.end = 0
    }

    /// Joins closed charges with the open ones before them. `isOpen` knows the positions from the first on, and
    /// the first is open.
    mutating func compact(_ isOpen: [Bool], capacity: Int) {
        guard self.first < self.end else {
            self.tree = BucketSpanTree(capacity: capacity)
            return
        }
        self.tree.append(self.newest, at: self.end - 1)
        var kept: [BucketSpan] = []
        kept.reserveCapacity(isOpen.count)
        for (offset, open) in isOpen.enumerated() {
            let span = self.tree[self.first + offset]
            if let last = kept.last, !open {
                kept[kept.count - 1] = last.then(span)
            } else {
                kept.append(span)
            }
        }
        self.newest = kept.last ?? self.newest
        self.tree.replace(with: kept, capacity: capacity)
        self.first = 0
        self.end = kept.count
    }
}

// Live changes.
extension TokenBucket {
    /// Changes rate and capacity. A bucket keeps the share to which it is full; what is overdrawn stays overdrawn.
    ///
    /// That way nobody gains by changing a limit back and forth. Corrections of charges from before count as if made
    /// at the change.
    package mutating func configure(perMinute: Int, capacity: Int) {
        let ceiling = Self.units(Self.bounded(capacity))
        if self.level > 0 && self.ceiling > 0 && ceiling != self.ceiling {
            self.level = Self.scaled(self.level, by: ceiling, over: self.ceiling)
        }
        self.rate = Int128(Self.bounded(perMinute))
        self.ceiling = ceiling
        self.forgetSpans(first: self.first, end: self.end, capacity: self.tree.capacity)
    }

    /// `level · numerator / denominator`, rounded down; all positive and below 2^77.
    private static func scaled(_ level: Int128, by numerator: Int128, over denominator: Int128) -> Int128 {
        // Both are whole tokens: dividing the units out leaves numbers below 2^41.
        let unit = Int128(Self.unitsPerToken)
        return min(level &* (numerator / unit) / (denominator / unit), numerator)
    }

    /// Sets the level, in tokens and units. Charges at `first..<end` of the book stay open.
    mutating func restore(level: Int, remainder: Int64, first: Int, end: Int, capacity: Int) {
        let part = min(max(remainder, 0), Self.unitsPerToken - 1)
        let units = Self.units(min(max(level, -Self.largest), Self.largest)) + Int128(part)
        self.level = min(units, self.ceiling)
        self.forgetSpans(first: first, end: end, capacity: capacity)
    }

    /// Room for as many open charges as the book has. There are none yet.
    mutating func refit(capacity: Int) {
        self.tree = BucketSpanTree(capacity: capacity)
    }

    private mutating func forgetSpans(first: Int, end: Int, capacity: Int) {
        let still = BucketSpan(shift: 0, ceiling: self.ceiling)
        self.first = first
        self.end = end
        self.base = self.level
        self.newest = still
        self.tree.replace(with: Array(repeating: still, count: end), capacity: capacity)
    }
}
