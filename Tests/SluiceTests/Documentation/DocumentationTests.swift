import Glibc
import Sluice
import SluiceConformance
import SluiceTestKit
import Testing

/// The snippets of the articles, compiled and run.
struct DocumentationTests {
    private func callModel(_ prompt: String) async throws -> Int { prompt.utf8.count }

    @Test func `getting started`() async throws {
        let queue = try Queue<String>.inMemory()
        let limiter = try RateLimiter(RateLimit(requestsPerMinute: 60, tokensPerMinute: 10_000))
        try await queue.enqueue(
            QueueRequest(payload: "Hello, world!", priority: .high, estimatedTokens: 150)
        )
        switch await queue.dequeue(under: limiter) {
        case .work(let message):
            print(message.selection.reason, message.breakdown)
            try await message.release()
        case .nothing(let nothing):
            switch nothing.reason {
            case .rateLimited(let limit): print("out of \(limit), again \(nothing.retry)")
            case .empty: print("nothing to do, again \(nothing.retry)")
            default: print(nothing.reason)
            }
        }
        let consumer = Task {
            while let message = try await queue.next(under: limiter) {
                do {
                    let tokens = try await callModel(message.payload)
                    try await message.complete(actualTokens: tokens)
                } catch {
                    try await message.fail(error)
                }
            }
        }
        try await eventually { try await queue.metrics().totals.completed == 1 }
        let group = LimiterGroup(
            [limiter],
            models: ["large": try RateLimiter(RateLimit(tokensPerMinute: 2_000, mode: .strict))]
        )
        let answer = await queue.dequeue(under: group)
        #expect(answer.refusal?.reason == .empty)
        try await queue.drain()
        try await consumer.value
        #expect(limiter.availableTokens ?? 0 >= 10_000 - 13)
    }

    @Test func `choose differently`() throws {
        let fair = try Queue<String>.fair(storage: InMemoryStorage()) { policy in
            policy.weights.merge(priority: 0.3)
            policy.maximumWait = .seconds(60)
            policy.retry.maximumReceives = 3
        }
        let deadline = ClosureScorer<String>(name: "deadline", weight: 0.2) { attributes, _, _ in
            guard let left = attributes.metadata["secondsLeft"].flatMap(Double.init) else { return 0 }
            return max(0, min(1, 1 - left / 3_600))
        }
        let custom = try Queue.inMemory(scorers: [deadline])
        #expect(fair.policy.weights.priority == 0.3 && custom.policy == .default)
    }

    @Test(arguments: StorageConformance.allCases)
    func `the store of the article keeps every rule`(rule: StorageConformance) async {
        let violations = await rule.violations {
            let clock = StepClock()
            let start = clock.now
            let storage = PlainStorage<String>(now: { start.duration(to: clock.now) })
            return StorageUnderTest(storage: storage, advance: { clock.advance(by: $0) })
        }
        #expect(violations == [])
    }

    @Test func `a queue works on the store of the article`() async throws {
        let clock = StepClock()
        let start = clock.now
        let storage = PlainStorage<String>(now: { start.duration(to: clock.now) })
        let queue = try Queue(storage: storage, clock: clock)
        for number in 0..<10 { try await queue.enqueue(QueueRequest(payload: "\(number)", estimatedTokens: number)) }
        var payloads: [String] = []
        while let message = await queue.dequeue().message {
            payloads.append(message.payload)
            try await message.complete()
        }
        #expect(Set(payloads).count == 10)
    }

    // MARK: What is printed is what is compiled

    private static let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()

    private static func lines(_ path: String) -> [String] {
        guard let file = fopen("\(Self.root)/\(path)", "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .map { line in String(line.drop { $0 == " " }) }
    }

    @Test(arguments: ["GettingStarted", "WriteAStore"])
    func `every snippet of the articles stands in a test`(article: String) {
        let lines = Self.lines("Sources/Sluice/Sluice.docc/\(article).md")
        let code =
            Self.lines("Tests/SluiceTests/Documentation/DocumentationTests.swift")
            + Self.lines("Tests/SluiceTests/Documentation/PlainStorage.swift")
        let blocks = lines.split { $0.hasPrefix("```") }.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        #expect(blocks.count >= 4)
        for block in blocks {
            let wanted = Array(block)
            let isThere = code.indices.contains { code[$0...].starts(with: wanted) }
            #expect(isThere, "\(article): \(wanted.joined(separator: "\n"))")
        }
    }
}
