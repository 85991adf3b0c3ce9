/// What the operator's surface is beside the runtime's own settings.
package struct ConsoleConfiguration: Sendable {
    /// Refuses operators whatever changes or reveals something.
    package var isReadOnly = false
    /// In front of every path, e.g. `/sluice`; empty: none. Paths without it are served as well.
    package var pathPrefix = ""
    /// Where traces are shown, with `{trace_id}` in it.
    package var traceURL: String?
    /// Other gateways by name, for the picker.
    package var fabrics: [(name: String, url: String)] = []
    /// What keeps ended requests: memory, sqlite or clickhouse.
    package var history = "memory"

    /// Requests and answers that operators may reveal and retry, together; 0: none are kept.
    package var payloadBytes = 0
    package var payloadAge = Duration.seconds(3600)

    package init() {}
}
