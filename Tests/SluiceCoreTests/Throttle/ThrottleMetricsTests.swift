import SluiceBasics
import SluiceCore
import Testing

@Suite struct ThrottleMetricsTests {
    private struct Record {
        var time: Int64
        var estimate: Int
        var actual: Int?
        var isCancelled = false

        var accuracy: Double? {
            guard let actual, !self.isCancelled else { return nil }
            let high = max(self.estimate, actual)
            return high == 0 ? 1 : Double(min(self.estimate, actual)) / Double(high)
        }
    }

    private static func mean(_ numbers: [Double]) -> Double? {
        numbers.isEmpty ? nil : numbers.reduce(0, +) / Double(numbers.count)
    }

    private static func isSame(_ left: Double?, _ right: Double?) -> Bool {
        guard let left, let right else { return left == nil && right == nil }
        return abs(left - right) < 1e-6
    }

    @Test(arguments: 0..<20)
    func `the running sums are those of a recount`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let maximum = Int.random(in: 5...200, using: &random)
        let window = Int.random(in: 1...80, using: &random)
        let options = ThrottleOptions(
            historyRetention: .seconds(20),
            maximumHistoryRecords: maximum,
            efficiencyWindow: window
        )
        var throttle = Throttle(RateLimit(), options: options, now: .zero)
        var records: [Record] = []
        var open: [(reservation: ThrottleReservation, index: Int)] = []
        var now: Int64 = 0
        for step in 0..<1_500 {
            now += Int64.random(in: 0...300_000_000, using: &random)
            if step % 400 == 399 { now += 30_000_000_000 }
            let at = Instant(nanoseconds: now)
            let choice = open.isEmpty ? 0 : Int.random(in: 0..<4, using: &random)
            if choice <= 1 {
                let tokens = Int.random(in: 0...100, using: &random)
                guard case .success(let reservation) = throttle.reserve(tokens, at: at) else { continue }
                open.append((reservation, records.count))
                records.append(Record(time: now, estimate: tokens))
            } else {
                let (reservation, index) = open.remove(at: Int.random(in: 0..<open.count, using: &random))
                if Int.random(in: 0..<6, using: &random) == 0 {
                    throttle.cancel(reservation, at: at)
                    records[index].isCancelled = true
                } else {
                    let actual = Int.random(in: 0...150, using: &random)
                    throttle.settle(reservation, actual: actual, at: at)
                    records[index].actual = actual
                }
            }
            let kept = records.filter { now - $0.time < 20_000_000_000 }.suffix(maximum)
            let counted = kept.filter { !$0.isCancelled }
            let metrics = throttle.metrics(at: at)
            let total = counted.map { $0.actual ?? $0.estimate }.reduce(0, +)
            #expect(metrics.history.count == counted.count)
            #expect(metrics.history.totalTokens == total)
            #expect(metrics.history.settledCount == counted.filter { $0.actual != nil }.count)
            #expect(metrics.openReservations == open.count)
            #expect(Self.isSame(metrics.estimationAccuracy, Self.mean(kept.compactMap(\.accuracy))))
            #expect(Self.isSame(metrics.efficiency, Self.mean(kept.suffix(window).compactMap(\.accuracy))))
        }
    }

    @Test func `totals tell what became of everything`() {
        let throttle = TimedThrottle(requests: 3)
        let reservations = (0..<4).map { _ in throttle.reserve(5, at: 0) }
        #expect(throttle.settle(reservations[0], 4, at: 0) == .settled)
        if let second = reservations[1] { throttle.throttle.cancel(second, at: .zero) }
        let totals = throttle.metrics(at: 3_600_000).totals
        #expect(totals.admitted == 3)
        #expect(totals.refused == 1)
        #expect(totals.settled == 1)
        #expect(totals.cancelled == 1)
        #expect(totals.expired == 1)
    }
}
