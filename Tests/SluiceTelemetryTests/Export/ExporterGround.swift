import SluiceBasics
import SluiceCore
import SluiceTestKit
import SluiceWire
import Testing

@testable import SluiceTelemetry

/// A receiver that takes spans, or not.
final class SpanReceiver: HTTPClient {
    struct State: Sendable {
        var answers: [HTTPClientResponse] = []
        var standard: HTTPClientResponse? = HTTPClientResponse(status: 200)
        var requests: [HTTPClientRequest] = []
        var spans = 0
        var delay = Duration.zero
    }

    let state = Lock(State())
    private let clock: ManualClock

    init(_ clock: ManualClock) { self.clock = clock }

    var requests: [HTTPClientRequest] { self.state.withLock { $0.requests } }
    /// Of requests that were answered with 200.
    var spans: Int { self.state.withLock { $0.spans } }

    /// `nil`: nobody is there.
    func answer(_ standard: HTTPClientResponse?) { self.state.withLock { $0.standard = standard } }
    func once(_ answers: HTTPClientResponse...) { self.state.withLock { $0.answers = answers } }

    /// Every answer takes so long.
    func delay(_ span: Duration) { self.state.withLock { $0.delay = span } }

    func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse {
        let clock = self.clock
        let delay = self.state.withLock { state in
            state.requests.append(request)
            return state.delay
        }
        if delay > .zero {
            await withCheckedContinuation { continuation in
                clock.wake(at: clock.now() + delay) { continuation.resume() }
            }
        }
        let answer = self.state.withLock { state -> HTTPClientResponse? in
            let answer = state.answers.isEmpty ? state.standard : state.answers.removeFirst()
            if answer?.status == 200 { state.spans += Self.count(request) }
            return answer
        }
        guard let answer else { throw HTTPClientError(.connectRefused, message: "nobody is there", sent: false) }
        return answer
    }

    func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream {
        throw HTTPClientError(.malformed, message: "not here", sent: false)
    }

    /// Spans of an uncompressed document of OTLP.
    static func count(_ request: HTTPClientRequest) -> Int {
        guard request.headers["content-encoding"] == nil else { return 0 }
        var count = 0
        var document = ProtobufReader(request.body[...])
        while case .bytes(let resourceSpans)? = document.next()?.value {
            var parts = ProtobufReader(resourceSpans)
            while let part = parts.next() {
                guard part.number == 2, case .bytes(let scopeSpans) = part.value else { continue }
                var spans = ProtobufReader(scopeSpans)
                while let span = spans.next() { if span.number == 2 { count += 1 } }
            }
        }
        return count
    }
}

/// An exporter, a receiver and the time between them.
struct ExporterGround {
    let world: VirtualWorld
    let receiver: SpanReceiver
    let lines = Lock<[String]>([])

    init() {
        let world = VirtualWorld()
        self.world = world
        self.receiver = SpanReceiver(world.clock)
    }

    private final class Nobody: Cancellable {
        func cancel() {}
    }

    func exporter<Encoder: SpanEncoder>(
        _ encoder: Encoder,
        _ delivery: any SpanDelivery,
        contents: ContentShelf? = nil,
        _ change: (inout ExportLimits) -> Void = { _ in }
    ) -> SpanExporter<Encoder> {
        var limits = ExportLimits()
        change(&limits)
        let world = self.world
        let clock = world.clock
        let lines = self.lines
        return SpanExporter(
            ExecutionSpans(identity: RuntimeIdentity(version: "1")),
            encoder: encoder,
            delivery: delivery,
            limits: limits,
            contents: contents,
            client: self.receiver,
            clock: clock,
            seed: 7,
            spawn: { operation in
                world.spawn(operation)
                return Nobody()
            },
            sleep: { span in
                await withCheckedContinuation { continuation in
                    clock.wake(at: clock.now() + span) { continuation.resume() }
                }
            },
            log: { entry in lines.withLock { $0.append(entry.message) } }
        )
    }

    /// OTLP in protobuf.
    func exporter(
        contents: ContentShelf? = nil,
        _ change: (inout ExportLimits) -> Void = { _ in }
    ) -> SpanExporter<ProtobufSpanEncoder> {
        let delivery = OTLPDelivery(OTLPSettings(url: "http://collector:4318/v1/traces"))
        return self.exporter(ProtobufSpanEncoder(Self.resource), delivery, contents: contents, change)
    }

    static let resource = SpanResource(RuntimeIdentity(version: "1"))
}
