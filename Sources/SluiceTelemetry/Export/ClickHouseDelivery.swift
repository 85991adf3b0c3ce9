import SluiceBasics
import SluiceWire

/// Where a ClickHouse is and who asks.
package struct ClickHouseAddress: Sendable, Equatable {
    /// Without a slash at the end.
    package var url: String
    package var user: String
    package var password: String
    package var database: String

    package init(url: String, user: String = "default", password: String = "", database: String = "otel") {
        var url = url
        while url.hasSuffix("/") { url.removeLast() }
        self.url = url
        self.user = user
        self.password = password
        self.database = database
    }

    /// - Parameters:
    ///   - statement: to the server; the body follows it.
    ///   - settings: further fields of the query string, as they are.
    package func request(
        _ statement: String,
        body: [UInt8] = [],
        settings: [(name: String, value: String)] = [],
        timeout: Duration
    ) -> HTTPClientRequest {
        var url = self.url + "/?query=" + Self.escaped(statement)
        for (name, value) in settings { url += "&\(name)=\(Self.escaped(value))" }
        let headers = HTTPFields([
            ("X-ClickHouse-User", self.user), ("X-ClickHouse-Key", self.password), ("User-Agent", "sluice"),
        ])
        return HTTPClientRequest(url: url, headers: headers, body: body, timeout: timeout)
    }

    /// Whether it can only be reached from this machine.
    package var isLoopback: Bool {
        guard let scheme = self.url.firstRange(of: "://") else { return false }
        let authority = self.url[scheme.upperBound...].prefix { $0 != "/" }
        return ["127.", "localhost", "[::1]"].contains { authority.hasPrefix($0) }
    }

    /// A name in a statement.
    package static func quoted(_ name: String) -> String {
        "`" + name.filter { $0 != "`" && $0 != "\\" } + "`"
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count * 3 / 2)
        let digits = Array("0123456789ABCDEF")
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 0x2D, 0x2E, 0x5F, 0x7E: result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result.append("%")
                result.append(digits[Int(byte >> 4)])
                result.append(digits[Int(byte & 15)])
            }
        }
        return result
    }
}

/// Spans straight into ClickHouse, into the table that OpenTelemetry's collector makes.
package struct ClickHouseDelivery: SpanDelivery {
    package let name = "clickhouse"
    package let compression: SpanCompression
    package let joins = true
    private let address: ClickHouseAddress
    private let table: String
    private let timeout: Duration
    /// `nil`: whoever runs it makes the table.
    private let timeToLive: Duration?
    private let creates: Bool
    private static let maximumAnswer = 64 << 10
    /// TIMEOUT_EXCEEDED, READONLY, TOO_MANY_SIMULTANEOUS_QUERIES, MEMORY_LIMIT_EXCEEDED, TABLE_IS_READ_ONLY,
    /// NOT_ENOUGH_SPACE, TOO_MANY_PARTS, ACCESS_DENIED, AUTHENTICATION_FAILED, KEEPER_EXCEPTION: the server's state,
    /// whatever the batch is.
    private static let states: Set = ["159", "164", "202", "241", "242", "243", "252", "497", "516", "999"]

    /// - Parameters:
    ///   - timeToLive: of rows in a table that is created; `nil`: for ever.
    ///   - creates: whether database and table are made when they are not there.
    package init(
        _ address: ClickHouseAddress,
        table: String = "otel_traces",
        timeToLive: Duration?,
        creates: Bool = true,
        compression: SpanCompression,
        timeout: Duration
    ) {
        self.address = address
        self.table = table
        self.timeToLive = timeToLive
        self.creates = creates
        self.compression = compression
        self.timeout = timeout
    }

    private var target: String {
        ClickHouseAddress.quoted(self.address.database) + "." + ClickHouseAddress.quoted(self.table)
    }

    package func request(_ body: [UInt8], isCompressed: Bool) -> HTTPClientRequest {
        let columns = NativeSpanEncoder.columns.joined(separator: ", ")
        var request = self.address.request(
            "INSERT INTO \(self.target) (\(columns)) FORMAT Native",
            body: body,
            timeout: self.timeout
        )
        request.maximumResponseBytes = Self.maximumAnswer
        request.headers.append("Content-Type", "application/octet-stream")
        if isCompressed { request.headers.append("Content-Encoding", "gzip") }
        // A second insert would be a second set of rows; the next try is ours to make.
        request.allowsSilentResend = false
        return request
    }

    package func verdict(_ answer: HTTPClientResponse, now: Int) -> SpanVerdict {
        if (200..<300).contains(answer.status) { return .taken(rejected: 0, message: nil) }
        let words = SpanVerdict.words(answer)
        let code = answer.headers["x-clickhouse-exception-code"] ?? ""
        // UNKNOWN_TABLE, UNKNOWN_DATABASE.
        if code == "60" || code == "81" { return .unprepared(words) }
        switch answer.status {
        // A key that is wrong now may be right soon, and a proxy in front has troubles of its own.
        case 401, 403, 408, 429, 500...599:
            return .later(
                after: SpanVerdict.patience(answer.headers),
                message: words,
                isAboutBatch: answer.status == 500 && !Self.states.contains(code)
            )
        default: return .refused(words)
        }
    }

    package var preparations: [HTTPClientRequest] {
        guard self.creates else { return [] }
        return OtelTracesSchema.statements(
            database: ClickHouseAddress.quoted(self.address.database),
            table: self.table,
            timeToLive: self.clause
        ).map { statement in
            var request = self.address.request("", body: Array(statement.utf8), timeout: self.timeout)
            request.maximumResponseBytes = Self.maximumAnswer
            return request
        }
    }
}

