/// The command line as people see it.
enum CommandTree {
    static let root = CommandShape(
        name: "sluice",
        abstract: "Takes LLM work in, decides what runs next, and shows where everything is.",
        options: [OptionShape("version", "Show the version.")],
        examples: [
            Example("sluice serve --demo", "Try it without a model: the runtime and a simulated backend"),
            Example("OPENAI_API_BASE=http://localhost:8000/v1 sluice serve", "In front of a vLLM server"),
            Example("sluice ls --state queued", "What waits, and why"),
        ],
        subcommands: [
            serve, gateway, dispatcher, mock, list, show, history, explain, cancel, pools, top, doctor, try_, simulate,
            lab, config, version,
        ],
        runsAlone: false
    )

    private static var configurationOptions: [OptionShape] {
        var seen: Set<String> = []
        let flags = ConfigurationSchema.keys.compactMap { key -> OptionShape? in
            guard let flag = key.flag, seen.insert(flag).inserted else { return nil }
            if case .toggle = key.kind { return OptionShape(flag, key.help) }
            let fallback = key.fallback.map { " (default: \($0))" } ?? ""
            return OptionShape(flag, value: "value", key.help + fallback)
        }
        return flags + [
            OptionShape("config", value: "file", "Configuration file (SLUICE_CONFIG)."),
            OptionShape("set", value: "key=value", repeats: true, "Any configuration key, e.g. pools.default.slots=8."),
        ]
    }

    private static let serve = CommandShape(
        name: "serve",
        abstract: "Run the gateway, the queue and the dispatcher in this process.",
        discussion:
            "Stops on SIGTERM or Ctrl-C after running requests have ended (--drain); a second one stops at once. "
            + "SIGHUP reads the configuration again.",
        options: configurationOptions + [OptionShape("demo", "Use a simulated backend in this process.")],
        examples: [
            Example("sluice serve --demo", "With a simulated backend"),
            Example("sluice serve --config sluice.yaml --listen 127.0.0.1:8400", "With a configuration file"),
        ]
    )

    private static let gateway = CommandShape(
        name: "gateway",
        abstract: "Run a gateway: takes work in over HTTP and puts it onto Valkey's lists.",
        discussion:
            "Dispatchers, ours or others that speak the same contract, take it from there; see docs/wire-contract.md. "
            + "The operator API shows the whole fabric.",
        options: configurationOptions,
        examples: [Example("LLM_QUEUE_VALKEY_URL=redis://127.0.0.1:6379/0 sluice gateway", "On port 8400")]
    )

    private static let dispatcher = CommandShape(
        name: "dispatcher",
        abstract: "Run a dispatcher: takes work off Valkey's lists, calls the backend, pushes the replies.",
        discussion:
            "Listens on 127.0.0.1:8401 unless told otherwise, for /healthz, /readyz, /metrics and the operator API. "
            + "On SIGTERM it gives back what it has not sent and finishes what runs (--drain).",
        options: configurationOptions,
        examples: [
            Example("LLM_QUEUE_VALKEY_URL=redis://127.0.0.1 OPENAI_API_KEY=EMPTY sluice dispatcher", "All pools"),
            Example("sluice dispatcher --pools small,large --config sluice.yaml", "Two of the configured pools"),
        ]
    )

