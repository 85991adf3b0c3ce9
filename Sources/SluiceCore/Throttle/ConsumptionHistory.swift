/// The requests of the last while with what they were estimated at and what they used, and sums over them that cost
/// O(1) to keep.
struct ConsumptionHistory: Sendable {
    private struct Record: Sendable {
        var time: Int64
        var estimate: Int
        var tokens: Int
        /// `min / max` of estimate and use in billionths; -1: not known yet, -2: cancelled, counts nowhere.
        var accuracy: Int64
    }

    static let unknown: Int64 = -1
    static let cancelled: Int64 = -2
    /// Accuracies are whole numbers of billionths, so that taking away leaves what was there before adding.
    static let unit: Int64 = 1_000_000_000

    private var retention: Int64
    private var maximum: Int
    private var window: UInt64

    /// A ring; `first` is the serial of the oldest record, which lies at `head`.
    private var records: [Record] = []
    private var head = 0
    private(set) var held = 0
    private var first: UInt64 = 0

    private(set) var count = 0
    private(set) var tokens = 0
    private var knownCount = 0
    private var knownSum: Int64 = 0
    private var recentCount = 0
    private var recentSum: Int64 = 0

    init(_ options: ThrottleOptions) {
        self.retention = max(1, options.historyRetention.wholeNanosecondsWithinYear)
        self.maximum = min(max(1, options.maximumHistoryRecords), 1 << 24)
        self.window = UInt64(max(1, options.efficiencyWindow))
    }

    private var next: UInt64 { self.first &+ UInt64(self.held) }

    /// 1: as estimated. Both 0 is exact, one of both 0 is as wrong as can be.
    static func accuracy(_ estimate: Int, _ actual: Int) -> Int64 {
        let high = max(estimate, actual)
        guard high > 0 else { return Self.unit }
        // At most 2^40 · 10^9, which does not fit 64 bits.
        let (quotient, _) = Int64(high).dividingFullWidth(
            Int64(min(estimate, actual)).multipliedFullWidth(by: Self.unit)
        )
        return quotient
    }

    @inline(always)
    private func index(_ serial: UInt64) -> Int {
        let offset = self.head + Int(serial &- self.first)
        return offset < self.records.count ? offset : offset - self.records.count
    }

    mutating func advance(to now: Int64) {
        while self.held > 0, now - self.records[self.head].time >= self.retention { self.dropFirst() }
    }

    private mutating func dropFirst() {
        let record = self.records[self.head]
        if self.next &- self.first <= self.window { self.leaveRecent(record) }
        if record.accuracy != Self.cancelled {
            self.count -= 1
            self.tokens &-= record.tokens
        }
        if record.accuracy >= 0 {
            self.knownCount -= 1
            self.knownSum -= record.accuracy
        }
        self.head = self.head + 1 == self.records.count ? 0 : self.head + 1
        self.held -= 1
        self.first &+= 1
    }

    private mutating func leaveRecent(_ record: Record) {
        guard record.accuracy >= 0 else { return }
        self.recentCount -= 1
        self.recentSum -= record.accuracy
    }

    /// The record's serial is one more than that of the record before.
    @inline(always)
    mutating func append(_ tokens: Int, at now: Int64) {
        if self.held == self.maximum { self.dropFirst() }
        if UInt64(self.held) >= self.window { self.leaveRecent(self.records[self.index(self.next &- self.window)]) }
        if self.held == self.records.count { self.grow() }
        self.held += 1
        self.records[self.index(self.next &- 1)] = Record(
            time: now,
            estimate: tokens,
            tokens: tokens,
            accuracy: Self.unknown
        )
        self.count += 1
        self.tokens &+= tokens
    }

    private mutating func grow() {
        let ordered = Array(self.records[self.head...] + self.records[..<self.head])
        let blank = Record(time: 0, estimate: 0, tokens: 0, accuracy: Self.cancelled)
        self.records = ordered + Array(repeating: blank, count: max(16, min(ordered.count, self.maximum)))
        self.head = 0
    }

    /// What the record counts from now on. Records that are gone do not change.
    mutating func set(_ serial: UInt64, tokens: Int, accuracy: Int64) {
        guard serial >= self.first, serial < self.next else { return }
        let index = self.index(serial)
        let old = self.records[index]
        let isRecent = self.next &- serial <= self.window
        self.tokens &+= tokens &- old.tokens
        if old.accuracy >= 0 {
            self.knownCount -= 1
            self.knownSum -= old.accuracy
            if isRecent { self.leaveRecent(old) }
        }
        if accuracy >= 0 {
            self.knownCount += 1
            self.knownSum += accuracy
            if isRecent {
                self.recentCount += 1
                self.recentSum += accuracy
            }
        }
        if accuracy == Self.cancelled { self.count -= 1 }
        self.records[index].tokens = tokens
        self.records[index].accuracy = accuracy
    }

    /// Forgets everything; the next record has this serial.
    mutating func clear(next serial: UInt64) {
        self.head = 0
        self.held = 0
        self.first = serial
        self.count = 0
        self.tokens = 0
        self.knownCount = 0
        self.knownSum = 0
        self.recentCount = 0
        self.recentSum = 0
    }

    private static func mean(_ sum: Int64, _ count: Int) -> Double? {
        count > 0 ? Double(sum) / Double(count) / Double(Self.unit) : nil
    }

    /// Over the newest records, `nil`: no data.
    var efficiency: Double? { Self.mean(self.recentSum, self.recentCount) }
    /// Over all records, `nil`: no data.
    var accuracy: Double? { Self.mean(self.knownSum, self.knownCount) }
    var settledCount: Int { self.knownCount }
}