extension ClickHouseDelivery {
    /// When rows go; nothing if they stay.
    private func clause(_ column: String) -> String {
        guard let span = self.timeToLive else { return "" }
        return " TTL \(column) + toIntervalSecond(\(max(1, span.components.seconds)))"
    }
}

/// What OpenTelemetry's collector creates for traces: the table, and the times of each trace beside it.
enum OtelTracesSchema {
    static func statements(
        database: String,
        table: String,
        timeToLive: (_ column: String) -> String
    ) -> [String] {
        let traces = "\(database).\(ClickHouseAddress.quoted(table))"
        let times = "\(database).\(ClickHouseAddress.quoted(table + "_trace_id_ts"))"
        let view = "\(database).\(ClickHouseAddress.quoted(table + "_trace_id_ts_mv"))"
        return [
            "CREATE DATABASE IF NOT EXISTS \(database)",
            """
            CREATE TABLE IF NOT EXISTS \(traces) (
            \(Self.columns)
            ) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
            ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))\(timeToLive("toDateTime(Timestamp)"))
            SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
            """,
            """
            CREATE TABLE IF NOT EXISTS \(times) (
                TraceId String CODEC(ZSTD(1)),
                Start DateTime CODEC(Delta, ZSTD(1)),
                End DateTime CODEC(Delta, ZSTD(1)),
                INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
            ) ENGINE = MergeTree PARTITION BY toDate(Start)
            ORDER BY (TraceId, Start)\(timeToLive("toDateTime(Start)"))
            SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
            """,
            """
            CREATE MATERIALIZED VIEW IF NOT EXISTS \(view) TO \(times) AS
            SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End
            FROM \(traces) WHERE TraceId != '' GROUP BY TraceId
            """,
        ]
    }

    private static let columns = """
            Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
            TraceId String CODEC(ZSTD(1)),
            SpanId String CODEC(ZSTD(1)),
            ParentSpanId String CODEC(ZSTD(1)),
            TraceState String CODEC(ZSTD(1)),
            SpanName LowCardinality(String) CODEC(ZSTD(1)),
            SpanKind LowCardinality(String) CODEC(ZSTD(1)),
            ServiceName LowCardinality(String) CODEC(ZSTD(1)),
            ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
            ScopeName String CODEC(ZSTD(1)),
            ScopeVersion String CODEC(ZSTD(1)),
            SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
            Duration UInt64 CODEC(ZSTD(1)),
            StatusCode LowCardinality(String) CODEC(ZSTD(1)),
            StatusMessage String CODEC(ZSTD(1)),
            Events Nested (
                Timestamp DateTime64(9),
                Name LowCardinality(String),
                Attributes Map(LowCardinality(String), String)
            ) CODEC(ZSTD(1)),
            Links Nested (
                TraceId String,
                SpanId String,
                TraceState String,
                Attributes Map(LowCardinality(String), String)
            ) CODEC(ZSTD(1)),
            INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
            INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
            INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
            INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
            INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
            INDEX idx_duration Duration TYPE minmax GRANULARITY 1
        """
}
