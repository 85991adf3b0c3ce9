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
        let bare = name.hasPrefix("models/") ? String(name.dropFirst("models/".count)) : name
        self.name = bare
        let slash = bare.utf8.lastIndex(of: UInt8(ascii: "/"))
        let last = slash.map { bare[bare.utf8.index(after: $0)...] } ?? bare[...]
        guard last.hasPrefix("gemini-") else {
            self.generation = 0
            self.variant = ""
            return
        }
        self.variant = last.dropFirst("gemini-".count)
        self.generation = Self.generation(self.variant)
    }

    private static func generation(_ variant: Substring) -> Int {
        var digits = variant.utf8.makeIterator()
        guard let first = digits.next(), first &- 48 < 10 else { return Self.newest }
        var major = Int(first &- 48)
        var next = digits.next()
        if let byte = next, byte &- 48 < 10 {
            major = major * 10 + Int(byte &- 48)
            next = digits.next()
        }
        guard next == UInt8(ascii: "."), let minor = digits.next(), minor &- 48 < 10 else {
            // A longer number is a date.
            return next.map { $0 &- 48 < 10 } == true ? Self.newest : major * 10
        }
        return major * 10 + Int(minor &- 48)
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
