/// Which traces are exported, as `OTEL_TRACES_SAMPLER` says.
package struct SpanSampler: Sendable, Equatable {
    /// Share of the traces that begin here, 0…1.
    package var ratio: Double
    /// Whether a caller's decision stands.
    package var respectsParent: Bool

    package init(ratio: Double = 1, respectsParent: Bool = true) {
        self.ratio = ratio
        self.respectsParent = respectsParent
    }

    /// - Parameters:
    ///   - name: a value of `OTEL_TRACES_SAMPLER`.
    ///   - argument: of `OTEL_TRACES_SAMPLER_ARG`.
    /// - Returns: `nil` for a name that is not known.
    package init?(name: String, argument: String?) {
        let ratio = argument.flatMap { Double($0) }.map { min(1, max(0, $0)) } ?? 1
        switch name {
        case "always_on": self.init(ratio: 1, respectsParent: false)
        case "always_off": self.init(ratio: 0, respectsParent: false)
        case "traceidratio": self.init(ratio: ratio, respectsParent: false)
        case "parentbased_always_on": self.init()
        case "parentbased_always_off": self.init(ratio: 0)
        case "parentbased_traceidratio": self.init(ratio: ratio)
        default: return nil
        }
    }

    /// The same answer in every process that sees this trace.
    package func takes(_ trace: TraceIdentity) -> Bool {
        if self.respectsParent, trace.parent != nil { return trace.isSampled }
        if self.ratio >= 1 { return true }
        return Double(trace.traceLow >> 8) < self.ratio * Double(1 << 56 as UInt64)
    }
}
