import SluiceBasics
import SluiceProviders
import SluiceWire

/// Tells one receiver over HTTP what happens to calls. Whoever reports only puts a value into a queue.
package final class WebhookSender: CompletionObserver {
    private struct State: Sendable {
        var queue: WebhookQueue
        /// When the sleeper wakes.
        var armed = Instant.distantFuture
        var isWarned = false
    }

    package let name: String
    package let wantsChunks: Bool
    package let wantsContent: Bool
    private let configuration: WebhookConfiguration
    private let client: any HTTPClient
    private let clock: any TimeSource
    private let spawn: Gateway.Spawn
    private let sleep: Gateway.Sleep
    private let log: @Sendable (LogEntry) -> Void
    /// Tells the messages of this process from those of others.
    private let salt: String
    private let state: Lock<State>
    private static let maximumResponseBytes = 64 << 10
    private static let drainStep = Duration.milliseconds(20)

    /// - Parameter seed: of the jitter of repetitions and of the names of messages; unpredictable in production.
    package init(
        _ configuration: WebhookConfiguration,
        client: any HTTPClient,
        clock: any TimeSource,
        seed: UInt64,
        spawn: @escaping Gateway.Spawn,
        sleep: @escaping Gateway.Sleep,
        log: @escaping @Sendable (LogEntry) -> Void
    ) {
        self.name = configuration.name
        self.wantsChunks = configuration.events.contains(.chunk)
        self.wantsContent = configuration.showsContent
        self.configuration = configuration
        self.client = client
        self.clock = clock
        self.spawn = spawn
        self.sleep = sleep
        self.log = log
        var random = SeededRandom(seed: seed)
        self.salt = String(random.next(), radix: 16)
        self.state = Lock(State(queue: WebhookQueue(configuration, seed: random.next())))
    }

    // MARK: What happens

    package func willCall(_ report: CompletionReport) { self.add(.before, report) }
    package func didReceive(_ chunk: CompletionChunk, _ report: CompletionReport) { self.add(.chunk, report, chunk) }
    package func didSucceed(_ report: CompletionReport) { self.add(.success, report) }
    package func didFail(_ report: CompletionReport) { self.add(.failure, report) }
    package func didEnd(_ report: CompletionReport) { self.add(.end, report) }

    private func add(_ event: WebhookEvent, _ report: CompletionReport, _ chunk: CompletionChunk? = nil) {
        guard self.configuration.events.contains(event) else { return }
        var message = WebhookMessage(event: event, report: report, chunk: chunk, at: self.milliseconds)
        // Another receiver may have asked for it.
        if !self.configuration.showsContent { message.dropContent() }
        let added = message
        let now = self.clock.now()
        self.state.withLock { $0.queue.add(added, now: now) }
        self.pump()
    }

    private var milliseconds: Int64 { self.clock.wallClockNanoseconds() / 1_000_000 }

    // MARK: Deliveries

    /// Starts what is due, and sees to it that what becomes due later is started then.
    private func pump() {
        let now = self.clock.now()
        while let delivery = self.state.withLock({ $0.queue.take(now: now) }) {
            _ = self.spawn { await self.deliver(delivery) }
        }
        let next = self.state.withLock { state -> Instant? in
            guard let next = state.queue.nextDue, next < state.armed else { return nil }
            state.armed = next
            return next
        }
        guard let next else { return }
        _ = self.spawn {
            do { try await self.sleep(max(.zero, next - now)) } catch { return }
            self.state.withLock { state in
                if state.armed <= next { state.armed = .distantFuture }
            }
            self.pump()
        }
    }

    /// The same for every attempt, so that a receiver knows what it has already.
    private func id(_ delivery: WebhookQueue.Delivery) -> String { "msg_\(self.salt)_\(delivery.number)" }

    private func deliver(_ delivery: WebhookQueue.Delivery) async {
        let verdict = await self.send(WebhookDocument.make(delivery.message), self.id(delivery))
        let now = self.clock.now()
        let (figures, mustWarn) = self.state.withLock { state in
            state.queue.finish(delivery, verdict, now: now)
            let isFailure = verdict != .delivered
            let mustWarn = isFailure && !state.isWarned
            state.isWarned = isFailure
            return (state.queue.figures, mustWarn)
        }
        if mustWarn {
            self.log(
                LogEntry(
                    .warning,
                    "webhook not delivered",
                    [
                        ("callback", self.name), ("attempt", String(delivery.attempt)),
                        ("failures", String(figures.failures)), ("dropped", String(figures.dropped)),
                    ]
                )
            )
        }
        self.pump()
    }

    private func send(_ body: [UInt8], _ id: String) async -> WebhookQueue.Verdict {
        let timestamp = Int(self.clock.wallClockNanoseconds() / 1_000_000_000)
        var headers = HTTPFields([
            ("Content-Type", "application/json"), ("User-Agent", "sluice"), ("webhook-id", id),
            ("webhook-timestamp", String(timestamp)),
        ])
        if !self.configuration.secret.isEmpty {
            let signature = WebhookSignature.make(
                id: id,
                timestamp: timestamp,
                body: body,
                key: self.configuration.secret
            )
            headers.append("webhook-signature", signature)
        }
        for (name, value) in self.configuration.headers { headers.append(name, value) }
        let request = HTTPClientRequest(
            url: self.configuration.url,
            headers: headers,
            body: body,
            timeout: self.configuration.timeout,
            maximumResponseBytes: Self.maximumResponseBytes
        )
        do throws(HTTPClientError) {
            let answer = try await self.client.execute(request)
            if (200..<300).contains(answer.status) { return .delivered }
            // 410: gone for good.
            if answer.status == 410 { return .refused }
            return .failed(retryAfter: RetryAfter.read(answer.headers, now: timestamp))
        } catch {
            return .failed(retryAfter: nil)
        }
    }

    // MARK: The end

    /// Gives everything that waits one more chance, until then. What is left is dropped.
    ///
    /// - Returns: how many messages are left.
    package func drain(limit: Duration) async -> Int {
        let end = self.clock.now() + limit
        let now = self.clock.now()
        self.state.withLock { $0.queue.close(now: now) }
        self.pump()
        while self.waiting > 0, self.clock.now() < end {
            do { try await self.sleep(Self.drainStep) } catch { break }
        }
        return self.waiting
    }

    /// Messages that have not come to an end.
    package var waiting: Int { self.state.withLock { $0.queue.count } }

    var figures: WebhookQueue.Figures { self.state.withLock { $0.queue.figures } }
}
