import SluiceBasics
import SluiceTelemetry
import Testing

/// What every store has to answer: the same as a plain look at all rows.
struct ExecutionStoreConformance {
    var seed: UInt64
    var rows = 400
    var questions = 60
    /// Rows that it is given twice, where it may count them so until it has put them together.
    var copies = 0

    /// - Parameter fill: a store with these rows.
    func check(_ fill: ([ExecutionRow]) async throws -> any ExecutionStore) async throws {
        var random = RandomExecutions(seed: self.seed)
        let rows = random.rows(self.rows)
        let model = ExecutionRows(rows)
        let store = try await fill(rows)
        for number in 0..<self.questions {
            let query = random.query(about: rows)
            try await self.compare(store, model, query, "question \(number) of seed \(self.seed): \(query)")
        }
        for number in 0..<self.questions {
            let aggregation = random.aggregation(about: rows)
            let answer = try await store.aggregate(aggregation)
            let expected = try model.aggregate(aggregation)
            #expect(answer == expected, "figures \(number) of seed \(self.seed): \(aggregation)")
            if answer != expected { return }
        }
        for _ in 0..<20 {
            let id = random.draw(rows).id
            #expect(try await store.find(id) == model.find(id))
        }
        #expect(try await store.find("req_unknown") == nil)
        let statistics = try await store.statistics()
        #expect((rows.count...rows.count + self.copies).contains(statistics.rows))
        #expect(statistics.oldest == rows.map(\.endedAt).min())
        #expect(statistics.lost == 0)
        try await self.checkExport(store, model)
    }

    /// All pages of a list, from one cursor to the next.
    private func compare(
        _ store: any ExecutionStore,
        _ model: ExecutionRows,
        _ query: ExecutionQuery,
        _ what: String
    ) async throws {
        var query = query
        var read: [ExecutionRow] = []
        while true {
            let page = try await store.page(query)
            #expect(page == model.page(query), "\(what)")
            if page != model.page(query) { return }
            read += page.rows
            guard let next = page.next else { break }
            let text = ExecutionCursor(next, of: query).text
            let cursor = try #require(ExecutionCursor(text))
            #expect(cursor.position == next && cursor.fingerprint == query.fingerprint)
            query.after = cursor.position
        }
        query.after = nil
        #expect(read.count == model.rows.filter { query.holds($0) }.count, "\(what)")
    }

    private func checkExport(_ store: any ExecutionStore, _ model: ExecutionRows) async throws {
        let exported = Lock<[ExecutionRow]>([])
        var query = ExecutionQuery()
        query.isDescending = false
        try await store.export(query, maximumRows: self.rows - 1) { chunk in exported.withLock { $0 += chunk } }
        query.limit = self.rows - 1
        #expect(exported.withLock { $0 } == model.page(query).rows)
    }
}
