import SluiceBasics
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How long something takes, in milliseconds.
enum Distribution: Equatable, Sendable {
    case fixed(Double)
    case uniform(Double, Double)
    case normal(mean: Double, deviation: Double)
    /// The logarithm is normal with this spread around the median's: a long tail, as real backends have.
    case lognormal(median: Double, sigma: Double)

    private static let longest = 3_600_000.0

    /// `50`, `uniform(10,50)`, `normal(50,10)`, `lognormal(50,0.5)`; `nil` when it is none of these.
    init?(_ text: String) {
        if let value = Double(text) {
            guard value >= 0, value <= Self.longest else { return nil }
            self = .fixed(value)
            return
        }
        guard let open = text.firstIndex(of: "("), text.hasSuffix(")") else { return nil }
        let numbers = text[text.index(after: open)...].dropLast().split(separator: ",").compactMap {
            Double($0.filter { $0 != " " })
        }
        guard numbers.count == 2, numbers.allSatisfy({ $0 >= 0 && $0 <= Self.longest }) else { return nil }
        switch text[..<open] {
        case "uniform" where numbers[0] <= numbers[1]: self = .uniform(numbers[0], numbers[1])
        case "normal": self = .normal(mean: numbers[0], deviation: numbers[1])
        case "lognormal": self = .lognormal(median: numbers[0], sigma: numbers[1])
        default: return nil
        }
    }

    init?(_ value: JSONValue) {
        if let number = value.double {
            self.init(number.description)
        } else if let text = value.string {
            self.init(text)
        } else {
            return nil
        }
    }

    var text: String {
        switch self {
        case .fixed(let value): "\(value)"
        case .uniform(let low, let high): "uniform(\(low),\(high))"
        case .normal(let mean, let deviation): "normal(\(mean),\(deviation))"
        case .lognormal(let median, let sigma): "lognormal(\(median),\(sigma))"
        }
    }

    var isZero: Bool { self == .fixed(0) }

    func sample(_ random: inout SeededRandom) -> Duration {
        let milliseconds: Double =
            switch self {
            case .fixed(let value): value
            case .uniform(let low, let high): low + (high - low) * random.unit()
            case .normal(let mean, let deviation): mean + deviation * Self.gauss(&random)
            case .lognormal(let median, let sigma): median * exp(sigma * Self.gauss(&random))
            }
        return .milliseconds(min(max(0, milliseconds), Self.longest))
    }

    /// Standard normal (Box, Muller 1958).
    private static func gauss(_ random: inout SeededRandom) -> Double {
        (-2 * log(1 - random.unit())).squareRoot() * cos(2 * .pi * random.unit())
    }
}
