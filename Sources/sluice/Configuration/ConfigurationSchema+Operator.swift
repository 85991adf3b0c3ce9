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
    ]
}
