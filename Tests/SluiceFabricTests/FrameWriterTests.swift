import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceTestKit
import SluiceWire
import Testing

/// A stream on its way to the producer.
struct FrameWriterTests {
    private let world = DispatcherWorld()
    private let node: DispatcherWorld.Node

    init() {
        self.world.live()
        self.node = self.world.node { $0.frameBytes = 1_000 }
        self.node.run()
    }

    private static func event(_ text: String) -> [UInt8] { Array("data: \(text)\n\n".utf8) }

    /// Streams by this; then the call ends well, or with the writer's error.
    private func stream(
        _ id: String = "s",
        _ body: @escaping @Sendable (any HTTPBodyWriter, ManualClock) async throws -> Void
    ) {
        let clock = self.world.clock
        self.node.runner.script { call in
            guard let frames = call.job.frames else { return .ok }
            do {
                try await body(frames, clock)
                return .ok
            } catch {
                return .failure(AttemptFailure(.cancelled, message: "x", committed: true))
            }
        }
        self.world.push(self.world.envelope(id, isStream: true))
    }

    private static func sleep(_ span: Duration, _ clock: ManualClock) async {
        await withCheckedContinuation { continuation in
            clock.wake(at: clock.now() + span) { continuation.resume() }
        }
    }

    private var texts: [String] {
        self.world.frames().flatMap { $0.events.map { String(decoding: $0.data, as: UTF8.self) } }
    }

    private func expectWhole(count: Int) {
        let frames = self.world.frames()
        #expect(frames.map(\.sequence) == Array(0..<frames.count))
        #expect(frames.map(\.isFinal) == Array(repeating: false, count: frames.count - 1) + [true])
        #expect(self.texts == (0..<count).map { "e\($0)" })
        let last = self.world.elements().last
        if case .reply(let reply) = last {
            #expect(reply.outcome == .streamed)
        } else {
            Issue.record("the reply is not the last: \(String(describing: last))")
        }
    }

    @Test func `what comes while a frame is pushed goes into the next, and the final one is sent once`() {
        self.world.valkey.latency { $0 == "publishReply" ? .milliseconds(20) : .zero }
        self.stream { frames, clock in
            for number in 0..<20 {
                try await frames.write(Self.event("e\(number)"))
                await Self.sleep(.milliseconds(5), clock)
            }
        }
        self.world.advance(by: .seconds(2))
        self.expectWhole(count: 20)
        #expect((4...12).contains(self.world.frames().count))
        #expect(self.node.counts.frames == self.world.frames().count)
        #expect(self.node.reasons == [.ok])
    }

    @Test func `a piece may end anywhere, and the last is not lost`() {
        self.stream { frames, _ in
            let bytes = (0..<5).flatMap { Self.event("e\($0)") }
            for byte in bytes.dropLast(7) { try await frames.write([byte]) }
            try await frames.writeLast(Array(bytes.suffix(7)))
        }
        self.world.advance(by: .seconds(1))
        self.expectWhole(count: 5)
    }

    @Test func `a stream of nothing has its final frame`() {
        self.stream { _, _ in }
        self.world.advance(by: .seconds(1))
        self.expectWhole(count: 0)
    }

    @Test func `frames hold no more than the contract allows`() {
        self.stream { frames, _ in
            try await frames.write((0..<9_000).flatMap { Self.event("e\($0)") })
        }
        self.world.advance(by: .seconds(1))
        #expect(self.world.frames().allSatisfy { $0.events.count <= 4_096 })
        self.expectWhole(count: 9_000)
    }

    @Test func `the backend is not read faster than the store takes it`() {
        let written = Lock(0)
        self.world.valkey.plan { $0 == "publishReply" ? .fail(.unreachable("x")) : nil }
        self.stream { frames, _ in
            for number in 0..<1_000 {
                try await frames.write(Self.event("e\(number)"))
                written.withLock { $0 += 1 }
            }
        }
        self.world.advance(by: .seconds(20))
        #expect(written.withLock { $0 } < 60)
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(5))
        self.expectWhole(count: 1_000)
    }

    @Test func `a lost answer repeats a frame under its number`() {
        let isFirst = Lock(true)
        self.world.valkey.plan { name in
            guard name == "publishReply" else { return nil }
            let loses = isFirst.withLock { isFirst in
                defer { isFirst = false }
                return isFirst
            }
            return loses ? .loseAnswer(.timedOut) : nil
        }
        self.stream { frames, _ in try await frames.write(Self.event("e0")) }
        self.world.advance(by: .seconds(1))
        #expect(self.world.frames().map(\.sequence) == [0, 0, 1])
        #expect(self.world.replies().first?.outcome == .streamed)
    }

    @Test func `a producer that goes in mid-stream stops the backend`() {
        self.stream { frames, clock in
            for number in 0..<1_000 {
                try await frames.write(Self.event("e\(number)"))
                await Self.sleep(.milliseconds(10), clock)
            }
        }
        self.world.advance(by: .milliseconds(100))
        let before = self.world.frames().count
        #expect(before > 0)
        self.world.die()
        self.world.advance(by: .seconds(1))
        #expect(self.world.frames().count == before && self.world.replies().isEmpty)
        #expect(self.node.dispatcher.heldCount == 0 && self.world.held(self.node) == [])
        #expect(self.node.counts.offlineReplies == 1)
        #expect(self.node.reasons == [.offlineProducerBeforeReply])
    }

    @Test func `whoever is cancelled does not wait for a store that is away`() {
        self.world.valkey.plan { $0 == "publishReply" ? .fail(.unreachable("x")) : nil }
        self.node.runner.script { call in
            do {
                for _ in 0..<1_000 { try await call.job.frames?.write(Self.event(String(repeating: "x", count: 900))) }
                return .ok
            } catch {
                return .failure(AttemptFailure(.deadline, message: "x", committed: true))
            }
        }
        self.world.push(self.world.envelope("s", timeout: 5, isStream: true))
        self.world.advance(by: .seconds(6))
        #expect(self.node.engine.liveCount == 0)
        self.world.valkey.plan(nil)
        self.world.advance(by: .seconds(2))
        #expect(self.world.frames().last?.isFinal == true)
        #expect(self.world.replies().first?.failure?.type == "APITimeoutError")
        #expect(self.node.reasons == [.deadline])
    }

    @Test func `an event that is too large breaks the stream, and nothing follows but the reply`() {
        self.stream { frames, clock in
            try await frames.write(Self.event("e0"))
            await Self.sleep(.milliseconds(10), clock)
            try await frames.write(Self.event(String(repeating: "x", count: 5 << 20)))
        }
        self.world.advance(by: .seconds(1))
        #expect(self.texts == ["e0"] && self.world.frames().allSatisfy { !$0.isFinal })
        #expect(self.world.replies().first?.failure != nil)
    }

    @Test func `nothing can be written after the end`() {
        let kept = Lock<(any HTTPBodyWriter)?>(nil)
        self.stream { frames, _ in
            kept.withLock { $0 = frames }
            try await frames.write(Self.event("e0"))
        }
        self.world.advance(by: .seconds(1))
        let before = self.world.elements().count
        let failed = Lock(false)
        self.world.world.spawn {
            do { try await kept.withLock({ $0 })?.write(Self.event("e1")) } catch { failed.withLock { $0 = true } }
        }
        self.world.advance(by: .seconds(1))
        #expect(failed.withLock { $0 } && self.world.elements().count == before)
    }
}
