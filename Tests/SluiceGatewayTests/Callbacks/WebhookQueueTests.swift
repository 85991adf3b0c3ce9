import SluiceBasics
import SluiceProviders
import Testing

@testable import SluiceGateway

@Suite struct WebhookQueueTests {
    private func message(_ number: Int, content: Int = 0) -> WebhookMessage {
        var report = CompletionReport(id: "req_\(number)", model: "m", operation: "chat/completions", startedAt: 1)
        if content > 0 { report.answer = [UInt8](repeating: 0, count: content) }
        return WebhookMessage(event: .success, report: report, at: 1)
    }

    private func configuration(_ change: (inout WebhookConfiguration) -> Void = { _ in }) -> WebhookConfiguration {
        var configuration = WebhookConfiguration(name: "test", url: "http://receiver")
        change(&configuration)
        return configuration
    }

    private static let start = Instant(nanoseconds: 1_000_000_000)

    @Test func `what comes is due at once, and no more at once than allowed`() {
        var queue = WebhookQueue(self.configuration { $0.maximumInFlight = 2 }, seed: 1)
        for number in 1...3 { queue.add(self.message(number), now: Self.start) }
        let first = queue.take(now: Self.start)
        #expect(first?.attempt == 1)
        let second = queue.take(now: Self.start)
        #expect(queue.take(now: Self.start) == nil && queue.nextDue == nil)
        if let first { queue.finish(first, .delivered, now: Self.start) }
        let third = queue.take(now: Self.start)
        #expect(Set([first, second, third].map { $0?.message.report.id }).count == 3)
        #expect(queue.figures.delivered == 1 && queue.count == 2)
    }

    @Test func `pauses double with jitter up to the longest, then it is given up`() {
        var queue = WebhookQueue(self.configuration { $0.maximumAttempts = 9 }, seed: 1)
        queue.add(self.message(1), now: Self.start)
        var now = Self.start
        var pauses: [Double] = []
        while let due = queue.nextDue {
            if now > Self.start || due > now { pauses.append((due - now).inSeconds) }
            now = max(now, due)
            guard let delivery = queue.take(now: now) else { break }
            queue.finish(delivery, .failed(retryAfter: nil), now: now)
        }
        #expect(pauses.count == 8)
        for (index, pause) in pauses.enumerated() {
            let ceiling = min(60, Double(1 << index))
            #expect(pause >= ceiling / 2 && pause <= ceiling, "\(index): \(pause)")
        }
        #expect(Set(pauses.map { $0.truncatingRemainder(dividingBy: 0.5) }).count > 4)
        #expect(queue.figures.givenUp == 1 && queue.figures.failures == 9 && queue.count == 0 && queue.bytes == 0)
    }

    @Test func `the receiver's own wish for patience is kept, within bounds`() {
        var queue = WebhookQueue(self.configuration(), seed: 1)
        for (asked, least) in [(20.0, 20.0), (1e6, 60)] {
            queue.add(self.message(1), now: Self.start)
            guard let delivery = queue.take(now: Self.start) else { return }
            queue.finish(delivery, .failed(retryAfter: .seconds(asked)), now: Self.start)
            #expect(queue.nextDue.map { ($0 - Self.start).inSeconds } == least)
            if let again = queue.take(now: Self.start + .seconds(60)) {
                queue.finish(again, .refused, now: Self.start)
            }
        }
        #expect(queue.figures.givenUp == 2 && queue.count == 0)
    }

    @Test func `the oldest that waits makes room, what is on its way does not`() {
        var queue = WebhookQueue(
            self.configuration {
                $0.maximumEvents = 3; $0.maximumInFlight = 1
            },
            seed: 1
        )
        queue.add(self.message(1), now: Self.start)
        let underWay = queue.take(now: Self.start)
        for number in 2...6 { queue.add(self.message(number), now: Self.start) }
        #expect(queue.count == 3 && queue.figures.dropped == 3)
        if let underWay { queue.finish(underWay, .delivered, now: Self.start) }
        #expect(queue.take(now: Self.start)?.message.report.id == "req_5")
    }

    @Test func `bytes are bounded too`() {
        var queue = WebhookQueue(self.configuration { $0.maximumBytes = 10_000 }, seed: 1)
        for number in 1...20 { queue.add(self.message(number, content: 2_000), now: Self.start) }
        #expect(queue.bytes <= 10_000 && queue.count == 3)
    }

