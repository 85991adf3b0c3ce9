import SluiceFuzz
import Testing

/// A short run of every fuzz target: whatever comes in, nothing traps, any split of a stream's bytes gives the same
/// events, and what is understood can be told again. `provider-fuzz` runs the same at length.
struct DecoderFuzzTests {
    private static let corpus = GoldenCorpus.read()

    @Test(arguments: FuzzTarget.all.map(\.name))
    func `a short run`(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let finding = Fuzzer(target, seed: 1, corpus: Self.corpus).run(0..<5_000)
        #expect(finding == nil, "\(name) \(finding?.number ?? 0): \(finding?.rule ?? "")")
    }

    @Test func `there is a target for every decoder`() {
        let names = Set(FuzzTarget.all.map(\.name))
        for wire in ["openai", "mistral", "anthropic", "gemini", "bedrock", "cohere"] {
            for kind in ["stream", "answer", "failure"] { #expect(names.contains("\(wire)-\(kind)")) }
        }
        for face in ["openai", "anthropic", "responses", "completions"] { #expect(names.contains("\(face)-request")) }
        #expect(names.isSuperset(of: ["event-stream", "sse", "sigv4", "embedding-request", "embedding-answer"]))
    }

    @Test func `the same seed and number make the same input`() throws {
        let target = try #require(FuzzTarget.all.first)
        let first = Fuzzer(target, seed: 5, corpus: Self.corpus)
        let second = Fuzzer(target, seed: 5, corpus: Self.corpus)
        for number in [0, 7, 1_000_000] { #expect(first.input(number) == second.input(number)) }
        #expect(first.input(1) != first.input(2))
    }
}
