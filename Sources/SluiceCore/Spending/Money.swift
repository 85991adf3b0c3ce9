/// An amount of US dollars, exact to a billionth. Sums saturate.
public struct Money: Sendable, Hashable, Comparable {
    public let nanodollars: Int64

    public init(nanodollars: Int64) { self.nanodollars = nanodollars }

    /// The nearest billionth; what does not fit, and what is no number, is `nil`.
    public init?(dollars: Double) {
        let scaled = (dollars * 1e9).rounded()
        guard let whole = Int64(exactly: scaled) else { return nil }
        self.nanodollars = whole
    }

    public static let zero = Money(nanodollars: 0)
    public static let maximum = Money(nanodollars: .max)

    public var dollars: Double { Double(self.nanodollars) / 1e9 }

    public static func < (left: Money, right: Money) -> Bool { left.nanodollars < right.nanodollars }

    public static func + (left: Money, right: Money) -> Money {
        let (sum, overflow) = left.nanodollars.addingReportingOverflow(right.nanodollars)
        return Money(nanodollars: overflow ? (right.nanodollars > 0 ? .max : .min) : sum)
    }

    public static func - (left: Money, right: Money) -> Money {
        let (rest, overflow) = left.nanodollars.subtractingReportingOverflow(right.nanodollars)
        return Money(nanodollars: overflow ? (right.nanodollars > 0 ? .min : .max) : rest)
    }

    public static func += (left: inout Money, right: Money) { left = left + right }
    public static func -= (left: inout Money, right: Money) { left = left - right }
}

extension Money: CustomStringConvertible {
    /// Dollars with as many decimals as are needed, at least two.
    public var description: String {
        let magnitude = self.nanodollars.magnitude
        var fraction = String(magnitude % 1_000_000_000)
        fraction = String(repeating: "0", count: 9 - fraction.count) + fraction
        while fraction.count > 2 && fraction.last == "0" { fraction.removeLast() }
        return "\(self.nanodollars < 0 ? "-" : "")$\(magnitude / 1_000_000_000).\(fraction)"
    }
}

/// What a model's tokens cost, in US dollars for a million of them.
public struct TokenPrices: Sendable, Equatable {
    public var input: Double
    public var output: Double
    /// Prompt tokens that were read from the provider's cache; `nil`: as input.
    public var cachedInput: Double?
    /// Prompt tokens that were written to the provider's cache; `nil`: as input.
    public var cacheWrite: Double?

    public init(input: Double, output: Double, cachedInput: Double? = nil, cacheWrite: Double? = nil) {
        self.input = input
        self.output = output
        self.cachedInput = cachedInput
        self.cacheWrite = cacheWrite
    }

    /// - Parameters:
    ///   - prompt: all prompt tokens, `cached` and `written` included.
    public func cost(prompt: Int, completion: Int, cached: Int = 0, written: Int = 0) -> Money {
        let prompt = max(0, prompt)
        let cached = min(max(0, cached), prompt)
        let written = min(max(0, written), prompt - cached)
        let dollarsPerMillion =
            Double(prompt - cached - written) * self.input + Double(cached) * (self.cachedInput ?? self.input)
            + Double(written) * (self.cacheWrite ?? self.input) + Double(max(0, completion)) * self.output
        // A millionth of a dollar is a thousand billionths.
        let nanodollars = (dollarsPerMillion * 1_000).rounded()
        guard nanodollars.isFinite, nanodollars > 0 else { return .zero }
        return Money(nanodollars: Int64(exactly: nanodollars) ?? .max)
    }
}
