/// What of an execution goes into figures.
package struct ExecutionFacts: Sendable {
    package var endedAt: Int64
    package var isFailure: Bool
    package var promptTokens: Int64
    package var completionTokens: Int64
    package var cost: Int64
    package var total: Int64
    package var queued: Int64
    package var firstToken: Int64?

    package init(
        endedAt: Int64,
        isFailure: Bool,
        promptTokens: Int64,
        completionTokens: Int64,
        cost: Int64,
        total: Int64,
        queued: Int64,
        firstToken: Int64?
    ) {
        self.endedAt = endedAt
        self.isFailure = isFailure
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cost = cost
        self.total = total
        self.queued = queued
        self.firstToken = firstToken
    }
}

/// The values of up to three fields, as numbers that stand for texts.
package struct ExecutionGroupKey: Hashable, Sendable {
    package var first: Int64 = 0
    package var second: Int64 = 0
    package var third: Int64 = 0

    package init() {}

    package subscript(index: Int) -> Int64 {
        get { index == 0 ? self.first : index == 1 ? self.second : self.third }
        set {
            switch index {
            case 0: self.first = newValue
            case 1: self.second = newValue
            default: self.third = newValue
            }
        }
    }
}

/// Spans of time by size, in little memory: below 256 µs each by itself, above in steps of 1/128 of a power of two.
///
/// A percentile is the smallest value that at least that part of all does not exceed (nearest rank), given as the
/// middle of its step: it is at most 0.4 % off. Stores that compute elsewhere round the same way.
package struct ExecutionHistogram: Sendable, Equatable {
    private var counts: [UInt16: UInt32] = [:]
    private var total: UInt64 = 0

    package init() {}

    /// Steps that hold something.
    package var size: Int { self.counts.count }

    /// - Returns: whether a step was entered for the first time.
    package mutating func add(_ microseconds: Int64) -> Bool {
        let before = self.counts.count
        self.counts[Self.step(microseconds), default: 0] &+= 1
        self.total += 1
        return self.counts.count > before
    }

    static func step(_ microseconds: Int64) -> UInt16 {
        let value = max(0, microseconds)
        guard value >= 256 else { return UInt16(truncatingIfNeeded: value) }
        let shift = 56 - value.leadingZeroBitCount
        return UInt16(truncatingIfNeeded: shift * 128 + Int(truncatingIfNeeded: value >> Int64(shift)))
    }

    static func middle(_ step: UInt16) -> Int64 {
        guard step >= 256 else { return Int64(step) }
        let shift = Int64(step / 128) - 1
        return (Int64(step) - shift * 128) << shift + 1 << (shift - 1)
    }

    /// What every value is taken for.
    package static func rounded(_ microseconds: Int64) -> Int64 { Self.middle(Self.step(microseconds)) }

    /// Empty when nothing was added.
    package func percentiles(_ parts: [Double]) -> [Int64] {
        guard self.total > 0 else { return [] }
        let steps = self.counts.sorted { $0.key < $1.key }
        return parts.map { part in
            let rank = max(1, (Double(self.total) * part).rounded(.up))
            var passed: UInt64 = 0
            for (step, count) in steps {
                passed += UInt64(count)
                if Double(passed) >= rank { return Self.middle(step) }
            }
            return steps.last.map { Self.middle($0.key) } ?? 0
        }
    }
}

/// Counts how many executions each group has, to find the largest.
package struct ExecutionGroupCounts: Sendable {
    /// Groups that can be told apart in one question.
    private static let maximumGroups = 100_000
    private var counts: [ExecutionGroupKey: Int64] = [:]

    package init() {}

    package mutating func add(_ key: ExecutionGroupKey) throws(ExecutionStoreError) {
        self.counts[key, default: 0] += 1
        guard self.counts.count <= Self.maximumGroups else {
            throw .tooMuch("There are more than \(Self.maximumGroups) groups. Ask for less time or filter more.")
        }
    }

    package func largest(_ number: Int, names: (ExecutionGroupKey) -> [String]) -> Set<ExecutionGroupKey> {
        let ordered = self.counts.map { (key: $0.key, count: $0.value) }.sorted { $0.count > $1.count }
        guard ordered.count > number, let least = ordered.prefix(number).last?.count else {
            return Set(ordered.map(\.key))
        }
        // Names are made only where they decide.
        var taken = ordered.filter { $0.count > least }.map(\.key)
        let tied = ordered.filter { $0.count == least }.map { (key: $0.key, names: names($0.key)) }
            .sorted { ExecutionTally.precedes($0.names, $1.names) }
        taken += tied.prefix(number - taken.count).map(\.key)
        return Set(taken)
    }
}

