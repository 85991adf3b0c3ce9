import SluiceBasics
import SluiceTransport
import Testing

struct AlarmTests {
    /// Whoever waits for a time looks at the clock when he is woken: a millisecond too soon, and he would go on waiting
    /// for a ring that has been.
    @Test func `an alarm never rings before its time, however busy the reactor`() async throws {
        let reactors = try ReactorGroup(count: 1)
        try reactors.start()
        let reactor = reactors.reactors[0]
        let clock = SystemClock()
        let isOver = Lock(false)
        @Sendable func spin() {
            guard !isOver.withLock({ $0 }) else { return }
            reactor.post { spin() }
        }
        spin()
        let alarm = reactors.alarm()
        var early: [Duration] = []
        for number in 0..<300 {
            let target = clock.now() + .microseconds(1_000 + 37 * (number % 60))
            await withCheckedContinuation { continuation in
                alarm.set(after: target - clock.now()) { continuation.resume() }
            }
            let now = clock.now()
            if now < target { early.append(target - now) }
        }
        isOver.withLock { $0 = true }
        #expect(early == [])
        reactors.stop()
    }
}
