// The lab: simulations of the scheduler, in the console.
extension ConfigurationSchema {
    static let lab: [ConfigurationKey] = [
        .init(
            path: "lab.enabled",
            kind: .toggle,
            fallback: "true",
            help: "Whether the console's lab simulates the scheduler here, on a thread of its own."
        ),
        .init(
            path: "lab.max_sessions",
            kind: .integer(1...256),
            fallback: "8",
            help: "Sessions of the lab at once."
        ),
        .init(
            path: "lab.idle",
            kind: .duration(.seconds(1) ... .seconds(86_400)),
            fallback: "10m",
            help: "A session of the lab that nobody has watched for so long goes."
        ),
        .init(
            path: "lab.max_trace_bytes",
            kind: .size(1024...(16 << 30)),
            fallback: "64MiB",
            help: "Recorded traces that the lab keeps in memory; what was not used for the longest makes room."
        ),
        .init(
            path: "lab.max_run",
            kind: .duration(.milliseconds(10) ... .seconds(600)),
            fallback: "30s",
            help: "Time that one comparison of policies may take."
        ),
    ]
}
