import SluiceBasics
import Testing

@testable import SluiceCore

@Suite("Shedding")
struct SheddingControllerTests {
    private static func at(_ seconds: Double) -> Instant { .zero + .seconds(seconds) }
    private static let policy = SheddingPolicy(target: .seconds(5), interval: .seconds(10))

    @Test("Nothing is shed without a target, or below it")
    func below() {
        var controller = SheddingController()
        #expect(controller.look(oldest: .zero, at: Self.at(1e6)) == 0)
        controller = SheddingController(Self.policy)
        for second in 0..<100 {
            let now = Self.at(Double(second))
            #expect(controller.look(oldest: now - .seconds(5), at: now) == 0)
        }
        #expect(!controller.isShedding)
        #expect(controller.due == Self.at(99) + .nanoseconds(1))
    }

    @Test("The age has to stay above the target for a whole interval")
    func interval() {
        var controller = SheddingController(Self.policy)
        #expect(controller.look(oldest: Self.at(0), at: Self.at(6)) == 0)
        #expect(controller.due == Self.at(16))
        #expect(controller.look(oldest: Self.at(0), at: Self.at(15.9)) == 0)
        // One dip begins it anew.
        #expect(controller.look(oldest: Self.at(12), at: Self.at(15.95)) == 0)
        #expect(controller.look(oldest: Self.at(9), at: Self.at(16)) == 0)
        #expect(controller.look(oldest: Self.at(9), at: Self.at(25.9)) == 0)
        #expect(controller.look(oldest: Self.at(9), at: Self.at(26)) == 1)
        #expect(controller.isShedding)
    }

    @Test("Spacing shrinks with the square root of what has been shed")
    func spacing() {
        var controller = SheddingController(Self.policy)
        _ = controller.look(oldest: .zero, at: Self.at(6))
        var times: [Double] = []
        var now = Self.at(6)
        while times.count < 6, let due = controller.due {
            now = due
            for _ in 0..<controller.look(oldest: .zero, at: now) { times.append((now - .zero).inSeconds) }
        }
        let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
        for (index, gap) in gaps.enumerated() {
            #expect(abs(gap - 10 / Double(index + 1).squareRoot()) < 1e-6)
        }
    }

    @Test("It stops below the target, and goes on from there when it comes back soon")
    func comesBack() {
        var controller = SheddingController(Self.policy)
        _ = controller.look(oldest: .zero, at: Self.at(6))
        var now = Self.at(6)
        while controller.count < 20, let due = controller.due {
            now = due
            _ = controller.look(oldest: .zero, at: now)
        }
        #expect(controller.look(oldest: now, at: now) == 0)
        #expect(!controller.isShedding)
        _ = controller.look(oldest: .zero, at: now + .seconds(1))
        #expect(controller.look(oldest: .zero, at: now + .seconds(11)) == 1)
        #expect(controller.count == 21)
        // After a long quiet time it begins anew.
        let later = now + .seconds(1_000)
        _ = controller.look(oldest: nil, at: later)
        _ = controller.look(oldest: .zero, at: later)
        #expect(controller.look(oldest: .zero, at: later + .seconds(10)) == 1)
        #expect(controller.count == 1)
    }

    @Test("A late look catches up within bounds")
    func late() {
        var controller = SheddingController(Self.policy)
        _ = controller.look(oldest: .zero, at: Self.at(6))
        _ = controller.look(oldest: .zero, at: Self.at(16))
        #expect(controller.look(oldest: .zero, at: Self.at(1e6)) == 32)
        #expect(controller.look(oldest: .zero, at: Self.at(1e6)) == 0)
    }

    @Test("The door is closed to the lowest class that waits, and to those below it")
    func door() {
        var controller = SheddingController(Self.policy)
        #expect(!controller.refuses(.low, lowest: .low))
        _ = controller.look(oldest: .zero, at: Self.at(6))
        _ = controller.look(oldest: .zero, at: Self.at(16))
        #expect(controller.refuses(.low, lowest: .low))
        #expect(controller.refuses(.low, lowest: .normal))
        #expect(controller.refuses(.normal, lowest: .normal))
        #expect(!controller.refuses(.high, lowest: .normal))
        #expect(!controller.refuses(.low, lowest: nil))
        #expect(controller.look(oldest: nil, at: Self.at(17)) == 0)
        #expect(!controller.refuses(.low, lowest: .low))
    }

    @Test("Other rules begin anew")
    func configure() {
        var controller = SheddingController(Self.policy)
        _ = controller.look(oldest: .zero, at: Self.at(6))
        _ = controller.look(oldest: .zero, at: Self.at(16))
        controller.configure(Self.policy)
        #expect(controller.isShedding)
        controller.configure(SheddingPolicy(target: .seconds(60)))
        #expect(!controller.isShedding)
    }
}
