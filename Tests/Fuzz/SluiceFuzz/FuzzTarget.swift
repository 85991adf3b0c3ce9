import SluiceBasics

/// Something that reads what others wrote, and what has to hold whatever that is.
package struct FuzzTarget: Sendable {
    /// What inputs are made from.
    enum Material: Sendable {
        case json
        case events
        case binary
        case addresses
    }

    package let name: String
    let material: Material
    /// Whether an input is one of the kind that this reads: those of the corpus are what most inputs are made from.
    let accepts: @Sendable ([UInt8]) -> Bool
    /// - Returns: which rule an input breaks; a trap speaks for itself.
    let check: @Sendable ([UInt8], inout SeededRandom) -> String?

    init(
        _ name: String,
        _ material: Material,
        accepts: @escaping @Sendable ([UInt8]) -> Bool = { _ in true },
        _ check: @escaping @Sendable ([UInt8], inout SeededRandom) -> String?
    ) {
        self.name = name
        self.material = material
        self.accepts = accepts
        self.check = check
    }

    package static let all: [FuzzTarget] =
        Self.framing + Self.streams + Self.answers + Self.failures + Self.requests + Self.signing

    /// Cut somewhere into pieces, some of them empty or of one byte.
    static func pieces(_ bytes: [UInt8], _ random: inout SeededRandom) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        // Byte by byte is slow and seldom needed.
        let longest = Mutator.below(32, &random) == 0 ? 1 : [7, 60, 400][Mutator.below(3, &random)]
        while !rest.isEmpty {
            let piece = rest.prefix(Mutator.below(longest + 1, &random))
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}

/// Runs a target on inputs that are made from a seed and their number, each of them for itself.
package struct Fuzzer: Sendable {
    package struct Finding: Sendable {
        package var number: Int
        package var rule: String
        package var input: [UInt8]
    }

    private let target: FuzzTarget
    private let seed: UInt64
    private let mutator: Mutator

    package init(_ target: FuzzTarget, seed: UInt64, corpus: Corpus) {
        self.target = target
        self.seed = seed
        self.mutator = Mutator(corpus.inputs(target.material), target.accepts)
    }

    package func input(_ number: Int) -> [UInt8] {
        var random = self.random(number)
        return self.input(&random)
    }

    /// The first input of these numbers that breaks a rule.
    package func run(_ numbers: Range<Int>) -> Finding? {
        for number in numbers {
            var random = self.random(number)
            let input = self.input(&random)
            if let rule = self.target.check(input, &random) { return Finding(number: number, rule: rule, input: input) }
        }
        return nil
    }

    private func random(_ number: Int) -> SeededRandom {
        SeededRandom(seed: self.seed &+ UInt64(truncatingIfNeeded: number) &* 0xD134_2543_DE82_EF95)
    }

    private func input(_ random: inout SeededRandom) -> [UInt8] {
        let input = self.mutator.input(&random)
        return self.target.material == .binary ? Framing.changed(input, self.mutator, &random) : input
    }
}
