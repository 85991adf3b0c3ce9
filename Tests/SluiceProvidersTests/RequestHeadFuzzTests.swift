import SluiceBasics
import SluiceProviders
import SluiceWire
import Testing

/// Bodies that no client meant to send. Reading them never traps: it answers, or says what is wrong.
@Suite struct RequestHeadFuzzTests {
    private static let rounds = 20_000

    private static let seeds: [(OpenAIOperation, String)] = [
        (.chatCompletions, #"{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":7,"stream":true}"#),
        (
            .chatCompletions,
            #"{"model":"m\u00e9\ud83d\ude00","messages":[{"role":"user","content":[{"type":"text","text":"a\n\"b\\"},"#
                + #"{"type":"image_url","image_url":{"url":"data:"}}]}],"tools":[{"a":[1,2.5e3,-0,null,false]}]}"#
        ),
        (.completions, #"{"model":"m","prompt":["a","b",[1,2,3]],"max_tokens":1e1}"#),
        (.embeddings, "{\"model\" : \"m\" ,\r\n\t\"input\": [\"a\", \"b\"], \"dimensions\": 18446744073709551616}"),
        (
            .responses,
            #"{"model":"m","input":[{"role":"user","content":"hi"}],"max_output_tokens":9223372036854775807}"#
        ),
    ]

    private static let tokens = [
        "\"", "\\", "\\u", "\\ud800", "{", "}", "[", "]", ",", ":", "null", "true", "NaN", "-", "-0", "1e999", "0x1",
        "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e-400", "\"model\":", "\"model\":\"m\"",
        "\"messages\":[", "\"stream\":1", "\"max_tokens\":-1", "\u{0}", "\u{FEFF}", "\u{2028}", "/*", "//",
        String(repeating: "[", count: 2000), String(repeating: "{\"a\":", count: 600),
        String(repeating: "9", count: 400),
    ]

    private static func mutate(_ body: inout [UInt8], _ random: inout SeededRandom) {
        let at = Int.random(in: 0...body.count, using: &random)
        let end = min(body.count, at + Int.random(in: 0...12, using: &random))
        switch Int.random(in: 0..<7, using: &random) {
        case 0 where at < body.count: body[at] = UInt8.random(in: .min ... .max, using: &random)
        case 1 where at < body.count: body[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: body.removeSubrange(at..<end)
        case 3: body.insert(contentsOf: body[at..<end], at: Int.random(in: 0...body.count, using: &random))
        case 4: body.insert(contentsOf: Self.tokens[Int.random(in: 0..<Self.tokens.count, using: &random)].utf8, at: at)
        case 5: body.removeSubrange(at...)
        default:
            let other = Array(Self.seeds[Int.random(in: 0..<Self.seeds.count, using: &random)].1.utf8)
            body.replaceSubrange(at..<end, with: other.dropFirst(Int.random(in: 0..<other.count, using: &random)))
        }
    }

    @Test func `twenty thousand mutated bodies get an answer or a reason`() {
        let backend = OpenAIBackend(name: "b", baseURL: "http://b/v1", apiKey: nil, modelAliases: ["m": "replaced"])
        var accepted = 0
        var rewritten = 0
        for seed in 0..<UInt64(Self.rounds) {
            var random = SeededRandom(seed: seed)
            let (operation, text) = Self.seeds[Int(seed % UInt64(Self.seeds.count))]
            var body = Array(text.utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) { Self.mutate(&body, &random) }
            // With room behind it and without: the parser reads past the end where it may.
            if random.next() % 2 == 0 { body.reserveCapacity(body.count + 64) } else { body = body.map { $0 } }
            do throws(InvalidRequest) {
                let head = try OpenAIRequestHead.read(body, operation: operation)
                accepted += 1
                #expect(!head.model.isEmpty && head.tokenEstimate >= 0 && head.messageCount >= 0, "seed \(seed)")
                guard head.model == "m" else { continue }
                // What the backend would get is the same request, under the other name.
                let request = backend.request(
                    operation,
                    body: body,
                    model: head.model,
                    clientHeaders: HTTPFields(),
                    requestID: "r",
                    timeout: .seconds(1)
                )
                var expected = head
                expected.model = "replaced"
                let again = try OpenAIRequestHead.read(request.body, operation: operation)
                #expect(again == expected, "seed \(seed)")
                rewritten += 1
            } catch {
                #expect(!error.message.isEmpty && error.message.utf8.count < 1000, "seed \(seed)")
            }
        }
        // Mutations that left nothing readable, or nothing broken, would test nothing.
        #expect(accepted > Self.rounds / 50 && accepted < Self.rounds * 9 / 10)
        #expect(rewritten > Self.rounds / 100)
    }
}
