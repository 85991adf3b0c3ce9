import SluiceBasics
import SluiceTestKit
import Testing

@testable import sluice

@Suite struct LogOutletTests {
    @Test func `lines keep their order, and what finds no room is counted and said`() {
        let world = VirtualWorld()
        let written = Lock<[String]>([])
        let outlet = LogOutlet(
            maximumBytes: 20,
            run: { operation in world.spawn(operation) },
            write: { text in written.withLock { $0.append(text) } },
            notice: { "dropped \($0)\n" }
        )
        // Nobody writes as long as the writer's thread is held up.
        for number in 0..<5 { outlet.add("line \(number)\n") }
        #expect(outlet.dropped == 3 && !outlet.isEmpty)
        world.settle()
        #expect(written.withLock { $0 } == ["line 0\nline 1\n", "dropped 3\n"] && outlet.isEmpty)
        outlet.add("line 5\n")
        world.settle()
        #expect(written.withLock { $0 }.last == "line 5\n" && outlet.dropped == 3)
    }
}
