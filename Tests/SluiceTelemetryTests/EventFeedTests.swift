import SluiceBasics
import SluiceCore
import SluiceTelemetry
import SluiceTestKit
import Testing

struct EventFeedTests {
    private func event(_ number: Int) -> FeedItem {
        .request(
            RequestEvent(
                id: RequestID(high: 1, low: UInt64(number)),
                pool: "p",
                tenant: "t",
                model: "m",
                state: .queued,
                at: .zero
            )
        )
    }

    /// A batch as numbers; what was missed as a negative one.
    private func numbers(_ items: [FeedItem]) -> [Int] {
        items.map { item in
            switch item {
            case .request(let event): Int(event.id.low)
            case .pool: 0
            case .missed(let count): -count
            }
        }
    }

    private func publish(_ numbers: Range<Int>, to telemetry: Telemetry) {
        for number in numbers { if case .request(let event) = self.event(number) { telemetry.stepped(event) } }
    }

    private func telemetry(capacity: Int) -> Telemetry {
        Telemetry(configuration: TelemetryConfiguration(feedCapacity: capacity), clock: ManualClock())
    }

    @Test func `keeps the newest and says first how many are gone`() async throws {
        let telemetry = self.telemetry(capacity: 4)
        let watcher = try #require(telemetry.feed.subscribe())
        self.publish(1..<11, to: telemetry)
        #expect(try self.numbers(#require(await watcher.next())) == [-6, 7, 8, 9, 10])
        self.publish(11..<13, to: telemetry)
        #expect(try self.numbers(#require(await watcher.next())) == [11, 12])
        self.publish(13..<18, to: telemetry)
        #expect(try self.numbers(#require(await watcher.next())) == [-1, 14, 15, 16, 17])
    }

    @Test func `a slow watcher does not hold up the others`() async throws {
        let telemetry = self.telemetry(capacity: 8)
        let slow = try #require(telemetry.feed.subscribe())
        let quick = try #require(telemetry.feed.subscribe())
        for number in 1..<21 {
            self.publish(number..<number + 1, to: telemetry)
            #expect(try self.numbers(#require(await quick.next())) == [number])
        }
        #expect(try self.numbers(#require(await slow.next())).first == -12)
    }

    @Test func `wakes for news, a nudge and an end`() async throws {
        let telemetry = self.telemetry(capacity: 8)
        let watcher = try #require(telemetry.feed.subscribe())
        async let nudged = watcher.next()
        while !watcher.isWaiting { await Task.yield() }
        watcher.nudge()
        #expect(await nudged?.isEmpty == true)
        async let told = watcher.next()
        while !watcher.isWaiting { await Task.yield() }
        self.publish(5..<6, to: telemetry)
        #expect(await told.map { self.numbers($0) } == [5])
        let task = Task { await watcher.next() == nil }
        task.cancel()
        #expect(await task.value)
        #expect(await watcher.next() == nil)
    }
}
