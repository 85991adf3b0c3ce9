import SluiceBasics
import SluiceCore
import SluiceTelemetry
import Testing

@Suite struct PoolSeriesTests {
    private func readout(queued: Int = 0, done: UInt64 = 0, ends: [Duration] = []) -> PoolReadout {
        var readout = PoolReadout()
        readout.queued = queued
        readout.done = done
        for end in ends { readout.latency.record(end) }
        return readout
    }

    @Test func `each second has its rates and its depth`() {
        var series = PoolSeries()
        for second in 0...10 { series.add(self.readout(queued: second, done: UInt64(second * 3)), at: 1_000 + second) }
        let part = series.part(window: 5, step: nil, at: 1_010)
        #expect(part.step == 1 && part.from == 1_005)
        #expect(part.points.count == 5)
        #expect(part.points.map { $0?.done } == [3, 3, 3, 3, 3])
        // The most at both ends of the second.
        #expect(part.points.map { $0?.queued } == [6, 7, 8, 9, 10])
    }

    @Test func `what was before the start is not known`() {
        var series = PoolSeries()
        series.add(self.readout(), at: 500)
        series.add(self.readout(done: 8), at: 501)
        let points = series.part(window: 4, step: 1, at: 501).points
        #expect(points.map { $0?.done } == [nil, nil, nil, 8])
        #expect(PoolSeries().part(window: 60, step: 1, at: 100).points.allSatisfy { $0 == nil })
    }

    @Test func `a look that was missed is a gap, and its counts are shared out over the time`() {
        var series = PoolSeries()
        series.add(self.readout(), at: 100)
        series.add(self.readout(done: 1), at: 101)
        series.add(self.readout(done: 7), at: 104)
        let points = series.part(window: 4, step: 1, at: 104).points
        #expect(points.map { $0?.done } == [1, nil, nil, 2])
    }

    @Test func `longer windows come in longer steps`() {
        var series = PoolSeries()
        for second in 0...7_200 {
            // A peak of one second in each minute.
            series.add(self.readout(queued: second % 60 == 30 ? 9 : 1, done: UInt64(second) * 2), at: second)
        }
        let hour = series.part(window: 3_600, step: nil, at: 7_200)
        #expect(hour.step == 10 && hour.points.count == 360)
        #expect(hour.points.allSatisfy { $0?.done == 2 })
        #expect(hour.points.count { $0?.queued == 9 } == 120)
        let day = series.part(window: 86_400, step: nil, at: 7_200)
        #expect(day.step == 60 && day.points.count == 1_440)
        #expect(day.points.compactMap { $0 }.count == 120)
        #expect(day.points.compactMap { $0?.queued } == Array(repeating: 9, count: 120))
        let joined = series.part(window: 300, step: 5, at: 7_203)
        #expect(joined.step == 5 && joined.points.count == 60)
        #expect(joined.from == 6_900)
        #expect(joined.points.count { $0?.queued == 9 } == 10)
    }

    @Test func `percentiles are of what ended within the step`() {
        var series = PoolSeries()
        var readout = PoolReadout()
        for _ in 0..<100 { readout.latency.record(.seconds(200)) }
        series.add(readout, at: 10)
        for _ in 0..<100 { readout.latency.record(.milliseconds(4)) }
        series.add(readout, at: 11)
        series.add(readout, at: 12)
        let points = series.part(window: 2, step: 1, at: 12).points
        #expect((points[0]?.median).map { $0 < 5 } == true)
        #expect((points[0]?.slow).map { $0 <= 5 } == true)
        #expect(points[1]?.median == nil)
    }

    @Test func `a clock that is put back begins anew, one that leaps keeps what is left`() {
        var series = PoolSeries()
        for second in 1_000...1_010 { series.add(self.readout(done: UInt64(second)), at: second) }
        series.add(self.readout(done: 2_000), at: 900)
        series.add(self.readout(done: 2_001), at: 901)
        #expect(series.part(window: 3, step: 1, at: 901).points.map { $0?.done } == [nil, nil, 1])
        series.add(self.readout(done: 3_000), at: 9_000_000)
        #expect(series.part(window: 300, step: 1, at: 9_000_000).points.compactMap { $0 }.count == 1)
    }
}
