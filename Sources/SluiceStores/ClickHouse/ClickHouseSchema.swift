/// The table that history is read from, and the view that fills it from spans.
///
/// Spans may come from here or through an OpenTelemetry collector: whoever inserts into the table of spans, the view
/// derives rows from what he inserts. The same span inserted twice becomes one row, at the latest when its parts are
/// merged.
enum ClickHouseSchema {
    static let table = "sluice_executions"
    static let standardSpans = "otel_traces"
    static let spanName = "LLMDispatch.completion"

    /// The columns, their types, and what they are of a span.
    static let columns: [(name: String, type: String, source: String)] = [
        (
            "ended_at", "DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))",
            Self.time("Timestamp + toIntervalNanosecond(Duration)")
        ),
        ("id", "String CODEC(ZSTD(1))", Self.text("sluice.request.id")),
        ("request_id", "String CODEC(ZSTD(1))", Self.text("sluice.request.remote_id")),
        ("pool", "LowCardinality(String)", Self.text("sluice.pool")),
        ("tenant", "LowCardinality(String)", Self.text("sluice.tenant")),
        ("priority", "LowCardinality(String)", Self.text("sluice.priority")),
        ("model", "LowCardinality(String)", Self.text("gen_ai.request.model")),
        ("operation", "LowCardinality(String)", Self.text("sluice.operation")),
        ("stream", "UInt8", "SpanAttributes['sluice.stream'] = 'true'"),
        ("producer", "LowCardinality(String)", Self.text("sluice.producer")),
        ("fabric_group", "LowCardinality(String)", Self.text("sluice.fabric_group")),
        ("gateway", "LowCardinality(String)", Self.text("sluice.gateway")),
        ("dispatcher", "LowCardinality(String)", Self.text("sluice.dispatcher")),
        ("backend", "LowCardinality(String)", Self.text("sluice.backend")),
        ("status", "Nullable(Int64)", Self.number("http.response.status_code")),
        ("error_class", "LowCardinality(String)", Self.text("sluice.error_class")),
        ("outcome", "LowCardinality(String)", Self.text("sluice.outcome")),
        ("reason", "LowCardinality(String)", Self.text("sluice.reason")),
        ("message", "String CODEC(ZSTD(1))", Self.text("sluice.message")),
        ("submitted_at", "DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1))", Self.time("Timestamp")),
        ("queued_us", "Int64 CODEC(ZSTD(1))", "toInt64OrZero(SpanAttributes['sluice.queue_us'])"),
        ("first_token_us", "Nullable(Int64) CODEC(ZSTD(1))", Self.number("sluice.first_token_us")),
        ("execution_us", "Nullable(Int64) CODEC(ZSTD(1))", Self.number("sluice.execution_us")),
        ("total_us", "Int64 CODEC(ZSTD(1))", "toInt64(intDiv(Duration, 1000))"),
        ("prompt_tokens", "Nullable(Int64)", Self.number("gen_ai.usage.input_tokens")),
        ("completion_tokens", "Nullable(Int64)", Self.number("gen_ai.usage.output_tokens")),
        ("cached_tokens", "Nullable(Int64)", Self.number("gen_ai.usage.cache_read.input_tokens")),
        ("reasoning_tokens", "Nullable(Int64)", Self.number("gen_ai.usage.reasoning.output_tokens")),
        ("cost_nanodollars", "Nullable(Int64)", Self.number("sluice.cost_nanodollars")),
        ("payload_bytes", "Int64", "toInt64OrZero(SpanAttributes['sluice.payload_bytes'])"),
        ("message_count", "Int64", "toInt64OrZero(SpanAttributes['sluice.message_count'])"),
        ("attempts", "Int64", "toInt64OrZero(SpanAttributes['sluice.attempts'])"),
        ("attempt_list", "String CODEC(ZSTD(1))", Self.text("sluice.attempt_list")),
        ("trace_id", "String CODEC(ZSTD(1))", "TraceId"),
        ("span_id", "String CODEC(ZSTD(1))", "SpanId"),
    ]

    /// Each table of spans has a view of its own: another table is another view, and what is in it is read.
    static func view(of spans: String) -> String {
        "sluice_executions_from_" + (spans == Self.standardSpans ? "spans" : spans)
    }

    private static func text(_ attribute: String) -> String { "SpanAttributes['\(attribute)']" }
    private static func number(_ attribute: String) -> String { "toInt64OrNull(SpanAttributes['\(attribute)'])" }

    /// Whole microseconds, cut off as everywhere.
    private static func time(_ source: String) -> String {
        "fromUnixTimestamp64Micro(intDiv(toUnixTimestamp64Nano(toDateTime64(\(source), 9, 'UTC')), 1000), 'UTC')"
    }

    /// - Parameter days: how long rows are kept.
    static func tableCreation(_ database: String, days: Int) -> String {
        let columns = Self.columns.map { "    \($0.name) \($0.type)" }.joined(separator: ",\n")
        return """
            CREATE TABLE IF NOT EXISTS `\(database)`.\(Self.table) (
            \(columns),
                INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
                INDEX by_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 1
            ) ENGINE = ReplacingMergeTree PARTITION BY toDate(ended_at) ORDER BY (ended_at, id)
            TTL toDateTime(ended_at) + toIntervalDay(\(days)) SETTINGS ttl_only_drop_parts = 1
            """
    }

    static func viewCreation(_ database: String, spans: String) -> String {
        """
        CREATE MATERIALIZED VIEW IF NOT EXISTS `\(database)`.`\(Self.view(of: spans))`
        TO `\(database)`.\(Self.table) AS
        \(Self.derivation(database, spans))
        """
    }

    /// What spans are there already, from before the view; none that would go again at once.
    ///
    /// - Parameter seconds: of which age they are at most.
    static func backfill(_ database: String, spans: String, seconds: Int) -> String {
        let names = Self.columns.map(\.name).joined(separator: ", ")
        // A partition for each day: there may be more than the server takes in one go unless it is told to.
        let insert =
            "INSERT INTO `\(database)`.\(Self.table) (\(names)) SETTINGS max_partitions_per_insert_block = 0 "
            + "\(Self.derivation(database, spans)) AND Timestamp >= now() - toIntervalSecond(\(seconds))"
        // What follows an INSERT's first line may be taken for its data.
        return String(insert.map { $0 == "\n" ? " " : $0 })
    }

    private static func derivation(_ database: String, _ spans: String) -> String {
        let sources = Self.columns.map { "    \($0.source) AS \($0.name)" }.joined(separator: ",\n")
        return """
            SELECT
            \(sources)
            FROM `\(database)`.`\(spans)`
            WHERE SpanName = '\(Self.spanName)' AND SpanAttributes['sluice.request.id'] != ''
            """
    }
}
