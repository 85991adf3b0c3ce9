import SluiceBasics

/// Where ended requests can be looked up. Every store gives the same answers to the same questions.
package protocol ExecutionStore: Sendable {
    /// `memory`, `sqlite` or `clickhouse`.
    var kind: String { get }
    func page(_ query: ExecutionQuery) async throws(ExecutionStoreError) -> ExecutionPage
    /// The newest execution of this request; `nil` when none is kept.
    func find(_ id: String) async throws(ExecutionStoreError) -> ExecutionRow?
    func aggregate(_ aggregation: ExecutionAggregation) async throws(ExecutionStoreError) -> ExecutionAggregate
    func statistics() async throws(ExecutionStoreError) -> ExecutionStatistics
}

extension ExecutionStore {
    /// Rows of a page that is read for an export: few enough that what else waits for the store gets its turn.
    package static var exportedRowsAtOnce: Int { 1_000 }

    /// Hands over all rows of a list, a page each time; the next is read when `chunk` has returned.
    ///
    /// - Parameter maximumRows: it ends after so many, whatever more there is.
    /// - Throws: `ExecutionStoreError`, and what `chunk` throws.
    package func export(
        _ query: ExecutionQuery,
        maximumRows: Int,
        _ chunk: @Sendable ([ExecutionRow]) async throws -> Void
    ) async throws {
        var query = query
        var left = maximumRows
        while left > 0 {
            query.limit = min(left, Self.exportedRowsAtOnce)
            let page = try await self.page(query)
            if !page.rows.isEmpty { try await chunk(page.rows) }
            left -= page.rows.count
            guard let next = page.next else { return }
            query.after = next
        }
    }
}

/// What a store holds.
package struct ExecutionStatistics: Sendable, Equatable {
    package var rows: Int
    /// What it takes, where that is known.
    package var bytes: Int?
    /// Microseconds since 1970 of the oldest end; `nil` when it is empty.
    package var oldest: Int64?
    /// Executions that could not be kept since the process began.
    package var lost: Int

    package init(rows: Int, bytes: Int?, oldest: Int64?, lost: Int) {
        self.rows = rows
        self.bytes = bytes
        self.oldest = oldest
        self.lost = lost
    }
}

/// Why a store does not answer. Holds nothing of what was stored.
package enum ExecutionStoreError: Error, Sendable, Equatable {
    /// It cannot be reached, or does not do as it should; what, and what to check.
    case unavailable(String)
    /// The question would take too long, or its answer would be too large.
    case tooMuch(String)

    package var message: String {
        switch self {
        case .unavailable(let words), .tooMuch(let words): words
        }
    }
}
