import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceTestKit
import Testing

@Suite struct LivePageTests {
    private struct Silent: DispatchObserver {
        var wantsSteps: Bool { false }
        func stepped(_ event: RequestEvent) {}
        func changed(_ event: PoolEvent) {}
        func ended(_ record: RequestRecord) {}
        func rejected(_ submission: Submission, _ rejection: Rejection, at: Instant) {}
    }

    private let clock = ManualClock()
    private let dispatcher: Dispatcher

    init() {
        let pools = ["a", "b"].map { PoolConfiguration(name: $0, backend: "m", slots: 2, maximumRequests: 100_000) }
        self.dispatcher = Dispatcher(
            pools: pools,
            backends: [BackendPolicy(name: "m")],
            clock: self.clock,
            seed: 1,
            timer: self.clock,
            observer: Silent()
        )
    }

    private func submit(_ number: Int, pool: String = "a", tenant: String = "t", model: String = "m", tokens: Int = 1) {
        let submission = Submission(
            id: RequestID(high: UInt64(number) << 16, low: UInt64(number)),
            pool: pool,
            tenant: tenant,
            model: model,
            operation: "chat/completions",
            tokenEstimate: tokens,
            deadline: self.clock.now() + .seconds(600)
        )
        _ = try? self.dispatcher.submit(submission, cancellation: nil)
    }

    private func ids(_ change: (inout LiveQuery) -> Void) -> [Int] {
        var query = LiveQuery()
        change(&query)
        return self.dispatcher.page(query).rows.map { Int($0.record.submission.id.low) }
    }

    @Test func `a page is cut out of what matches, in order`() {
        for number in 0..<3_000 {
            self.submit(number, pool: number % 2 == 0 ? "a" : "b", tokens: (number * 7919) % 3_001)
            self.clock.advance(by: .milliseconds(1))
        }
        #expect(self.ids { $0.limit = 3 } == [0, 1, 2])
        #expect(self.ids { ($0.limit, $0.isDescending) = (3, false) } == [2_999, 2_998, 2_997])
        #expect(self.ids { ($0.offset, $0.limit) = (2_998, 10) } == [2_998, 2_999])
        #expect(self.ids { $0.offset = 3_000 }.isEmpty)
        let byTokens = (0..<3_000).sorted { (($0 * 7919) % 3_001, $0) < (($1 * 7919) % 3_001, $1) }
        for offset in stride(from: 0, to: 3_000, by: 271) {
            let part = self.ids { query in
                (query.order, query.isDescending, query.offset, query.limit) = (.tokens, false, offset, 50)
            }
            #expect(part == Array(byTokens[offset..<min(3_000, offset + 50)]))
        }
        var query = LiveQuery()
        query.pools = NameFilter(wanted: ["b"])
        query.limit = 0
        let page = self.dispatcher.page(query)
        #expect(page.total == 3_000 && page.matched == 1_500 && page.rows.isEmpty)
        #expect(page.states == [.queued: 1_498, .claimed: 2])
    }

    @Test func `each filter lets its own through`() {
        self.submit(1, tenant: "acme", model: "GPT-4o")
        self.submit(2, tenant: "acme", model: "llama")
        self.clock.advance(by: .seconds(10))
        self.submit(3, tenant: "rival", model: "gpt-mini")
        self.submit(4, pool: "b", tenant: "rival", model: "llama")
        #expect(self.ids { $0.tenants = NameFilter(wanted: ["acme", "nobody"]) } == [1, 2])
        #expect(self.ids { $0.tenants = NameFilter(unwanted: ["acme"]) } == [3, 4])
        #expect(self.ids { $0.text = TextFilter("gpt") } == [1, 3])
        #expect(self.ids { $0.text = TextFilter("RIVAL") } == [3, 4])
        #expect(self.ids { $0.text = TextFilter(RequestID(high: 2 << 16, low: 2).description) } == [2])
        #expect(self.ids { $0.minimumAge = .seconds(10) } == [1, 2])
        #expect(self.ids { $0.states = [.queued] } == [3])
        #expect(self.ids { $0.waiting = [.slotsFull] } == [3])
        #expect(self.ids { $0.waiting = [.poolPaused] }.isEmpty)
        _ = self.dispatcher.setMode(.paused, pool: "a")
        #expect(self.ids { $0.waiting = [.poolPaused] } == [3])
    }

    @Test func `the version grows with what changes, and not by looking`() {
        let before = self.dispatcher.version
        _ = self.dispatcher.page(LiveQuery())
        _ = self.dispatcher.pools()
        #expect(self.dispatcher.version == before)
        self.submit(1)
        #expect(self.dispatcher.version > before)
    }

    @Test(arguments: 0..<20) func `a part is what sorting would have left there`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let elements = (0..<500).map { _ in Int(random.next() % 40) }
        let sorted = elements.sorted()
        for _ in 0..<20 {
            let start = Int(random.next() % 520)
            let count = Int(random.next() % 100)
            var copy = elements
            let part = Selection.part(&copy, from: start, count: count)
            #expect(part == Array(sorted.dropFirst(start).prefix(count)))
            #expect(copy.sorted() == sorted)
        }
    }
}