    @Test func `a message above the bound loses its content and costs nobody his place`() {
        var queue = WebhookQueue(self.configuration { $0.maximumBytes = 10_000 }, seed: 1)
        for number in 1...3 { queue.add(self.message(number, content: 2_000), now: Self.start) }
        queue.add(self.message(4, content: 20_000), now: Self.start)
        #expect(queue.count == 4 && queue.figures.dropped == 0)
        var told: [String: Int] = [:]
        while let delivery = queue.take(now: Self.start) {
            told[delivery.message.report.id] = delivery.message.report.answer?.count ?? 0
        }
        #expect(told == ["req_1": 2_000, "req_2": 2_000, "req_3": 2_000, "req_4": 0])
        // Nor when what is on its way takes the room.
        queue.add(self.message(5, content: 3_000), now: Self.start)
        queue.add(self.message(6, content: 8_000), now: Self.start)
        #expect(queue.count == 6 || queue.figures.dropped <= 1)
        var small = WebhookQueue(self.configuration { $0.maximumBytes = 100 }, seed: 1)
        small.add(self.message(1), now: Self.start)
        #expect(small.count == 0 && small.figures.dropped == 1)
    }

    /// What is added while nothing leaves must not cost more with every message that has been.
    @Test func `a full queue before a receiver that hangs takes no longer for each message`() {
        var queue = WebhookQueue(self.configuration { $0.maximumEvents = 1_000 }, seed: 1)
        for number in 0..<1_000 { queue.add(self.message(number), now: Self.start) }
        for _ in 0..<8 { #expect(queue.take(now: Self.start) != nil) }
        let message = self.message(1)
        let began = SystemClock().now()
        for _ in 0..<100_000 { queue.add(message, now: Self.start) }
        // Quadratic work takes minutes.
        #expect(SystemClock().now() - began < .seconds(10))
        #expect(queue.count == 1_000 && queue.figures.dropped == 100_000)
    }

    @Test func `closing gives everything one more chance at once`() {
        var queue = WebhookQueue(self.configuration(), seed: 1)
        queue.add(self.message(1), now: Self.start)
        if let delivery = queue.take(now: Self.start) {
            queue.finish(delivery, .failed(retryAfter: nil), now: Self.start)
        }
        #expect(queue.take(now: Self.start) == nil)
        queue.close(now: Self.start)
        let last = queue.take(now: Self.start)
        #expect(last?.attempt == 2)
        if let last { queue.finish(last, .failed(retryAfter: nil), now: Self.start) }
        #expect(queue.count == 0 && queue.figures.givenUp == 1)
    }

    @Test(arguments: 0..<30) func `whatever happens, the books balance`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let configuration = self.configuration {
            $0.maximumEvents = 20
            $0.maximumBytes = 30_000
            $0.maximumInFlight = 3
            $0.maximumAttempts = 3
        }
        var queue = WebhookQueue(configuration, seed: seed)
        var now = Self.start
        var added: UInt64 = 0
        var underWay: [WebhookQueue.Delivery] = []
        for _ in 0..<2_000 {
            now = now + .milliseconds(Int(random.next() % 300))
            switch random.next() % 3 {
            case 0:
                added += 1
                queue.add(self.message(Int(added), content: Int(random.next() % 3_000)), now: now)
            case 1: if let delivery = queue.take(now: now) { underWay.append(delivery) }
            default:
                guard !underWay.isEmpty else { continue }
                let delivery = underWay.remove(at: Int(random.next() % UInt64(underWay.count)))
                let verdicts: [WebhookQueue.Verdict] = [.delivered, .failed(retryAfter: nil), .refused]
                queue.finish(delivery, verdicts[Int(random.next() % 3)], now: now)
            }
            #expect(queue.inFlight == underWay.count)
            #expect(queue.count <= 20 && queue.bytes <= 30_000)
            let figures = queue.figures
            #expect(figures.delivered + figures.dropped + figures.givenUp + UInt64(queue.count) == added)
        }
    }
}

@Suite struct WebhookSignatureTests {
    /// The example of the Standard Webhooks specification.
    @Test func `signatures are those of the specification`() {
        let key = WebhookConfiguration.key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        let signature = WebhookSignature.make(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: 1_614_265_330,
            body: Array(#"{"test": 2432232314}"#.utf8),
            key: key ?? []
        )
        #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    }

    @Test func `a secret without the prefix is its own text`() {
        #expect(WebhookConfiguration.key("plain") == Array("plain".utf8))
        #expect(WebhookConfiguration.key("whsec_!") == nil)
    }
}