    private static let mock = CommandShape(
        name: "mock",
        abstract: "Run a simulated backend that speaks every provider's wire.",
        discussion:
            "Times are milliseconds: 50, uniform(10,50), normal(50,10) or lognormal(50,0.5). The behaviour can be "
            + "changed while it runs: PUT /mock/config. GET /mock/executions says what was executed, id by id. One "
            + "request overrides it by headers (x-mock-latency: 50) or by a last message such as "
            + "mock:{\"latency\":50}.",
        options: [
            OptionShape("listen", value: "address", "Address (SLUICE_MOCK_LISTEN; default: 127.0.0.1:9400)."),
            OptionShape("latency", value: "ms", "Time before an answer."),
            OptionShape("first-token", value: "ms", "Streams: more time before the first token."),
            OptionShape("tokens-per-second", value: "n", "Streams: pace; 0 is at once."),
            OptionShape("tokens", value: "n", "Tokens of an answer."),
            OptionShape("behaviour", value: "json", "Everything else, as for PUT /mock/config."),
            OptionShape("seed", value: "n", "Seed of what is drawn."),
            OptionShape("threads", value: "n", "Reactor threads (default: 1)."),
        ],
        examples: [
            Example("sluice mock --latency 'lognormal(300,0.5)'", "A long tail"),
            Example(#"sluice mock --behaviour '{"errors":{"500":0.1},"hang":0.01}'"#, "Bad days"),
        ]
    )

    static let remote = [
        OptionShape("url", value: "url", "Where the runtime listens (SLUICE_URL; default: http://127.0.0.1:8400)."),
        OptionShape(
            "key-file",
            value: "file",
            "File with an operator's API key (SLUICE_API_KEY, SLUICE_API_KEY_FILE)."
        ),
        OptionShape.json,
    ]

    private static let list = CommandShape(
        name: "ls",
        abstract: "List requests: live ones first, then those that have ended.",
        options: remote + [
            OptionShape(
                "state",
                value: "state",
                "queued, claimed, started, streaming, live, ended, done, failed, cancelled, expired, dead."
            ),
            OptionShape("pool", value: "pool", "Of this pool."),
            OptionShape("tenant", value: "tenant", "Of this tenant."),
            OptionShape("model", value: "model", "For this model."),
            OptionShape("reason", value: "reason", "That wait or ended for this reason."),
            OptionShape("limit", value: "n", "At most so many (default: 50)."),
            OptionShape("watch", "Show the list again every second until Ctrl-C."),
        ],
        examples: [
            Example("sluice ls --state queued", "What waits, and why"),
            Example("sluice ls --state failed --json", "What failed, for a script"),
            Example("sluice ls --state live --watch", "What happens now"),
        ]
    )

    private static let show = CommandShape(
        name: "show",
        abstract: "Show one request with its attempts.",
        arguments: [ArgumentShape("id", "The request, e.g. req_01J....")],
        options: remote,
        examples: [Example("sluice show req_01K4Z3N8Q2V7X5M1R9T6B0WYCD", "Where it is and what happened")]
    )

    private static let history = CommandShape(
        name: "history",
        abstract: "Look up requests that have ended, and figures about them.",
        discussion:
            "Asks the store that keeps them: the process's memory, a file (--history of sluice serve) or ClickHouse. "
            + "A filter given twice means either; with ! in front of its value it means none of these.",
        options: remote + ClientCommand.historyOptions,
        examples: [
            Example("sluice history --outcome failed --outcome dead --from -1h", "What went wrong lately"),
            Example("sluice history --over 30s --sort -latency", "What was slow"),
            Example("sluice history --by model --bucket 5m --from -1h", "Figures for each model"),
            Example("sluice history --pool batch --csv --all > batch.csv", "For a spreadsheet"),
        ]
    )

    private static let explain = CommandShape(
        name: "explain",
        abstract: "Say why a request does not run yet, and when it should.",
        discussion:
            "One sentence first; then every gate with what was measured and what it is compared with, the score beside "
            + "that of the request that would be taken now, and the tenant's share.",
        arguments: [ArgumentShape("id", "The request, e.g. req_01J....")],
        options: remote,
        examples: [Example("sluice explain req_01K4Z3N8Q2V7X5M1R9T6B0WYCD", "Why not me yet?")]
    )

    private static let cancel = CommandShape(
        name: "cancel",
        abstract: "Cancel requests.",
        discussion:
            "Named by their ids, or all that match the options, which are counted first and cancelled with --yes. "
            + "An option given twice means either; with ! before a pool, tenant, model or producer, none of these.",
        arguments: [ArgumentShape("id", isOptional: true, repeats: true, "The requests.")],
        options: remote + ClientCommand.cancelOptions,
        examples: [
            Example("sluice cancel req_01K4Z3N8Q2V7X5M1R9T6B0WYCD", "Queued or running"),
            Example("sluice cancel --pool batch --state queued", "How many would that be?"),
            Example("sluice cancel --pool batch --state queued --yes", "All of them"),
        ]
    )

    private static let pools = CommandShape(
        name: "pools",
        abstract: "Show and steer pools.",
        discussion: "Actions: pause (accept, start nothing), resume, drain (finish, accept nothing), set.",
        arguments: [
            ArgumentShape("action", isOptional: true, "pause, resume, drain or set."),
            ArgumentShape("pool", isOptional: true, "The pool."),
        ],
        options: remote + PoolSettings.shapes,
        examples: [
            Example("sluice pools", "All pools"),
            Example("sluice pools pause default", "Stop starting work"),
            Example("sluice pools set default --slots 128", "More at once"),
            Example("sluice pools set default --policy fair --tokens-per-minute 600000", "Other rules, at once"),
        ]
    )

    private static let top = CommandShape(
        name: "top",
        abstract: "Watch pools, dispatchers and live requests on the terminal, and steer them.",
        discussion:
            "Keys: tab switches between pools, dispatchers and requests, arrows select, / filters, p pauses or resumes "
            + "a pool, c cancels a request, space freezes, ? explains, q quits. A look costs the gateway two calls.",
        options: remote + [
            OptionShape("interval", value: "span", "Time between two looks, from 1s (default: 1s)."),
            OptionShape("limit", value: "n", "Live requests that are sampled in each pool, to 250 (default: 100)."),
            OptionShape("once", "Look twice, an interval apart, print what was seen and end."),
        ],
        examples: [
            Example("sluice top", "What happens now"),
            Example("sluice top --once --json", "The same for a script"),
            Example("sluice top --url https://llm.example.com --key-file operator.key", "On another machine"),
        ]
    )

    private static let doctor = CommandShape(
        name: "doctor",
        abstract: "Say what is wrong with a running gateway, what shows it, and where to look first.",
        discussion:
            "Watches for a few seconds: queues that grow, requests that stick or vanish, backends, budgets, history, "
            + "dispatchers, Valkey, clocks. Ends with 0 when nothing is found and with 1 when something is.",
        options: remote + [
            OptionShape("watch-for", value: "span", "Time between the first and the last look (default: 5s)."),
            OptionShape(
                "stuck-after",
                value: "span",
                "In flight for longer than this, and than five times the usual, is stuck (default: 30s)."
            ),
        ],
        examples: [
            Example("sluice doctor", "What is wrong?"),
            Example("sluice doctor --watch-for 1m --json", "A longer look, for a script"),
        ]
    )

    private static let try_ = CommandShape(
        name: "try",
        abstract: "Send one completion and one stream, and print their answers and timelines.",
        options: remote + [
            OptionShape("model", value: "model", "Model to ask for (default: the first that is listed).")
        ],
        examples: [Example("sluice try", "Through a runtime on this machine")]
    )

    private static let config = CommandShape(
        name: "config",
        abstract: "Print the configuration that results from flags, environment, file and defaults.",
        arguments: [ArgumentShape("file", isOptional: true, "Configuration file, as --config.")],
        options: configurationOptions + [OptionShape.json, OptionShape("check", "Only say whether it is good.")],
        examples: [
            Example("sluice config", "Every value and where it comes from"),
            Example("sluice config --check sluice.yaml", "Before a restart"),
        ]
    )

    private static let version = CommandShape(name: "version", abstract: "Print the version.", options: [.json])
}
