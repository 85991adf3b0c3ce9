import SluiceBasics
import SluiceCore
import Testing

struct ScorersTests {
    private static let weights: [ScoringWeights] = [
        .balanced, .simplePriority, .throughputOptimized, .fair,
        ScoringWeights(
            priority: 0.30,
            efficiency: 0.25,
            waitTime: 0.25,
            retry: 0.10,
            tokenFit: 0.10,
            processingTime: 0
        ),
    ]

    private func isClose(_ left: Double, _ right: Double) -> Bool { abs(left - right) <= 1e-6 }

    @Test func `priorities score 1, 0.7, 0.4 and 0.1`() {
        for vector in ScoringVectors.priorities {
            #expect(Scorers.priority(vector.priority) == vector.score)
            for weights in Self.weights {
                let breakdown = weights.breakdown(.vector(vector.priority, 1, of: nil))
                #expect(self.isClose(breakdown.priority, vector.score * weights.priority))
            }
        }
    }

    @Test func `efficiency as in the table, never less than 0`() {
        for vector in ScoringVectors.efficiency {
            let score = Scorers.efficiency(tokens: vector.tokens, available: vector.available)
            #expect(self.isClose(score, vector.score), "\(vector): \(score)")
        }
    }

    @Test func `wait time as in the table, never less than 0 and always a number`() {
        for vector in ScoringVectors.waitTime {
            let score = Scorers.waitTime(milliseconds: vector.milliseconds, priority: vector.priority)
            #expect(self.isClose(score, vector.score), "\(vector): \(score)")
        }
    }

    @Test func `each earlier delivery takes three tenths, down to 0.1`() {
        for vector in ScoringVectors.retry {
            #expect(self.isClose(Scorers.retry(receiveCount: vector.receiveCount), vector.score))
        }
        #expect(Scorers.retry(receiveCount: .max) == 0.1)
        #expect(Scorers.retry(receiveCount: -1) == 1)
    }

    @Test func `token fit as in the table`() {
        for vector in ScoringVectors.tokenFit {
            let score = Scorers.tokenFit(tokens: vector.tokens, available: vector.available)
            #expect(self.isClose(score, vector.score), "\(vector): \(score)")
        }
    }

    @Test func `processing time as in the table`() {
        for vector in ScoringVectors.processingTime {
            let facts = ScoringFacts.vector(.normal, vector.tokens, of: 1, expected: vector.expectedMilliseconds)
            let score = ScoringWeights(processingTime: 1).breakdown(facts).processingTime
            #expect(self.isClose(score, vector.score), "\(vector): \(score)")
        }
    }

    @Test(arguments: ScoringVectors.totals)
    func `totals and parts under every set of weights`(vector: ScoringVectors.Total) {
        for (weights, total) in zip(Self.weights, vector.totals) {
            let parts = weights.breakdown(vector.facts)
            let expected = [
                weights.priority, weights.efficiency, weights.waitTime, weights.retry, weights.tokenFit,
                weights.processingTime,
            ]
            let actual = [
                parts.priority, parts.efficiency, parts.waitTime, parts.retry, parts.tokenFit, parts.processingTime,
            ]
            for index in 0..<6 {
                #expect(self.isClose(actual[index], expected[index] * vector.raw[index]), "\(vector.id) \(index)")
            }
            #expect(self.isClose(parts.total, total), "\(vector.id): \(parts.total)")
            #expect(self.isClose(weights.score(vector.facts), total), "\(vector.id)")
        }
    }

    @Test func `without a limit on tokens, efficiency and fit distinguish nothing`() {
        let parts = ScoringWeights.balanced.breakdown(.vector(.urgent, 100, of: nil))
        #expect(parts.efficiency == 0 && parts.tokenFit == 0)
        #expect(self.isClose(parts.total, 0.25 + 0.1 + 0.1))
    }

    @Test func `D-07 no number makes a score that is not finite or less than 0`() {
        var random = SeededRandom(seed: 7)
        let spans: [Duration] = [
            .zero, .seconds(-6), .milliseconds(-100), .seconds(Int64.max), .seconds(Int64.min), .seconds(30),
        ]
        let amounts = [Int.min, -100, -1, 0, 1, 700, 1_000, .max]
        for _ in 0..<5_000 {
            let facts = ScoringFacts(
                priority: Priority.allCases.randomElement(using: &random) ?? .normal,
                tokens: amounts.randomElement(using: &random) ?? 0,
                availableTokens: Bool.random(using: &random) ? nil : amounts.randomElement(using: &random),
                wait: spans.randomElement(using: &random) ?? .zero,
                receiveCount: amounts.randomElement(using: &random) ?? 0,
                expectedProcessing: Bool.random(using: &random) ? nil : spans.randomElement(using: &random)
            )
            let score = ScoringWeights.balanced.score(facts)
            #expect(score >= 0 && score <= 1, "\(facts)")
            #expect(abs(ScoringWeights.balanced.breakdown(facts).total - score) < 1e-12)
        }
        let odd = ScoringWeights(priority: .nan, efficiency: .infinity, waitTime: -.infinity)
        #expect(odd.score(.vector(.urgent, 700, of: 1_000, wait: 5)) == 0)
        #expect(odd.breakdown(.vector(.urgent, 700, of: 1_000, wait: 5)).total == 0)
    }

    @Test func `D-07 a wait in the future scores like one that has just begun`() {
        for priority in Priority.allCases {
            let early = ScoringWeights.balanced.score(.vector(priority, 100, of: 1_500, wait: -6_000))
            #expect(early == ScoringWeights.balanced.score(.vector(priority, 100, of: 1_500, wait: 0)))
        }
    }

    @Test func `custom scores are added to the six and shown by name`() {
        let rows: [(ScoringFacts, [(Double, Double)], Double)] = [
            (.vector(.normal, 100, of: 1_500, wait: 30_000, received: 1), [(0.2, 0.5)], 0.589048),
            (.vector(.normal, 100, of: 1_500, wait: 30_000, received: 1), [(0.2, 1)], 0.689048),
            (.vector(.normal, 100, of: 1_500, wait: 30_000, received: 1), [(0.2, 0)], 0.489048),
            (.vector(.normal, 100, of: 1_500, wait: 30_000, received: 1), [(0.2, 1.0 / 3_600)], 0.489103),
            (.vector(.high, 100, of: 1_500, wait: 30_000, received: 1), [(0.3, 1), (0.1, 0.25)], 0.989048),
            (.vector(.urgent, 100, of: 1_500, wait: 30_000, received: 1), [(-0.5, 1)], 0.239048),
            (.vector(.low, 100, of: 1_500, wait: 30_000, received: 1), [(1, 5)], 5.334048),
            (.vector(.low, 100, of: 1_500, wait: 30_000, received: 1), [(0, 5)], 0.334048),
        ]
        for (facts, scorers, total) in rows {
            var parts = ScoringWeights.balanced.breakdown(facts)
            let builtin = parts.total
            for (index, scorer) in scorers.enumerated() {
                parts.customScores.append(.init(name: "scorer \(index)", score: scorer.0 * scorer.1))
            }
            #expect(self.isClose(parts.total, total))
            #expect(parts.builtin == builtin)
        }
    }
}
