/// What a model's name tells about what it understands.
struct GeminiModel: Sendable, Equatable {
    /// Without `models/`; may hold a path, as `tunedModels/x` or `publishers/google/models/x`.
    let name: String
    /// Ten times the version, e.g. 25 or 31; 0: not a Gemini.
    let generation: Int
    /// What follows `gemini-`.
    private let variant: Substring

    /// Names without a version, as `gemini-flash-latest`, mean the newest.
    private static let newest = 30

    init(_ name: String) {
        self.name = name.hasPrefix("models/") ? String(name.dropFirst("models/".count)) : name
        let last = self.name.split(separator: "/").last ?? ""
        guard last.hasPrefix("gemini-") else {
            self.generation = 0
            self.variant = ""
            return
        }
        self.variant = last.dropFirst("gemini-".count)
        self.generation = Self.generation(self.variant)
    }

    private static func generation(_ variant: Substring) -> Int {
        let number = variant.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard let first = parts.first, first.utf8.count <= 2, let major = Int(first) else { return Self.newest }
        let minor = parts.count > 1 ? parts[1].prefix(1) : "0"
        return major * 10 + (Int(minor) ?? 0)
    }

    /// Takes JSON Schema itself for tools and answers; older ones only OpenAPI's subset of it.
    var takesJSONSchema: Bool { self.generation >= 25 }
    /// Answers in JSON and calls functions in the same request.
    var combinesFormatAndTools: Bool { self.generation >= 30 }
    /// Refuses the first call of a step without a thought signature, and numbers its calls.
    var wantsSignatures: Bool { self.generation >= 30 }
    /// Reads `https:` addresses by itself.
    var readsAddresses: Bool { self.generation == 0 || self.generation >= 25 }

    var thinking: GeminiThinking {
        let row = GeminiThinking.rows.first { self.variant.hasPrefix($0.prefix) }
        if let row { return row.control }
        if self.generation >= 30 { return GeminiThinking.ofLaterGenerations }
        return self.generation >= 25 ? GeminiThinking.ofGeneration25 : .absent
    }
}
