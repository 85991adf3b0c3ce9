/// Leave to call a backend, as its breaker gave it.
package struct BreakerPermit: Sendable, Equatable {
    /// Changes with every transition; verdicts of an earlier one no longer count.
    package let generation: UInt32
    /// One of the single calls that test a backend in `half_open`.
    package let isProbe: Bool

    package init(generation: UInt32, isProbe: Bool) {
        self.generation = generation
        self.isProbe = isProbe
    }
}
