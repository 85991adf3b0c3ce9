import SluiceBasics
import SluiceFabric
import SluiceTestKit
import Testing

struct AlarmsTests {
    @Test func `alarms ring in the order of their times, and not once taken back`() {
        let clock = ManualClock()
        let alarms = Alarms(clock: clock, timer: clock)
        let rung = Lock<[Int]>([])
        let start = clock.now()
        var handles: [Alarms.Handle] = []
        for second in [5, 1, 3, 2, 4] {
            handles.append(alarms.set(at: start + .seconds(second)) { rung.withLock { $0.append(second) } })
        }
        alarms.cancel(handles[2])
        clock.advance(by: .seconds(2))
        #expect(rung.withLock { $0 } == [1, 2])
        alarms.cancel(handles[1])
        clock.advance(by: .seconds(10))
        #expect(rung.withLock { $0 } == [1, 2, 4, 5])
        #expect(alarms.count == 0)
    }

    @Test func `an alarm may set the next`() {
        let clock = ManualClock()
        let alarms = Alarms(clock: clock, timer: clock)
        let rung = Lock(0)
        @Sendable func again() {
            rung.withLock { $0 += 1 }
            _ = alarms.set(at: clock.now() + .seconds(1)) { again() }
        }
        again()
        clock.advance(by: .seconds(100))
        #expect(rung.withLock { $0 } == 101)
        #expect(alarms.count == 1)
    }

    @Test func `a pause is cut short by a poke, before or during it, but a back-off lasts`() {
        let world = VirtualWorld()
        let pause = Pause(Alarms(clock: world.clock, timer: world.clock))
        let ends = Lock<[Duration]>([])
        let start = world.clock.now()
        world.spawn {
            for (canBePoked, span) in [(true, 10), (false, 3), (true, 10), (true, 10)] {
                await pause.wait(until: world.clock.now() + .seconds(span), canBePoked: canBePoked)
                ends.withLock { $0.append(world.clock.now() - start) }
            }
        }
        world.advance(by: .seconds(1))
        pause.poke()
        world.advance(by: .seconds(1))
        pause.poke()
        world.advance(by: .seconds(2))
        pause.end()
        world.settle()
        #expect(ends.withLock { $0 } == [.seconds(1), .seconds(4), .seconds(4), .seconds(4)])
    }

    @Test func `pauses between errors grow, differ and stay within bounds`() {
        var backoff = Backoff(least: .milliseconds(50), most: .seconds(1), seed: 7)
        let spans = (0..<50).map { _ in backoff.next() }
        #expect(spans.allSatisfy { $0 >= .milliseconds(50) && $0 <= .seconds(1) })
        #expect(spans[0] == .milliseconds(50))
        #expect(Set(spans.dropFirst(5)).count > 40)
        backoff.reset()
        #expect(backoff.next() == .milliseconds(50))
    }
}
