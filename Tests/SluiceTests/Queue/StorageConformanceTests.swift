import Sluice
import SluiceConformance
import SluiceTestKit
import Testing

struct StorageConformanceTests {
    @Test(arguments: StorageConformance.allCases)
    func `the store in memory keeps every rule`(rule: StorageConformance) async {
        let violations = await rule.violations {
            let clock = StepClock()
            return StorageUnderTest(storage: InMemoryStorage(clock: clock), advance: { clock.advance(by: $0) })
        }
        #expect(violations == [])
    }

    @Test(arguments: StorageConformance.allCases, [UInt64(1), 2, 3])
    func `a store that is slow, fails, and loses answers keeps every rule`(
        rule: StorageConformance,
        seed: UInt64
    ) async {
        let violations = await rule.violations {
            let clock = StepClock()
            let storage = FaultyStorage(InMemoryStorage(clock: clock), .unreliable(seed: seed))
            return StorageUnderTest(storage: storage, advance: { clock.advance(by: $0) })
        }
        #expect(violations == [])
    }

    @Test(arguments: FaultyStorage.Fault.planted)
    func `a planted fault is found`(fault: FaultyStorage.Fault) async {
        let violations = await StorageConformance.violations {
            let clock = StepClock()
            let storage = FaultyStorage(InMemoryStorage(clock: clock), fault)
            return StorageUnderTest(storage: storage, advance: { clock.advance(by: $0) })
        }
        #expect(!violations.isEmpty, "\(fault)")
    }
}
