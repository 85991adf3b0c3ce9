import SluiceCore
import Testing

@testable import sluice

@Suite struct ReloadTests {
    @Test func `only what a file says otherwise than before is taken over`() {
        let old = PoolConfiguration(name: "p", backend: "b", slots: 8)
        var running = old
        running.slots = 3
        running.maximumRequests = 77
        running.scheduling.tenants.weights = ["mine": 5]
        running.scheduling.limit = RateLimit(tokensPerMinute: 900)
        running.scheduling.policy.order = .fifo
        var new = old
        new.backend = "other"
        new.lease = .seconds(1)
        new.maximumBytes = 1_000
        new.retry.maximumAttempts = 9
        new.scheduling.tenants.weights = ["theirs": 2]
        new.scheduling.limit = RateLimit(requestsPerMinute: 60)
        new.scheduling.shedding.target = .seconds(2)
        var expected = running
        expected.maximumBytes = 1_000
        expected.retry.maximumAttempts = 9
        expected.scheduling.tenants.weights = ["mine": 5, "theirs": 2]
        expected.scheduling.limit = RateLimit(requestsPerMinute: 60, tokensPerMinute: 900)
        expected.scheduling.shedding.target = .seconds(2)
        running.take(from: new, whatDiffersFrom: old)
        #expect(running == expected)
        // And back again, as the file was.
        running.take(from: old, whatDiffersFrom: new)
        #expect(running.scheduling.limit == RateLimit(tokensPerMinute: 900))
        #expect(running.scheduling.tenants.weights == ["mine": 5] && running.slots == 3)
    }
}
