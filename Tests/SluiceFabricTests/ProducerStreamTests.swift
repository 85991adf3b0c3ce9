import SluiceBasics
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

struct ProducerStreamTests {
    private typealias World = ProducerWorld

    /// Reads a stream and notes what it sees; pauses before each read while `isHeld`.
    private final class Reader: Sendable {
        let seen = Lock<[String]>([])
        let stream = Lock<ProducerStream?>(nil)
        private let wantsMore = Lock<Promise<Void>?>(nil)

        func start(_ world: ProducerWorld, _ id: String, readsAtOnce: Bool = true) {
            let producer = world.producer
            let hold = readsAtOnce ? nil : Promise<Void>()
            self.wantsMore.withLock { $0 = hold }
            world.world.spawn {
                do throws(ProducerError) {
                    let stream = try await producer.stream(World.request(id), timeout: .seconds(60))
                    await hold?.value()
                    reading: while true {
                        switch try await stream.next() {
                        case .events(let events):
                            self.note(events.map { String(decoding: $0.data, as: UTF8.self) }.joined(separator: "+"))
                        case .reply(let reply):
                            self.note(reply.outcome == .streamed ? "end" : "whole")
                            break reading
                        }
                    }
                } catch {
                    self.note("\(error)")
                }
            }
            world.world.settle()
        }

        func goOn(_ world: ProducerWorld) {
            self.wantsMore.withLock { $0 }?.fulfil(())
            world.world.settle()
        }

        private func note(_ text: String) { self.seen.withLock { $0.append(text) } }

        var notes: [String] { self.seen.withLock { $0 } }
    }

    private func streamed(_ id: String) -> ReplyEnvelope {
        var reply = World.completion(id)
        reply.outcome = .streamed
        return reply
    }

    @Test func `frames are read in order as they come, then the end`() throws {
        let world = World()
        world.run()
        let reader = Reader()
        reader.start(world, "r1")
        #expect(world.queued.first?.extras?.streaming != nil)
        world.frame("r1", 0, "a")
        world.frame("r1", 1, "b")
        #expect(reader.notes == ["a", "b"])
        world.frame("r1", 2, "c", isFinal: true)
        world.reply(self.streamed("r1"))
        #expect(reader.notes == ["a", "b", "c", "end"])
        #expect(world.producer.waiting == 0)
        #expect(world.abandoned.withLock { $0 } == [])
    }

    @Test func `what a reader has not fetched comes in one piece`() {
        let world = World()
        world.run()
        let reader = Reader()
        reader.start(world, "r1", readsAtOnce: false)
        for number in 0..<4 { world.frame("r1", number, "\(number)", isFinal: number == 3) }
        world.reply(self.streamed("r1"))
        reader.goOn(world)
        #expect(reader.notes == ["0+1+2+3", "end"])
    }

    @Test func `a frame that comes again is skipped`() {
        let world = World()
        world.run()
        let reader = Reader()
        reader.start(world, "r1")
        for number in [0, 0, 1, 0, 1, 2] { world.frame("r1", number, "\(number)", isFinal: number == 2) }
        world.reply(self.streamed("r1"))
        #expect(reader.notes == ["0", "1", "2", "end"])
        #expect(world.producer.counts.repeatedFrames == 3)
    }

    @Test func `a gap breaks the stream`() {
        let world = World()
        world.run()
        let reader = Reader()
        reader.start(world, "r1")
        world.frame("r1", 0, "a")
        world.frame("r1", 2, "c")
        #expect(reader.notes == ["a", "\(ProducerError.brokenStream(expected: 1))"])
        #expect(world.producer.waiting == 0)
        #expect(world.producer.counts.brokenStreams == 1)
    }

    @Test func `an end without its last frame breaks the stream`() {
        let world = World()
        world.run()
        let reader = Reader()
        reader.start(world, "r1")
        world.frame("r1", 0, "a")
        world.reply(self.streamed("r1"))
        #expect(reader.notes == ["a", "\(ProducerError.brokenStream(expected: 1))"])
    }

    @Test func `a reader that is too slow loses the stream, and others do not notice`() {
        let world = World { $0.streamBufferBytes = 1_000 }
        world.run()
        let slow = Reader()
        slow.start(world, "slow", readsAtOnce: false)
        let quick = Reader()
        quick.start(world, "quick")
        let piece = String(repeating: "x", count: 300)
        for number in 0..<5 {
            world.frame("slow", number, piece)
            world.frame("quick", number, piece, isFinal: number == 4)
        }
        world.reply(self.streamed("quick"))
        #expect(quick.notes.count == 6)
        #expect(quick.notes.last == "end")
        #expect(world.producer.counts.slowReaders == 1)
        slow.goOn(world)
        #expect(slow.notes.last == "\(ProducerError.slowReader(limit: 1_000))")
        #expect(world.producer.waiting == 0)
    }

    @Test func `a dispatcher that does not stream answers in one piece`() {
        let world = World()
        world.run()
        let reader = Reader()
        reader.start(world, "r1")
        world.reply(World.completion("r1"))
        #expect(reader.notes == ["whole"])
    }

    @Test func `a stream ends at its deadline`() {
        let world = World()
        world.run()
        let reader = Reader()
        reader.start(world, "r1")
        world.frame("r1", 0, "a")
        world.world.advance(by: .seconds(60))
        #expect(reader.notes == ["a", "\(ProducerError.timedOut)"])
    }

    @Test func `letting go of a stream gives it up`() async {
        let world = World()
        world.run()
        let producer = world.producer
        let task = world.world.spawn {
            do throws(ProducerError) {
                _ = try await producer.stream(World.request("r1"), timeout: .seconds(60))
                return true
            } catch {
                return false
            }
        }
        world.world.settle()
        #expect(await task.value)
        #expect(world.producer.waiting == 0)
        #expect(world.producer.counts.cancelled == 1)
        #expect(world.abandoned.withLock { $0 } == ["r1"])
    }

    @Test func `frames for a request that asked for none end it`() {
        let world = World()
        world.run()
        let run = world.execute(World.request("r1"))
        world.frame("r1", 0, "a")
        #expect(run.error == .unexpectedStream)
    }
}
