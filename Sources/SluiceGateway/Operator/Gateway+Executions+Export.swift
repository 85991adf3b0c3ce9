import SluiceBasics
import SluiceTelemetry
import SluiceWire

// GET /api/executions/export: rows as they are read, a page at a time, as fast as the client takes them.
extension Gateway {
    /// Exports at once; each asks the store for page after page.
    static let maximumExports = 4
    private static let standardExport = 100_000
    private static let greatestExport = 1_000_000

    private enum ExportFormat: String {
        case jsonl
        case csv

        var contentType: String {
            switch self {
            case .jsonl: "application/jsonl"
            case .csv: "text/csv; charset=utf-8; header=present"
            }
        }

        func text(_ rows: [ExecutionRow]) -> [UInt8] {
            switch self {
            case .jsonl: ExecutionView.jsonLines(rows)
            case .csv: ExecutionView.csv(rows)
            }
        }
    }

    func exportExecutions(_ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        guard let format = ExportFormat(rawValue: request.parameter("format") ?? "jsonl") else {
            throw .invalid("The parameter 'format' must be one of: jsonl, csv.", param: "format")
        }
        let (query, maximum) = try self.exported(request)
        guard let store = self.keptExecutions.withLock({ $0 }) else {
            throw .unavailable("This process keeps no history.", code: "history_unavailable")
        }
        guard self.exports.enter() else {
            throw .unavailable(
                "As many exports as are allowed (\(Self.maximumExports)) are under way. Try again in about 5 s.",
                code: "too_many_exports",
                retryAfter: 5
            )
        }
        // What cannot be answered is said with a status; later there is only the end of the connection.
        var first = query
        first.limit = 1
        do throws(ExecutionStoreError) {
            _ = try await store.page(first)
        } catch {
            self.exports.leave()
            throw Self.refused(error)
        }
        let headers = HTTPFields([
            ("Content-Type", format.contentType), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"),
            ("Content-Disposition", "attachment; filename=\"executions.\(format.rawValue)\""),
        ])
        let keys = Lock(self.keys.version)
        guard request.method != .head else {
            self.exports.leave()
            return HTTPResponse(headers: headers, body: .bytes([]))
        }
        return HTTPResponse(
            headers: headers,
            body: .stream { writer in
                defer { self.exports.leave() }
                if format == .csv { try await writer.write(ExecutionView.csvHeader) }
                try await store.export(query, maximumRows: maximum) { rows in
                    try self.checkKey(request.headers, since: keys)
                    try await writer.write(format.text(rows))
                }
            }
        )
    }

    /// A key that has been taken away gets no further page.
    private func checkKey(_ headers: HTTPFields, since version: Lock<Int>) throws(GatewayError) {
        let current = self.keys.version
        guard version.withLock({ $0 }) != current else { return }
        try self.require(.viewer, of: try self.keys.caller(headers))
        version.withLock { $0 = current }
    }

    private func exported(_ request: HTTPRequest) throws(GatewayError) -> (query: ExecutionQuery, maximum: Int) {
        do throws(ExecutionQueryError) {
            let query = try ExecutionQuery.read(
                request.query,
                now: self.clock.wallClockNanoseconds() / 1_000,
                others: ["format"],
                maximumLimit: Self.greatestExport
            )
            guard query.sort == .ended else {
                throw ExecutionQueryError("sort", "An export is sorted by 'ended' or '-ended'.")
            }
            let maximum = request.parameter("limit") == nil ? Self.standardExport : query.limit
            return (query, maximum)
        } catch {
            throw Self.invalid(error)
        }
    }
}
