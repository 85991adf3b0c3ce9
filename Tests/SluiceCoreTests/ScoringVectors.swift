import SluiceCore

/// The worked examples of the six formulas and of their sums, to six decimals.
enum ScoringVectors {
    static let priorities: [(priority: Priority, score: Double)] = [
        (.urgent, 1), (.high, 0.7), (.normal, 0.4), (.low, 0.1),
    ]

    static let efficiency: [(tokens: Double, available: Double, score: Double)] = [
        (0, 1000, 0.000000),
        (1, 1000, 0.001429),
        (100, 1500, 0.095238),
        (150, 1500, 0.142857),
        (350, 1000, 0.500000),
        (699, 1000, 0.998571),
        (700, 1000, 1.000000),
        (800, 1000, 1.000000),
        (900, 1000, 1.000000),
        (901, 1000, 0.900000),
        (950, 1000, 0.900000),
        (1000, 1000, 0.900000),
        (1001, 1000, 0.000000),
        (1200, 1500, 1.000000),
        (2000, 1500, 0.000000),
        (100, 0, 0.000000),
        (100, -5, 0.000000),
        (0, 0, 0.000000),
        (33, 100, 0.471429),
        (5, 7.5, 0.952381),
        (-100, 1000, 0),
    ]

    static let waitTime: [(milliseconds: Double, priority: Priority, score: Double)] = [
        (0, .urgent, 0.000000),
        (100, .urgent, 0.100000),
        (1000, .urgent, 0.316228),
        (2500, .urgent, 0.500000),
        (5000, .urgent, 0.707107),
        (9999, .urgent, 0.999950),
        (10000, .urgent, 1.000000),
        (30000, .urgent, 1.000000),
        (0, .high, 0.000000),
        (3000, .high, 0.100000),
        (15000, .high, 0.500000),
        (29999, .high, 0.999967),
        (30000, .high, 1.000000),
        (90000, .high, 1.000000),
        (0, .normal, 0.000000),
        (5000, .normal, 0.083333),
        (30000, .normal, 0.500000),
        (45000, .normal, 0.750000),
        (60000, .normal, 1.000000),
        (120000, .normal, 1.000000),
        (0, .low, 0.000000),
        (30000, .low, 0.100000),
        (150000, .low, 0.500000),
        (299999, .low, 0.999997),
        (300000, .low, 1.000000),
        (3600000, .low, 1.000000),
        (-6000, .normal, 0),
        (-100, .urgent, 0),
    ]

    static let retry: [(receiveCount: Int, score: Double)] = [
        (0, 1.000000),
        (1, 0.700000),
        (2, 0.490000),
        (3, 0.343000),
        (4, 0.240100),
        (5, 0.168070),
        (6, 0.117649),
        (7, 0.100000),
        (8, 0.100000),
        (10, 0.100000),
        (100, 0.100000),
    ]

    static let tokenFit: [(tokens: Double, available: Double, score: Double)] = [
        (0, 1000, 0.000000),
        (10, 1000, 0.100000),
        (50, 1000, 0.500000),
        (99, 1000, 0.990000),
        (100, 1000, 1.000000),
        (100, 1500, 0.666667),
        (300, 1000, 1.000000),
        (500, 1000, 1.000000),
        (501, 1000, 0.999600),
        (600, 1000, 0.960000),
        (750, 1000, 0.900000),
        (800, 1000, 0.880000),
        (1000, 1000, 0.800000),
        (1001, 1000, 0.000000),
        (100, 0, 0.000000),
        (100, -1, 0.000000),
        (2000, 1500, 0.000000),
        (7, 70.7, 0.990099),
    ]

    static let processingTime: [(tokens: Int, expectedMilliseconds: Int?, score: Double)] = [
        (0, nil, 1.000000),
        (50, nil, 1.000000),
        (100, nil, 1.000000),
        (101, nil, 0.999250),
        (200, nil, 0.925000),
        (300, nil, 0.850000),
        (500, nil, 0.700000),
        (501, nil, 0.699760),
        (1000, nil, 0.580000),
        (1750, nil, 0.400000),
        (3000, nil, 0.100000),
        (3001, nil, 0.100000),
        (100, 500, 1.000000),
        (100, 1000, 1.000000),
        (100, 1001, 0.999925),
        (100, 3000, 0.850000),
        (100, 5000, 0.700000),
        (100, 5001, 0.699976),
        (100, 10000, 0.580000),
        (100, 17500, 0.400000),
        (100, 30000, 0.100000),
        (100, 30001, 0.100000),
        (100, 600000, 0.100000),
        (9999, 1, 1.000000),
        (500, 0, 0.700000),
    ]

    /// A request, the six raw scores, and the total under each set of weights.
    struct Total: Sendable {
        var id: String
        var facts: ScoringFacts
        var raw: [Double]
        /// Balanced, simple priority, throughput-optimised, fair, and the weights of the manual's example.
        var totals: [Double]
    }

