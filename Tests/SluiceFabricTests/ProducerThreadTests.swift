import SluiceBasics
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// The other tests run one task at a time; here all of the machine's threads meet.
struct ProducerThreadTests {
    @Test(.timeLimit(.minutes(2)))
    func `callers, replies, cancels and deadlines on many threads end every call once`() async {
        let world = ProducerWorld()
        let clock = world.world.clock
        let producer = world.producer
        let running = Task { await producer.run() }
        let isOver = Lock(false)
        let dispatcher = Task {
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
                group.addTask {
                    var kinds: [String] = []
                    for number in 0..<250 {
                        let call = Task {
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
        let closing = Task { await producer.close() }
        await closing.value
        await running.value
        isOver.withLock { $0 = true }
        await dispatcher.value
        clock.advance(by: .seconds(60))
        #expect(producer.alarms.count == 0)
    }
}
