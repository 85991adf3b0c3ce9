import SluiceSimulator

extension CommandTree {
    static let simulate = CommandShape(
        name: "simulate",
        abstract: "Compare scheduling policies on the same arrivals, in virtual time.",
        discussion:
            "The runtime's own dispatch, with a workload for clients and a model for a backend. Workloads: "
            + WorkloadShape.Name.allCases.map { "\($0.rawValue) (\($0.explanation))" }.joined(separator: "; ")
            + "; or a file of JSON lines, as --record writes them. Policies: "
            + SimulatedPolicy.Name.allCases.map { "\($0.rawValue) (\($0.explanation))" }.joined(separator: "; ") + ".",
        options: [
            OptionShape("policy", value: "names", "One or more, or all (default: fifo,priority,default)."),
            OptionShape("workload", value: "name", "A workload or a file (default: mixed)."),
            OptionShape("requests", value: "n", "At most so many (default: 20000)."),
            OptionShape("duration", value: "span", "No arrivals after this time."),
            OptionShape("load", value: "share", "Arrivals as a share of what slots and limits allow, e.g. 0.9."),
            OptionShape("rate", value: "n", "Arrivals a second, instead of a load."),
            OptionShape("slots", value: "n", "Requests that run at once (default: 64)."),
            OptionShape("requests-per-minute", value: "n", "The pool's limit."),
            OptionShape("tokens-per-minute", value: "n", "The pool's limit."),
            OptionShape("burst", value: "n", "Tokens at once (default: a minute's)."),
            OptionShape("burst-requests", value: "n", "Requests at once (default: a minute's)."),
            OptionShape("strict", "Never more than the limits in any 60 s."),
            OptionShape("tenants", value: "list", "How many, or their shares of the arrivals: a=1,b=3."),
            OptionShape("tenant-weights", value: "list", "Their shares of the service: a=1,b=2."),
            OptionShape("tenant-in-flight", value: "n", "Requests of one tenant that run at once."),
            OptionShape("one-crowd", "Do not serve tenants in turn."),
            OptionShape("only", value: "tenant", "Leave out the requests of all others."),
            OptionShape("users", value: "n", "A closed loop of so many users."),
            OptionShape("think", value: "span", "Mean time between an answer and a user's next request (default: 5s)."),
            OptionShape("deadline", value: "span", "Time that clients wait in all; off: for ever (the default)."),
            OptionShape(
                "weights",
                value: "list",
                "Adds the policy custom, the default one with other weights: priority=0.5,processing-time=0.3."
            ),
            OptionShape("candidates", value: "n", "Requests that are scored beyond the first of each kind."),
            OptionShape("maximum-wait", value: "span", "Who has waited longer is served by age."),
            OptionShape("shed-target", value: "span", "Age of the queue that counts as overload."),
            OptionShape("prompt-speed", value: "n", "Prompt tokens a second (default: 8000)."),
            OptionShape("token-speed", value: "n", "Completion tokens a second (default: 50)."),
            OptionShape("overhead", value: "span", "Time that every call takes besides (default: 50ms)."),
            OptionShape(
                "slow-down",
                value: "n",
                "How much longer calls take when all slots are busy; 1: twice as long."
            ),
            OptionShape("modelled", "Take service times from this model although the trace has recorded ones."),
            OptionShape("estimate-error", value: "n", "Spread of the logarithm of estimated tokens (default: 0.3)."),
            OptionShape("seed", value: "n", "Everything that is drawn (default: 1)."),
            OptionShape(
                "record",
                value: "url",
                "Write what ended at a running system as a trace, and simulate nothing."
            ),
            OptionShape("key-file", value: "file", "With --record: file with an operator's API key."),
            .json,
        ],
        examples: [
            Example("sluice simulate", "Short chats beside long documents, under three policies"),
            Example("sluice simulate --workload flood --policy fifo,default", "Three tenants beside one that floods"),
            Example(
                "sluice simulate --workload backlog --tokens-per-minute 600000 --strict",
                "How much of a limit is used"
            ),
            Example("sluice simulate --record http://127.0.0.1:8400 > trace.jsonl", "Record a running system"),
            Example("sluice simulate --workload trace.jsonl --policy all --load 1.2", "And replay it, with more load"),
        ]
    )
}
