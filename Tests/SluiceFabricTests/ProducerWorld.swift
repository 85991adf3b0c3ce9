import SluiceBasics
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire

/// A producer, a Valkey in memory and a dispatcher played by the test.
struct ProducerWorld: Sendable {
    static let id = "host:1:abc"
    static let aliveKey = "key:llm:producer:host:1:abc:alive"
    static let replyKey = "list:llm:replies:host:1:abc"
    static let queue = "list:llm:requests:default"

    let world = VirtualWorld()
    let valkey: FakeValkey
    let producer: Producer
    let abandoned = Lock<[String]>([])

    init(seed: UInt64 = 1, _ change: (inout ProducerConfiguration) -> Void = { _ in }) {
        var configuration = ProducerConfiguration(producerID: Self.id)
        change(&configuration)
        self.valkey = FakeValkey(clock: self.world.clock)
        let abandoned = self.abandoned
        self.producer = Producer(
            configuration,
            link: self.valkey.link(),
            clock: self.world.clock,
            timer: self.world.clock,
            seed: seed
        ) { id, _ in abandoned.withLock { $0.append(id) } }
    }

    func run() {
        let producer = self.producer
        self.world.spawn { await producer.run() }
        self.world.settle()
    }

    // MARK: Requests

    static func request(_ id: String, pool: String? = nil, content: String = "Hi") -> FabricRequest {
        let message = #"[{"role":"user","content":"\#(content)"}]"#
        let call = CompletionCall(
            model: "m",
            messageCount: 1,
            parameters: [
                RawMember(name: "model", value: Array(#""m""#.utf8)[...]),
                RawMember(name: "messages", value: Array(message.utf8)[...]),
            ]
        )
        return FabricRequest(id: id, pool: pool, call: call)
    }

    typealias Outcome = Result<ReplyEnvelope, ProducerError>

    final class Run: Sendable {
        let task: Task<Void, Never>
        private let state: Lock<[Outcome]?>

        init(_ world: VirtualWorld, _ body: @escaping @Sendable () async -> [Outcome]) {
            let state = Lock<[Outcome]?>(nil)
            self.state = state
            self.task = world.spawn {
                let outcomes = await body()
                state.withLock { $0 = outcomes }
            }
            world.settle()
        }

        var outcomes: [Outcome]? { self.state.withLock { $0 } }
        var outcome: Outcome? { self.outcomes?.first }

        var error: ProducerError? {
            if case .failure(let error) = self.outcome { error } else { nil }
        }
    }

    func execute(_ request: FabricRequest, timeout: Duration = .seconds(60)) -> Run {
        let producer = self.producer
        return Run(self.world) {
            do throws(ProducerError) {
                return [.success(try await producer.execute(request, timeout: timeout))]
            } catch {
                return [.failure(error)]
            }
        }
    }

    func execute(batch: [FabricRequest], timeout: Duration = .seconds(60)) -> Run {
        let producer = self.producer
        return Run(self.world) {
            do throws(ProducerError) {
                return try await producer.execute(batch, timeout: timeout)
            } catch {
                return [.failure(error)]
            }
        }
    }

    // MARK: The dispatcher's part

    var queued: [RequestEnvelope] { self.valkey.list(Self.queue).compactMap { try? RequestEnvelope.read($0) } }

    static func completion(_ id: String) -> ReplyEnvelope {
        ReplyEnvelope(
            requestID: id,
            producerID: Self.id,
            poolID: "default",
            completedAt: 1,
            outcome: .completion(Array(#"{"id":"\#(id)"}"#.utf8)[...])
        )
    }

    func reply(_ reply: ReplyEnvelope) { self.push(reply.write()) }

    func push(_ element: [UInt8]) {
        self.valkey.execute("RPUSH", [.text(Self.replyKey), .bytes(element)])
        self.world.settle()
    }

    func frame(_ id: String, _ sequence: Int, _ data: String, isFinal: Bool = false) {
        let frame = StreamFrame(
            requestID: id,
            producerID: Self.id,
            poolID: "default",
            sequence: sequence,
            isFinal: isFinal,
            events: [SSEEvent(data: Array(data.utf8))]
        )
        self.push(frame.write())
    }
}
