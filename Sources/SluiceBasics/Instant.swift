/// A point on the monotonic clock of this process, in nanoseconds from an arbitrary start.
///
/// Domain code never reads a clock: it is told what time it is.
package struct Instant: Hashable, Sendable, Comparable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package static let zero = Instant(nanoseconds: 0)
    /// Later than every instant that a clock returns.
    package static let distantFuture = Instant(nanoseconds: .max)

    @inline(always)
    package static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Saturates instead of overflowing.
    package static func + (instant: Instant, span: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(span.wholeNanoseconds)
        guard overflow else { return Instant(nanoseconds: sum) }
        return span < .zero ? Instant(nanoseconds: .min) : .distantFuture
    }

    package static func - (instant: Instant, span: Duration) -> Instant {
        let (difference, overflow) = instant.nanoseconds.subtractingReportingOverflow(span.wholeNanoseconds)
        guard overflow else { return Instant(nanoseconds: difference) }
        return span < .zero ? .distantFuture : Instant(nanoseconds: .min)
    }

    package static func - (left: Instant, right: Instant) -> Duration {
        .nanoseconds(left.nanoseconds(since: right))
    }

    /// The span since another instant in nanoseconds, saturating; without `Duration`'s 128 bits.
    package func nanoseconds(since earlier: Instant) -> Int64 {
        let (difference, overflow) = self.nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        return overflow ? (self < earlier ? .min : .max) : difference
    }
}

extension Duration {
    /// The span in nanoseconds, saturating at the range of `Int64` (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? (seconds < 0 ? .min : .max) : sum
    }

    /// The span in milliseconds with fraction, for output.
    package var inMilliseconds: Double { Double(self.wholeNanoseconds) / 1e6 }

    /// The span in seconds with fraction, for output.
    package var inSeconds: Double { Double(self.wholeNanoseconds) / 1e9 }
}
