import SluiceBasics
import SluiceCore
import Testing

@Suite struct RequestIDTests {
    @Test func `text and back, in the same order`() throws {
        var random = SeededRandom(seed: 4)
        var ids = (0..<500).map { _ in RequestID(high: random.next(), low: random.next()) }
        ids += [RequestID(high: 0, low: 0), RequestID(high: .max, low: .max), RequestID(high: 1, low: .max)]
        for id in ids {
            let text = id.description
            #expect(text.hasPrefix("req_") && text.utf8.count == 30)
            #expect(RequestID(text) == id)
        }
        #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted())
    }

    @Test(arguments: ["", "req_", "req_ABC", "req_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "req_0000000000000000000000000U", "x"])
    func `what is no id is refused`(text: String) {
        #expect(RequestID(text) == nil)
    }

    @Test func `ids sort by the time in them`() {
        let early = RequestID(milliseconds: 1_000, random: (.max, .max))
        let late = RequestID(milliseconds: 1_001, random: (0, 0))
        #expect(early < late)
    }

    @Test func `every reason has a place of its own in the counts`() {
        var counts = OutcomeCounts()
        for (index, reason) in OutcomeReason.allCases.enumerated() {
            #expect(reason.ordinal == index)
            counts.add(reason)
            #expect(counts[reason] == 1)
        }
        #expect(counts.table.count == OutcomeReason.allCases.count)
        #expect(counts.ended == UInt64(OutcomeReason.allCases.count { $0.outcome != .rejected }))
    }
}