    static let totals: [Total] = [
        Total(
            id: "fresh-urgent",
            facts: .vector(.urgent, 100, of: 1500, wait: 0, received: 0),
            raw: [1.000000, 0.095238, 0.000000, 1.000000, 0.666667, 1.000000],
            totals: [0.569048, 0.854762, 0.500000, 0.392857, 0.490476]
        ),
        Total(
            id: "fresh-high",
            facts: .vector(.high, 100, of: 1500, wait: 0, received: 0),
            raw: [0.700000, 0.095238, 0.000000, 1.000000, 0.666667, 1.000000],
            totals: [0.494048, 0.614762, 0.455000, 0.332857, 0.400476]
        ),
        Total(
            id: "suite-normal-30s",
            facts: .vector(.normal, 100, of: 1500, wait: 30000, received: 0),
            raw: [0.400000, 0.095238, 0.500000, 1.000000, 0.666667, 1.000000],
            totals: [0.519048, 0.424762, 0.460000, 0.522857, 0.435476]
        ),
        Total(
            id: "suite-urgent-30s",
            facts: .vector(.urgent, 100, of: 1500, wait: 30000, received: 0),
            raw: [1.000000, 0.095238, 1.000000, 1.000000, 0.666667, 1.000000],
            totals: [0.769048, 0.954762, 0.600000, 0.892857, 0.740476]
        ),
        Total(
            id: "first-delivery-normal",
            facts: .vector(.normal, 100, of: 1500, wait: 30000, received: 1),
            raw: [0.400000, 0.095238, 0.500000, 0.700000, 0.666667, 1.000000],
            totals: [0.489048, 0.409762, 0.445000, 0.477857, 0.405476]
        ),
        Total(
            id: "suite-efficient-1200",
            facts: .vector(.normal, 1200, of: 1500, wait: 30000, received: 0),
            raw: [0.400000, 1.000000, 0.500000, 1.000000, 0.880000, 0.532000],
            totals: [0.685200, 0.470000, 0.783200, 0.624000, 0.683000]
        ),
        Total(
            id: "suite-inefficient-150",
            facts: .vector(.normal, 150, of: 1500, wait: 30000, received: 0),
            raw: [0.400000, 0.142857, 0.500000, 1.000000, 1.000000, 0.962500],
            totals: [0.574821, 0.427143, 0.556250, 0.544286, 0.480714]
        ),
        Total(
            id: "suite-oversized-2000",
            facts: .vector(.normal, 2000, of: 1500, wait: 30000, received: 0),
            raw: [0.400000, 0.000000, 0.500000, 1.000000, 0.000000, 0.340000],
            totals: [0.334000, 0.420000, 0.194000, 0.480000, 0.345000]
        ),
        Total(
            id: "suite-retried-3",
            facts: .vector(.normal, 100, of: 1500, wait: 0, received: 3),
            raw: [0.400000, 0.095238, 0.000000, 0.343000, 0.666667, 1.000000],
            totals: [0.353348, 0.341912, 0.377150, 0.174307, 0.244776]
        ),
        Total(
            id: "suite-fast-500ms",
            facts: .vector(.normal, 100, of: 1500, wait: 30000, received: 0, expected: 500),
            raw: [0.400000, 0.095238, 0.500000, 1.000000, 0.666667, 1.000000],
            totals: [0.519048, 0.424762, 0.460000, 0.522857, 0.435476]
        ),
        Total(
            id: "suite-slow-10s",
            facts: .vector(.normal, 100, of: 1500, wait: 30000, received: 0, expected: 10000),
            raw: [0.400000, 0.095238, 0.500000, 1.000000, 0.666667, 0.580000],
            totals: [0.477048, 0.424762, 0.418000, 0.522857, 0.435476]
        ),
        Total(
            id: "suite-zero-tpm",
            facts: .vector(.normal, 100, of: 0, wait: 30000, received: 0),
            raw: [0.400000, 0.000000, 0.500000, 1.000000, 0.000000, 1.000000],
            totals: [0.400000, 0.420000, 0.260000, 0.480000, 0.345000]
        ),
        Total(
            id: "low-saturated-5min",
            facts: .vector(.low, 400, of: 1000, wait: 300000, received: 1),
            raw: [0.100000, 0.571429, 1.000000, 0.700000, 1.000000, 0.775000],
            totals: [0.636786, 0.243571, 0.677500, 0.732143, 0.592857]
        ),
        Total(
            id: "low-1h-retry10",
            facts: .vector(.low, 750, of: 1000, wait: 3600000, received: 10),
            raw: [0.100000, 1.000000, 1.000000, 0.100000, 0.900000, 0.640000],
            totals: [0.634000, 0.235000, 0.759000, 0.680000, 0.630000]
        ),
        Total(
            id: "high-15s",
            facts: .vector(.high, 800, of: 1000, wait: 15000, received: 1),
            raw: [0.700000, 1.000000, 0.500000, 0.700000, 0.880000, 0.628000],
            totals: [0.739800, 0.695000, 0.822800, 0.639000, 0.743000]
        ),
        Total(
            id: "urgent-2.5s-perfect",
            facts: .vector(.urgent, 800, of: 1000, wait: 2500, received: 1),
            raw: [1.000000, 1.000000, 0.500000, 0.700000, 0.880000, 0.628000],
            totals: [0.814800, 0.935000, 0.867800, 0.699000, 0.833000]
        ),
        Total(
            id: "best-possible",
            facts: .vector(.urgent, 700, of: 1000, wait: 10000, received: 0, expected: 1000),
            raw: [1.000000, 1.000000, 1.000000, 1.000000, 0.920000, 1.000000],
            totals: [0.988000, 1.000000, 0.980000, 0.996000, 0.992000]
        ),
        Total(
            id: "worst-fitting",
            facts: .vector(.low, 0, of: 1000, wait: 0, received: 50, expected: 60000),
            raw: [0.100000, 0.000000, 0.000000, 0.100000, 0.000000, 0.100000],
            totals: [0.045000, 0.085000, 0.030000, 0.035000, 0.040000]
        ),
    ]
}

extension ScoringFacts {
    /// Times in milliseconds.
    static func vector(
        _ priority: Priority,
        _ tokens: Int,
        of available: Int?,
        wait: Int = 0,
        received: Int = 0,
        expected: Int? = nil
    ) -> ScoringFacts {
        ScoringFacts(
            priority: priority,
            tokens: tokens,
            availableTokens: available,
            wait: .milliseconds(wait),
            receiveCount: received,
            expectedProcessing: expected.map { .milliseconds($0) }
        )
    }
}
