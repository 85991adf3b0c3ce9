extension CommandTree {
    static let lab = CommandShape(
        name: "lab",
        abstract: "Watch the scheduler work, and change everything about it, in a browser.",
        discussion:
            "The runtime's own dispatch in simulated time, on a page: presets, weights, limits, tenants, arrivals; "
            + "messages that move, what their scores are made of, policies side by side on the same arrivals. No "
            + "backend is called. The console of a runtime has the same page.",
        options: [
            OptionShape("listen", value: "address", "Address (SLUICE_LAB_LISTEN; default: 127.0.0.1:8402)."),
            OptionShape("insecure", "Listen beyond this machine, where whoever reaches it may use it."),
            OptionShape("scenario", value: "file", "Begin with this scenario, a JSON file; see docs/lab.md."),
            OptionShape("trace", value: "file", "Let these requests arrive, as sluice simulate --record writes them."),
            OptionShape("open", "Open the page in the browser."),
        ],
        examples: [
            Example("sluice lab", "Prints where it is"),
            Example("sluice lab --trace trace.jsonl", "Yesterday's requests under other rules"),
        ]
    )
}
