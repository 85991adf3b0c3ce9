import SluiceGateway

// Who may see and steer the runtime, and how its operators reach it.
extension ConfigurationSchema {
    static let operators: [ConfigurationKey] = [
        .init(
            path: "api_keys.*.role",
            kind: .choice(OperatorRole.allCases.map(\.rawValue)),
            isLive: true,
            help: "What it may do with the operator API; not set: only see and cancel its own requests."
        ),
        .init(
            path: "http.path_prefix",
            kind: .text,
            flag: "path-prefix",
            help: "Served below this path as well, e.g. /sluice, for proxies that pass it on."
        ),
        .init(
            path: "console.read_only",
            kind: .toggle,
            fallback: "false",
            flag: "read-only",
            help: "Refuse operators, whatever their role, everything that changes or reveals something."
        ),
        .init(
            path: "console.trace_url",
            kind: .url(["http", "https"]),
            help: "Where traces are shown, with {trace_id} in the place of the id."
        ),
        .init(
            path: "console.fabrics",
            kind: .table(isSecret: false),
            help: "Other gateways by name, with the URLs of their consoles, for the picker."
        ),
        .init(
            path: "audit.path",
            kind: .path,
            help: "File to which every action of an operator is appended, as a line of JSON; beside memory."
        ),
        .init(
            path: "payloads.max_bytes",
            kind: .size(0...(64 << 30)),
            fallback: "0B",
            help: "Requests and answers that are kept for admins to reveal, and to retry, together; 0B keeps none."
        ),
        .init(
            path: "payloads.max_age",
            kind: .duration(.seconds(1)...(.seconds(30 * 86_400))),
            fallback: "1h",
            help: "How long they are kept."
        ),
        .init(
            path: "dead.max_requests",
            kind: .integer(0...1_000_000),
            fallback: "10000",
            help: "Failed, dead and lost requests that are kept to be looked at and redriven."
        ),
        .init(
            path: "dead.max_bytes",
            kind: .size(0...(64 << 30)),
            fallback: "64MiB",
            help: "What they asked, together, so that they can be redriven; 0B keeps nothing of that."
        ),
        .init(
            path: "dead.max_age",
            kind: .duration(.seconds(1)...(.seconds(90 * 86_400))),
            fallback: "7d",
            help: "How long they are kept."
        ),
        .init(
            path: "dead.redrive_rate",
            kind: .integer(1...10_000),
            fallback: "20",
            help: "Redriven requests that are sent a second, of all redrives together."
        ),
    ]
}
