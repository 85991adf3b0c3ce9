import Glibc
import SluiceBasics
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// Threads that run tasks, of their own: each of thousands of steps would otherwise wait behind whatever long tests
/// hold the few threads that all tests share, for minutes on a busy machine.
private final class ThreadCrew: Sendable {
    let executor = StepExecutor()
    private let isOver = Lock(false)

    init(_ count: Int) {
        for _ in 0..<count {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(self)
            let code = pthread_create(
                &thread,
                nil,
                { context in
                    if let context { Unmanaged<ThreadCrew>.fromOpaque(context).takeRetainedValue().run() }
                    return nil
                },
                context.toOpaque()
            )
            guard code == 0 else {
                context.release()
                Issue.record("no thread: \(code)")
                continue
            }
            pthread_detach(thread)
        }
    }

    func stop() { self.isOver.withLock { $0 = true } }

    private func run() {
        while !self.isOver.withLock({ $0 }) {
            self.executor.run()
            usleep(50)
        }
    }
}

/// The other tests run one task at a time; here many threads meet.
struct ProducerThreadTests {
    /// The limit ends a call that hangs. Most of the time this test waits for its first and its last step.
    @Test(.timeLimit(.minutes(10)))
    func `callers, replies, cancels and deadlines on many threads end every call once`() async {
        let crew = ThreadCrew(4)
        defer { crew.stop() }
        let executor = crew.executor
        await Task(executorPreference: executor) { await Self.run(on: executor) }.value
    }

    private static func run(on executor: StepExecutor) async {
        let world = ProducerWorld()
        let clock = world.world.clock
        let producer = world.producer
        let running = Task(executorPreference: executor) { await producer.run() }
        let isOver = Lock(false)
        let dispatcher = Task(executorPreference: executor) {
            while !isOver.withLock({ $0 }) {
                guard let element = world.valkey.execute("LPOP", [.text(ProducerWorld.queue)]).bytes else {
                    clock.advance(by: .milliseconds(1))
                    await Task.yield()
                    continue
                }
                guard let envelope = try? RequestEnvelope.read(element) else { continue }
                let reply = ProducerWorld.completion(envelope.requestID).write()
                world.valkey.execute("RPUSH", [.text(ProducerWorld.replyKey), .bytes(reply)])
            }
        }
        let kinds = await withTaskGroup(of: [String].self) { group in
            for caller in 0..<8 {
                group.addTask(executorPreference: executor) {
                    var kinds: [String] = []
                    for number in 0..<250 {
                        let call = Task(executorPreference: executor) {
                            let request = ProducerWorld.request("\(caller).\(number)")
                            do throws(ProducerError) {
                                let timeout: Duration = number % 7 == 0 ? .milliseconds(1) : .seconds(600)
                                let reply = try await producer.execute(request, timeout: timeout)
                                return reply.requestID == request.id ? "reply" : "another's reply"
                            } catch {
                                return "\(error)"
                            }
                        }
                        if number % 5 == 0 { call.cancel() }
                        kinds.append(await call.value)
                    }
                    return kinds
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(kinds.count == 2_000)
        #expect(Set(kinds).isSubset(of: ["reply", "cancelled", "timedOut"]))
        #expect(producer.waiting == 0)
        #expect(producer.pushingBytes == 0)
        #expect(producer.counts.unknownReplies == 0)
        let closing = Task(executorPreference: executor) { await producer.close() }
        await closing.value
        await running.value
        isOver.withLock { $0 = true }
        await dispatcher.value
        clock.advance(by: .seconds(60))
        #expect(producer.alarms.count == 0)
    }
}
