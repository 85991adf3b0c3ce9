import SluiceBasics
import SluiceCore
import SluiceTestKit
import Testing

@Suite struct QueueStoreTests {
    @Test(arguments: QueueStoreConformance.allCases)
    func `the store in memory conforms`(rule: QueueStoreConformance) async throws {
        let clock = ManualClock()
        var stores: [InMemoryQueueStore] = []
        try await rule.check { rules in
            let store = InMemoryQueueStore(rules: rules, clock: clock)
            stores.append(store)
            return StoreUnderTest(store: store, clock: clock)
        }
        for store in stores { #expect(store.audit() == nil) }
    }
}
