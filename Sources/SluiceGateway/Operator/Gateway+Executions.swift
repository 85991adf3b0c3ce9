import SluiceBasics
import SluiceTelemetry
import SluiceWire

// GET /api/executions...: what has ended, from the store that keeps it.
extension OperatorRoutes {
    static let executions: [OperatorRoute] = [
        .init(.get, "/api/executions", .role(.viewer)) { gateway, request throws(GatewayError) in
            try await gateway.listExecutions(request.http)
        },
        .init(.get, "/api/executions/aggregate", .role(.viewer)) { gateway, request throws(GatewayError) in
            try await gateway.aggregateExecutions(request.http)
        },
        .init(.get, "/api/executions/export", .role(.viewer)) { gateway, request throws(GatewayError) in
            try await gateway.exportExecutions(request.http)
        },
        .init(.get, "/api/executions/statistics", .role(.viewer)) { gateway, _ throws(GatewayError) in
            try await gateway.executionStatistics()
        },
        .init(.get, "/api/executions/*", .role(.viewer)) { gateway, request throws(GatewayError) in
            try await gateway.showExecution(request.names[0])
        },
    ]
}

extension Gateway {
    /// Where ended requests are looked up; from when the process is wired together.
    package func attach(_ store: any ExecutionStore) { self.keptExecutions.withLock { $0 = store } }

    private func store() throws(GatewayError) -> any ExecutionStore {
        guard let store = self.keptExecutions.withLock({ $0 }) else {
            throw .unavailable("This process keeps no history.", code: "history_unavailable")
        }
        return store
    }

    /// Microseconds since 1970.
    private var wallMicroseconds: Int64 { self.clock.wallClockNanoseconds() / 1_000 }

    static func invalid(_ error: ExecutionQueryError) -> GatewayError {
        .invalid(error.message, param: error.parameter, code: error.code)
    }

    static func refused(_ error: ExecutionStoreError) -> GatewayError {
        switch error {
        case .unavailable(let words): .unavailable(words, code: "history_unavailable", retryAfter: 5)
        case .tooMuch(let words): .invalid(words, code: "history_too_much")
        }
    }

    private func asked<Answer: Sendable>(
        _ question: (any ExecutionStore) async throws(ExecutionStoreError) -> Answer
    ) async throws(GatewayError) -> Answer {
        let store = try self.store()
        do throws(ExecutionStoreError) {
            return try await question(store)
        } catch {
            throw Self.refused(error)
        }
    }

    /// The newest execution of a request that is kept; `nil` when there is none, or nobody who keeps any answers.
    ///
    /// - Throws: when whoever keeps them does not answer: then it is not known whether there is one.
    package func keptExecution(_ id: String) async throws(GatewayError) -> ExecutionRow? {
        guard self.keptExecutions.withLock({ $0 }) != nil else { return nil }
        return try await self.asked { store throws(ExecutionStoreError) in try await store.find(id) }
    }

    // MARK: Lists

    func listExecutions(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        let query: ExecutionQuery
        do throws(ExecutionQueryError) {
            query = try ExecutionQuery.read(request.query, now: self.wallMicroseconds)
        } catch {
            throw Self.invalid(error)
        }
        let page = try await self.asked { store throws(ExecutionStoreError) in try await store.page(query) }
        let kind = try self.store().kind
        var json = JSONWriter(reserving: 512 + page.rows.count * 900)
        json.object { json in
            json.array("rows") { json in
                for row in page.rows { json.object { ExecutionView.write(row, to: &$0) } }
            }
            json.field("next_cursor", page.next.map { ExecutionCursor($0, of: query).text })
            json.field("store", kind)
        }
        return Self.json(json)
    }

    func showExecution(_ id: String) async throws(GatewayError) -> HTTPResponse {
        let found = try await self.asked { store throws(ExecutionStoreError) in try await store.find(id) }
        guard let found else {
            throw .notFound(
                "Request '\(id.prefix(64))' is not in history: it has not ended, never was, or is older than what is "
                    + "kept.",
                code: "execution_not_found"
            )
        }
        var json = JSONWriter(reserving: 4096)
        json.object { ExecutionView.writeWhole(found, to: &$0) }
        return Self.json(json)
    }

    func executionStatistics() async throws(GatewayError) -> HTTPResponse {
        let statistics = try await self.asked { store throws(ExecutionStoreError) in try await store.statistics() }
        let kind = try self.store().kind
        var json = JSONWriter()
        json.object { json in
            json.field("store", kind)
            json.field("rows", statistics.rows)
            json.field("bytes", statistics.bytes)
            json.field("oldest_at", statistics.oldest.map { ExecutionView.seconds($0) })
            json.field("lost", statistics.lost)
        }
        return Self.json(json)
    }

    // MARK: Figures

    func aggregateExecutions(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        let aggregation: ExecutionAggregation
        do throws(ExecutionQueryError) {
            aggregation = try ExecutionAggregation.read(request.query, now: self.wallMicroseconds)
        } catch {
            throw Self.invalid(error)
        }
        let answer = try await self.asked { store throws(ExecutionStoreError) in try await store.aggregate(aggregation)
        }
        let kind = try self.store().kind
        var json = JSONWriter(reserving: 4096)
        json.object { json in
            json.field("bucket_s", aggregation.bucket.map { ExecutionView.seconds($0) })
            json.array("groups") { json in
                for group in answer.groups { json.object { Self.write(group, aggregation, to: &$0) } }
            }
            json.field("truncated", answer.isTruncated)
            json.field("store", kind)
        }
        return Self.json(json)
    }

    private static func write(
        _ group: ExecutionAggregate.Group,
        _ aggregation: ExecutionAggregation,
        to json: inout JSONWriter
    ) {
        json.object("key") { json in
            for (field, value) in zip(aggregation.by, group.key) {
                json.field(field.rawValue, value.isEmpty ? nil : value)
            }
        }
        json.array("buckets") { json in
            for bucket in group.buckets {
                json.object { json in
                    let at = aggregation.bucket == nil ? aggregation.query.from : bucket.at
                    json.field("at", at.map { ExecutionView.seconds($0) })
                    for metric in aggregation.metrics {
                        json.field(metric.rawValue, bucket.cell.value(of: metric, seconds: aggregation.seconds))
                    }
                }
            }
        }
    }
}
