import SluiceBasics
import SluiceWire

/// The options of `sluice pools set` as the body of a change. What values make sense is for the server to say; here it
/// is only read what kind of value they are.
struct PoolSettings {
    enum Kind {
        case number
        /// With the units of sizes.
        case size
        case decimal
        case duration
        case word
        case toggle
        /// `name=number,name=number`
        case numbers
    }

    struct Option {
        /// On the command line, without dashes.
        let name: String
        /// In the body: empty for the body itself.
        let section: String
        let field: String
        let kind: Kind
        /// Whether `off` is a value.
        let canBeOff: Bool
        let help: String

        init(
            _ name: String,
            _ path: String,
            _ kind: Kind,
            canBeOff: Bool = false,
            _ help: String
        ) {
            self.name = name
            let parts = path.split(separator: ".")
            self.section = parts.count == 2 ? String(parts[0]) : ""
            self.field = parts.last.map(String.init) ?? ""
            self.kind = kind
            self.canBeOff = canBeOff
            self.help = help
        }

        var takes: String {
            switch self.kind {
            case .number: "n"
            case .size: "size"
            case .decimal: "x"
            case .duration: "span"
            case .word: "name"
            case .toggle: "on|off"
            case .numbers: "name=x,..."
            }
        }
    }

    static let options: [Option] = [
        .init("slots", "slots", .size, "requests that run at once."),
        .init("max-requests", "maximum_requests", .size, "queued and running requests together."),
        .init("max-bytes", "maximum_bytes", .size, "their payloads together, e.g. 256MiB."),
        .init(
            "max-requests-per-tenant",
            "maximum_requests_per_tenant",
            .size,
            canBeOff: true,
            "one tenant's requests; off: no limit."
        ),
        .init("policy", "policy.preset", .word, "what runs next: default, fifo, priority, fair, ..."),
        .init(
            "weights",
            "policy.weights",
            .numbers,
            "how much each scorer counts, e.g. priority=0.5,wait_time=0.3."
        ),
        .init("min-score", "policy.min_score", .decimal, "what scores less comes last."),
        .init("candidates", "policy.candidates", .number, "requests that are scored for each choice."),
        .init("max-wait", "policy.max_wait_ms", .duration, "who has waited longer is served by age alone."),
        .init(
            "requests-per-minute",
            "limits.requests_per_minute",
            .number,
            canBeOff: true,
            "calls of the backend a minute; off: no limit."
        ),
        .init(
            "tokens-per-minute",
            "limits.tokens_per_minute",
            .number,
            canBeOff: true,
            "tokens a minute; off: no limit."
        ),
        .init("burst-requests", "limits.burst_requests", .number, canBeOff: true, "calls at once."),
        .init("burst-tokens", "limits.burst_tokens", .number, canBeOff: true, "tokens at once."),
        .init("limit-mode", "limits.mode", .word, "smooth or strict."),
        .init("provider-limits", "limits.provider_limits", .toggle, "keep to the limits that the backend states."),
        .init("fair-tenants", "tenants.fair", .toggle, "serve tenants in turn."),
        .init(
            "tenant-weights",
            "tenants.weights",
            .numbers,
            canBeOff: true,
            "shares of tenants, e.g. chat=4,reports=1; off: all alike."
        ),
        .init(
            "tenant-max-in-flight",
            "tenants.max_in_flight",
            .number,
            canBeOff: true,
            "one tenant's requests that run at once; off: no limit."
        ),
        .init("concurrency", "concurrency", .word, "fixed or adaptive."),
        .init(
            "shed-after",
            "shedding.after_ms",
            .duration,
            canBeOff: true,
            "shed when the oldest stays older; off."
        ),
        .init("shed-interval", "shedding.interval_ms", .duration, "for as long as this."),
    ]

    static var shapes: [OptionShape] {
        Self.options.map { OptionShape($0.name, value: $0.takes, "set: " + $0.help) }
    }

    /// The body of `PATCH /api/pools/{id}`; `nil` when nothing is set.
    static func body(_ invocation: Invocation) throws(ClientCommand.Failure) -> [UInt8]? {
        let given = Self.options.compactMap { option in invocation.value(option.name).map { (option, $0) } }
        guard !given.isEmpty else { return nil }
        if let wrong = given.first(where: { !Self.fits($0.0, $0.1) })?.0 {
            throw ClientCommand.Failure(
                code: ExitCode.usage,
                message: "--\(wrong.name) needs \(Self.needs(wrong.kind))\(wrong.canBeOff ? ", or off" : "")"
            )
        }
        var json = JSONWriter()
        json.object { json in
            var sections: [String] = []
            for (option, _) in given where !sections.contains(option.section) { sections.append(option.section) }
            for section in sections {
                let members = given.filter { $0.0.section == section }
                guard !section.isEmpty else {
                    for (option, text) in members { Self.write(option, text, to: &json) }
                    continue
                }
                json.object(section) { json in
                    for (option, text) in members { Self.write(option, text, to: &json) }
                }
            }
        }
        return json.bytes
    }

    private static func isOff(_ option: Option, _ text: String) -> Bool {
        option.canBeOff && ["off", "none"].contains(text)
    }

    private static func needs(_ kind: Kind) -> String {
        switch kind {
        case .number, .size: "a whole number"
        case .decimal: "a number"
        case .duration: "a duration such as 250ms or 10s"
        case .word: "a word"
        case .toggle: "on or off"
        case .numbers: "names with numbers: a=1,b=2"
        }
    }

    private static func numbers(_ text: String) -> [(name: String, number: Double)]? {
        var numbers: [(name: String, number: Double)] = []
        for part in text.split(separator: ",") {
            let sides = part.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, let number = Double(String(sides[1])), number.isFinite else { return nil }
            numbers.append((String(sides[0]), number))
        }
        return numbers.isEmpty ? nil : numbers
    }

    private static func fits(_ option: Option, _ text: String) -> Bool {
        if Self.isOff(option, text) { return true }
        return switch option.kind {
        case .number: Int(text) != nil
        case .size: SizeText.parse(text) != nil
        case .decimal: Double(text)?.isFinite == true
        case .duration: DurationText.parse(text) != nil
        case .word: !text.isEmpty
        case .toggle: ["on", "off", "true", "false"].contains(text)
        case .numbers: Self.numbers(text) != nil
        }
    }

    private static func write(_ option: Option, _ text: String, to json: inout JSONWriter) {
        if Self.isOff(option, text) { return json.nullField(option.field) }
        switch option.kind {
        case .number: json.field(option.field, Int(text))
        case .size: json.field(option.field, SizeText.parse(text))
        case .decimal: json.field(option.field, Double(text))
        case .duration:
            json.field(option.field, DurationText.parse(text).map { Int($0.wholeNanoseconds / 1_000_000) })
        case .word: json.field(option.field, text)
        case .toggle: json.field(option.field, ["on", "true"].contains(text))
        case .numbers:
            json.object(option.field) { json in
                for (name, number) in Self.numbers(text) ?? [] { json.field(name, number) }
            }
        }
    }
}
