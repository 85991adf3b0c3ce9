// Where ended requests are kept beyond the process's memory, and for how long; and the ClickHouse that has their spans.
extension ConfigurationSchema {
    static let history: [ConfigurationKey] = [
        .init(
            path: "history.store",
            kind: .choice(["memory", "sqlite", "clickhouse"]),
            help: "Where history is asked. Not set: sqlite when history.path is set, else what is in memory."
        ),
        .init(
            path: "history.path",
            kind: .path,
            flag: "history",
            help: "File of ended requests (SQLite); made when it is not there. Nothing is written when not set."
        ),
        .init(
            path: "history.keep",
            kind: .duration(.seconds(60) ... .seconds(3650 * 86_400)),
            fallback: "30d",
            help: "How long they are kept in the file, or in the table in ClickHouse when it is made."
        ),
        .init(
            path: "history.max_bytes",
            kind: .size((1 << 20)...(1 << 40)),
            fallback: "1GiB",
            help: "What rows may take in the file; the oldest make room."
        ),
        .init(
            path: "history.timeout",
            kind: .duration(.milliseconds(100) ... .seconds(600)),
            fallback: "10s",
            help: "Time for one question to the history."
        ),
        .init(
            path: "clickhouse.url",
            kind: .url(["http", "https"]),
            help: "HTTP interface of a ClickHouse, e.g. http://clickhouse:8123."
        ),
        .init(path: "clickhouse.user", kind: .text, fallback: "default", help: "Who we are there."),
        .init(path: "clickhouse.password", kind: .secret, help: "Our password there."),
        .init(
            path: "clickhouse.database",
            kind: .name,
            fallback: "otel",
            help: "Database of otel_traces."
        ),
    ]
}

extension Configuration {
    func checkHistory() -> [ConfigurationProblem] {
        switch self.text("history.store") {
        case "sqlite" where self.text("history.path") == nil:
            [self.problem("history.store", "sqlite needs history.path: the file to keep ended requests in")]
        case "clickhouse" where self.text("clickhouse.url") == nil:
            [self.problem("history.store", "clickhouse needs clickhouse.url")]
        default: []
        }
    }
}
