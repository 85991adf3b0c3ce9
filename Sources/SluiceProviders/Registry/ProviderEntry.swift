/// A row of the table of providers: all that is to be known of one before it is called.
package struct ProviderEntry: Sendable {
    /// How one speaks with it.
    package enum Wire: Sendable {
        /// OpenAI's chat completions, with what is different there.
        case openAI(OpenAIQuirks)
        case azure
        case anthropic
        case gemini
        case vertex
        case bedrock
        case cohere
    }

    /// A setting that it takes beside key and base, e.g. `region`.
    package struct Setting: Sendable {
        package var name: String
        /// Variables that hold it, the first that is set counts.
        package var environment: [String]
        package var fallback: String?

        init(_ name: String, _ environment: [String] = [], or fallback: String? = nil) {
            self.name = name
            self.environment = environment
            self.fallback = fallback
        }
    }

    /// Lower case, as in `name/model`.
    package var name: String
    package var aliases: [String] = []
    /// For people.
    package var title: String
    package var wire: Wire
    /// Without a slash at the end; may hold `{region}` and other settings. `nil`: it has to be configured.
    package var baseURL: String?
    /// Variables that hold its address, in order.
    package var baseEnvironment: [String] = []
    /// Variables that hold its key, in order.
    package var keyEnvironment: [String] = []
    /// Variables that hold a token for `Authorization: Bearer`, in order; asked after those of the key.
    package var bearerEnvironment: [String] = []
    /// Whether it can be called without a key, as most servers of one's own.
    package var isKeyOptional = false
    /// How the names of its models begin, for requests that do not name a provider.
    package var modelPrefixes: [String] = []
    package var settings: [Setting] = []

    init(_ name: String, _ title: String, _ wire: Wire, base: String?) {
        self.name = name
        self.title = title
        self.wire = wire
        self.baseURL = base
    }

    /// All variables that change how it is called.
    package var environment: [String] {
        var names = self.keyEnvironment + self.bearerEnvironment + self.baseEnvironment
        for setting in self.settings { names += setting.environment }
        if case .bedrock = self.wire {
            names += ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
        }
        return names
    }

    func aliases(_ names: String...) -> ProviderEntry { self.with { $0.aliases = names } }
    func keys(_ names: String...) -> ProviderEntry { self.with { $0.keyEnvironment = names } }
    func bearers(_ names: String...) -> ProviderEntry { self.with { $0.bearerEnvironment = names } }
    func bases(_ names: String...) -> ProviderEntry { self.with { $0.baseEnvironment = names } }
    func models(_ prefixes: String...) -> ProviderEntry { self.with { $0.modelPrefixes = prefixes } }
    func settings(_ settings: Setting...) -> ProviderEntry { self.with { $0.settings = settings } }
    var withOptionalKey: ProviderEntry { self.with { $0.isKeyOptional = true } }

    private func with(_ change: (inout ProviderEntry) -> Void) -> ProviderEntry {
        var entry = self
        change(&entry)
        return entry
    }
}
