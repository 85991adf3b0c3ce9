import SluiceBasics

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

// Random variates by textbook methods: what is drawn depends on the seed alone.
extension SeededRandom {
    /// Uniform in (0, 1]: safe under a logarithm.
    mutating func positiveUnit() -> Double { 1 - self.unit() }

    /// Of mean 1.
    mutating func exponential() -> Double { -log(self.positiveUnit()) }

    /// Standard normal (Box, Muller 1958).
    mutating func gauss() -> Double {
        (-2 * log(self.positiveUnit())).squareRoot() * cos(2 * .pi * self.unit())
    }

    /// The logarithm is normal with this spread around the median's.
    mutating func logNormal(median: Double, sigma: Double) -> Double { median * exp(sigma * self.gauss()) }

    /// P(X > x) = (least / x)^index for x ≥ least.
    mutating func pareto(least: Double, index: Double) -> Double { least * exp(self.exponential() / index) }
}

/// sin(2π · turns).
func sineOfTurns(_ turns: Double) -> Double { sin(2 * .pi * turns) }
