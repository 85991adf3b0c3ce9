import SluiceCore

/// What a pool was like: rings of 1 s for 5 minutes, 10 s for an hour and a minute for a day. A value, fed by whoever
/// has a clock; some 170 KB when full.
package struct PoolSeries: Sendable {
    private struct Ring: Sendable {
        let step: Int
        let capacity: Int
        /// The point of step `n` is at `n % capacity`; `nil` where nobody looked.
        var points: [PoolPoint?] = []
        /// The newest step that is finished, by number since 1970.
        var newest: Int?
        /// When the step under way began, and the most that was seen in it.
        var base: PoolReadout?
        var since = 0
        var mostQueued = 0
        var mostInFlight = 0

        init(step: Int, capacity: Int) {
            self.step = step
            self.capacity = capacity
        }

        mutating func add(_ readout: PoolReadout, at second: Int) {
            self.mostQueued = max(self.mostQueued, readout.queued)
            self.mostInFlight = max(self.mostInFlight, readout.inFlight)
            // The step that ends with this look.
            let finished = second / self.step - 1
            guard second % self.step == 0 || self.newest.map({ finished > $0 }) ?? (self.base == nil) else { return }
            guard let base = self.base, let newest = self.newest else {
                return self.begin(readout, newest: finished, at: second)
            }
            guard finished > newest else {
                // The wall clock has been put back.
                if finished < newest - 1 { self.begin(readout, newest: finished, at: second) }
                return
            }
            var point = PoolPoint(from: base, to: readout, seconds: Double(max(1, second - self.since)))
            point.queued = self.mostQueued
            point.inFlight = self.mostInFlight
            for skipped in max(newest + 1, finished - self.capacity + 1)..<finished { self.put(nil, at: skipped) }
            self.put(point, at: finished)
            self.newest = finished
            self.base = readout
            self.since = second
            (self.mostQueued, self.mostInFlight) = (readout.queued, readout.inFlight)
        }

        private mutating func begin(_ readout: PoolReadout, newest: Int, at second: Int) {
            self.points = []
            self.newest = newest
            self.base = readout
            self.since = second
            (self.mostQueued, self.mostInFlight) = (readout.queued, readout.inFlight)
        }

        private mutating func put(_ point: PoolPoint?, at step: Int) {
            if self.points.isEmpty { self.points = Array(repeating: nil, count: self.capacity) }
            self.points[step % self.capacity] = point
        }

        /// Of steps from `first` up to and with `last`.
        func points(from first: Int, through last: Int) -> [PoolPoint?] {
            guard first <= last, let newest = self.newest, !self.points.isEmpty else {
                return Array(repeating: nil, count: max(0, last - first + 1))
            }
            return (first...last).map { step in
                step > newest || step <= newest - self.capacity || step < 0 ? nil : self.points[step % self.capacity]
            }
        }
    }

    private var rings: [Ring] = [
        Ring(step: 1, capacity: 300), Ring(step: 10, capacity: 360), Ring(step: 60, capacity: 1_440),
    ]

    package init() {}

    /// Takes a look down. Once a second is best; what is missed is told as not known.
    ///
    /// - Parameter second: since 1970.
    package mutating func add(_ readout: PoolReadout, at second: Int) {
        for index in self.rings.indices { self.rings[index].add(readout, at: second) }
    }

    /// Points of equal length.
    package struct Part: Sendable {
        /// Seconds.
        package var step: Int
        /// Seconds since 1970 at which the first begins.
        package var from: Int
        package var points: [PoolPoint?]
    }

    /// The longest window, in seconds.
    package static let longestWindow = 86_400

    /// The last points.
    ///
    /// - Parameters:
    ///   - window: seconds.
    ///   - step: seconds; `nil`: as the window needs for 300 to 1,500 points. Made a multiple of what is kept.
    ///   - second: now, since 1970.
    package func part(window: Int, step: Int?, at second: Int) -> Part {
        let window = max(1, min(Self.longestWindow, window))
        let ring = self.rings.first { $0.step * $0.capacity >= window } ?? self.rings[self.rings.count - 1]
        let wanted = max(ring.step, step ?? ring.step)
        let group = wanted / ring.step
        let length = group * ring.step
        let count = max(1, min(ring.capacity / group, window / length))
        // Whole groups only, so that a point stays what it was as time goes on.
        let end = second / length * group
        let first = end - count * group
        let points = ring.points(from: first, through: end - 1)
        var joined: [PoolPoint?] = []
        joined.reserveCapacity(count)
        for start in stride(from: 0, to: points.count, by: group) {
            joined.append(group == 1 ? points[start] : PoolPoint.joined(points[start..<(start + group)]))
        }
        return Part(step: length, from: first * ring.step, points: joined)
    }
}
