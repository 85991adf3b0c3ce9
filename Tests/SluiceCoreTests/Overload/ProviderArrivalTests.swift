import SluiceBasics
import Testing

@testable import SluiceCore

/// What answers say of a provider's limits, and for when it is taken.
@Suite struct ProviderArrivalTests {
    private static let start = Instant(nanoseconds: 1_000_000_000)

    /// One request is claimed at the start; its answer says that none of 600 a minute is left.
    private func room(answerAfter delay: Duration, lookedAt moment: Duration) -> Int {
        var lanes = ProviderLanes()
        let lane = lanes.lane(of: "m", now: Self.start)
        let account = lanes.charge(lane, tokens: 10)
        let said = ProviderObservation(
            requests: ProviderObservation.Budget(limit: 600, remaining: 0, resetsIn: .seconds(60))
        )
        lanes.note(
            said,
            lane: lane,
            account: account,
            tokens: 10,
            claimedAt: Self.start,
            now: Self.start + delay
        )
        return lanes.room(lane, at: Self.start + moment)
    }

    @Test func `what came back while the request was on its way is not counted twice`() {
        // It took 200 ms to arrive: two of ten a second had come back, and were gone when it was counted.
        #expect(self.room(answerAfter: .milliseconds(200), lookedAt: .milliseconds(200)) == -1)
        #expect(self.room(answerAfter: .milliseconds(200), lookedAt: .milliseconds(299)) == -1)
        #expect(self.room(answerAfter: .milliseconds(200), lookedAt: .milliseconds(300)) == .max)
    }

    @Test func `what came back while the backend worked is counted`() {
        #expect(self.room(answerAfter: .seconds(20), lookedAt: .seconds(20)) == .max)
        #expect(self.room(answerAfter: .seconds(20), lookedAt: .milliseconds(349)) == -1)
    }
}