/// Gathers figures from executions that are shown one after the other.
package struct ExecutionTally: Sendable {
    private struct Place: Hashable {
        var group: Int
        var at: Int64
    }

    private struct Gathered {
        var cell = ExecutionCell()
        var spans = [ExecutionHistogram](repeating: ExecutionHistogram(), count: 3)
    }

    /// Steps of all histograms together: some 50 MB.
    private static let maximumSteps = 2_000_000

    private let aggregation: ExecutionAggregation
    private let spans: [ExecutionSpan]
    private let only: Set<ExecutionGroupKey>?
    private var groups: [ExecutionGroupKey: Int] = [:]
    private var places: [Place: Int] = [:]
    private var cells: [Gathered] = []
    private var steps = 0
    /// There are more groups than are wanted: the largest have to be found first.
    package private(set) var hasTooManyGroups = false

    /// - Parameter only: the groups that count; `nil`: all, as long as they are not more than wanted.
    package init(_ aggregation: ExecutionAggregation, only: Set<ExecutionGroupKey>? = nil) {
        self.aggregation = aggregation
        self.spans = ExecutionSpan.allCases.filter { aggregation.wants($0) }
        self.only = only
    }

    /// - Returns: whether it is worth going on.
    package mutating func add(
        _ key: ExecutionGroupKey,
        _ facts: ExecutionFacts
    ) throws(ExecutionStoreError) -> Bool {
        if let only, !only.contains(key) { return true }
        let group: Int
        if let known = self.groups[key] {
            group = known
        } else {
            group = self.groups.count
            guard group < self.aggregation.maximumGroups else {
                self.hasTooManyGroups = true
                return false
            }
            self.groups[key] = group
        }
        let index = try self.index(Place(group: group, at: self.aggregation.start(of: facts.endedAt)))
        self.cells[index].cell.count += 1
        self.cells[index].cell.failed += facts.isFailure ? 1 : 0
        self.cells[index].cell.promptTokens &+= facts.promptTokens
        self.cells[index].cell.completionTokens &+= facts.completionTokens
        self.cells[index].cell.cost &+= facts.cost
        for span in self.spans {
            let value: Int64? =
                switch span {
                case .total: facts.total
                case .queued: facts.queued
                case .firstToken: facts.firstToken
                }
            guard let value else { continue }
            if self.cells[index].spans[span.rawValue].add(value) { self.steps += 1 }
        }
        guard self.steps <= Self.maximumSteps else { throw Self.tooMuch }
        return true
    }

    private mutating func index(_ place: Place) throws(ExecutionStoreError) -> Int {
        if let index = self.places[place] { return index }
        guard self.cells.count < ExecutionAggregation.maximumCells else { throw Self.tooMuch }
        self.places[place] = self.cells.count
        self.cells.append(Gathered())
        return self.cells.count - 1
    }

    private static let tooMuch = ExecutionStoreError.tooMuch(
        "The answer would be too large. Ask for fewer groups, longer buckets, or without percentiles."
    )

    package func aggregate(
        isTruncated: Bool,
        names: (ExecutionGroupKey) -> [String]
    ) -> ExecutionAggregate {
        var groups = self.groups.sorted { $0.value < $1.value }
            .map { ExecutionAggregate.Group(key: names($0.key), buckets: []) }
        for (place, index) in self.places {
            var cell = self.cells[index].cell
            cell.seconds = self.aggregation.seconds(of: place.at)
            for span in self.spans {
                cell.percentiles[span.rawValue] = self.cells[index].spans[span.rawValue]
                    .percentiles(ExecutionSpan.percentiles)
            }
            groups[place.group].buckets.append(.init(at: place.at, cell: cell))
        }
        for index in groups.indices { groups[index].buckets.sort { $0.at < $1.at } }
        return ExecutionAggregate(groups: Self.ordered(groups), isTruncated: isTruncated)
    }

    /// The largest first; among equals by key.
    package static func ordered(_ groups: [ExecutionAggregate.Group]) -> [ExecutionAggregate.Group] {
        let counted = groups.map { group in (group: group, count: group.buckets.reduce(0) { $0 + $1.cell.count }) }
        let sorted = counted.sorted { left, right in
            left.count != right.count ? left.count > right.count : Self.precedes(left.group.key, right.group.key)
        }
        return sorted.map(\.group)
    }

    /// By bytes, so that all stores agree.
    static func precedes(_ left: [String], _ right: [String]) -> Bool {
        for (left, right) in zip(left, right) where left != right {
            return left.utf8.lexicographicallyPrecedes(right.utf8)
        }
        return false
    }
}
