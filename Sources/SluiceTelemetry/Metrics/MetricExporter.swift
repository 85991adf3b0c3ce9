import SluiceBasics
import SluiceWire

/// Sends all metrics to an OpenTelemetry receiver, again and again.
///
/// Everything is counted from the start, so a reading that does not arrive is made good by the next: nothing is kept.
package final class MetricExporter: Sendable {
    package typealias Sleep = @Sendable (Duration) async throws -> Void

    package struct Figures: Sendable, Equatable {
        package var delivered: Int
        /// Readings that nobody took.
        package var lost: Int
        /// Points that a receiver did not take, though it took their reading.
        package var rejectedPoints: Int

        package init(delivered: Int = 0, lost: Int = 0, rejectedPoints: Int = 0) {
            self.delivered = delivered
            self.lost = lost
            self.rejectedPoints = rejectedPoints
        }
    }

    private struct State {
        var figures = Figures()
        var isFailing = false
        var isEnded = false
    }

    private let endpoint: OTLPEndpoint
    private let origin: MetricOrigin
    private let interval: Duration
    private let client: any HTTPClient
    private let clock: any TimeSource
    private let sleep: Sleep
    private let log: @Sendable (LogEntry) -> Void
    private let state = Lock(State())
    /// Calls for one reading.
    private static let maximumTries = 4
    /// Pauses between them lie between these, unless the receiver says otherwise.
    private static let leastPause = Duration.seconds(1)
    private static let mostPause = Duration.seconds(8)
    /// More points no reading has, whatever a receiver says.
    private static let mostRejected = 1 << 40

    /// - Parameters:
    ///   - interval: between readings, at least 100 ms.
    ///   - log: told when deliveries begin to fail, and when they succeed again.
    package init(
        endpoint: OTLPEndpoint,
        origin: MetricOrigin,
        interval: Duration,
        client: any HTTPClient,
        clock: any TimeSource,
        sleep: @escaping Sleep,
        log: @escaping @Sendable (LogEntry) -> Void
    ) {
        self.endpoint = endpoint
        self.origin = origin
        self.interval = max(.milliseconds(100), interval)
        self.client = client
        self.clock = clock
        self.sleep = sleep
        self.log = log
    }

    package var figures: Figures { self.state.withLock { $0.figures } }

    /// Until `end`, or until its task is cancelled.
    ///
    /// - Parameter page: takes a reading.
    package func run(_ page: @Sendable () async -> MetricPage) async {
        var next = self.clock.now() + self.interval
        while !self.state.withLock({ $0.isEnded }) {
            do { try await self.sleep(max(.zero, next - self.clock.now())) } catch { return }
            guard !self.state.withLock({ $0.isEnded }) else { return }
            let begun = self.clock.now()
            await self.export(await page(), until: begun + self.interval)
            // A reading that took longer than the interval puts off the next; none is made up for.
            next = max(begun + self.interval, self.clock.now())
        }
    }

    /// Sends one more reading, and nothing after it.
    package func end(_ page: @Sendable () async -> MetricPage, within limit: Duration) async {
        let wasEnded = self.state.withLock { state in
            defer { state.isEnded = true }
            return state.isEnded
        }
        guard !wasEnded else { return }
        await self.export(await page(), until: self.clock.now() + limit)
    }

    private func export(_ page: MetricPage, until end: Instant) async {
        var request = self.endpoint.request(OTLPMetrics.write(page, self.origin, as: self.endpoint.encoding))
        var pause = Self.leastPause
        var trouble = ""
        for number in 1...Self.maximumTries {
            let left = end - self.clock.now()
            guard left > .zero else { break }
            request.timeout = min(self.endpoint.timeout, left)
            var wish: Duration?
            switch await self.call(request) {
            case .taken(let rejected): return self.delivered(rejected)
            case .refused(let message): return self.failed(message)
            case .later(let patience, let message):
                wish = patience
                trouble = message
            }
            let wait = max(pause, wish ?? .zero)
            guard number < Self.maximumTries, self.clock.now() + wait < end else { break }
            do { try await self.sleep(wait) } catch { break }
            pause = min(pause * 2, Self.mostPause)
        }
        self.failed(trouble)
    }

    private enum Verdict {
        case taken(rejected: Int)
        case later(Duration?, String)
        case refused(String)
    }

    private func call(_ request: HTTPClientRequest) async -> Verdict {
        do throws(HTTPClientError) {
            let answer = try await self.client.execute(request)
            switch answer.status {
            case 200..<300:
                return .taken(rejected: OTLPMetrics.rejectedPoints(answer.body, self.endpoint.encoding))
            case 429, 502, 503, 504:
                let patience = answer.headers["Retry-After"].flatMap { Int($0) }
                return .later(patience.map { .seconds(min(3_600, max(0, $0))) }, "status \(answer.status)")
            default:
                let words = String(decoding: answer.body.prefix(200), as: UTF8.self)
                return .refused("status \(answer.status)\(words.isEmpty ? "" : ": \(words)")")
            }
        } catch {
            return .later(nil, error.message)
        }
    }

    private func delivered(_ rejected: Int) {
        let wasFailing = self.state.withLock { state in
            state.figures.delivered += 1
            state.figures.rejectedPoints &+= min(rejected, Self.mostRejected)
            defer { state.isFailing = false }
            return state.isFailing
        }
        if wasFailing { self.log(LogEntry(.info, "metrics are delivered again", [])) }
    }

    private func failed(_ message: String) {
        let isNew = self.state.withLock { state in
            state.figures.lost += 1
            defer { state.isFailing = true }
            return !state.isFailing
        }
        guard isNew else { return }
        // Not the endpoint's address: it may hold a password.
        self.log(LogEntry(.warning, "metrics are not delivered", [("why", message)]))
    }
}

extension MetricExporter: MetricSource {
    package func write(to page: inout MetricPage) {
        let figures = self.figures
        page.family("sluice_telemetry_metric_exports_total", .counter, "Readings sent by OTLP, by what became of them.")
        page.sample([("result", "delivered")], Double(figures.delivered))
        page.sample([("result", "lost")], Double(figures.lost))
        page.family(
            "sluice_telemetry_metric_points_rejected_total",
            .counter,
            "Points that a receiver refused of readings that it took."
        )
        page.sample([], Double(figures.rejectedPoints))
    }
}

extension OTLPMetrics {
    /// What a receiver says it has not taken of a request that it took.
    static func rejectedPoints(_ answer: [UInt8], _ encoding: OTLPEndpoint.Encoding) -> Int {
        switch encoding {
        case .json:
            let found = try? JSON.read(answer) { document -> Int? in
                let count = document["partialSuccess"]?["rejectedDataPoints"]
                return count?.int ?? count?.string.flatMap { Int($0) }
            }
            return max(0, (found ?? nil) ?? 0)
        case .protobuf:
            // partial_success = 1 { rejected_data_points = 1 }
            guard answer.count > 3, answer[0] == 0x0A, answer[2] == 0x08 else { return 0 }
            var value: UInt64 = 0
            for (place, byte) in answer.dropFirst(3).prefix(9).enumerated() {
                value |= UInt64(byte & 0x7F) << UInt64(place * 7)
                if byte < 0x80 { return Int(clamping: value) }
            }
            return 0
        }
    }
}
