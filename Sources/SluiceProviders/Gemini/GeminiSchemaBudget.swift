/// What the schemas of one request may come to once their references are written out: few bytes can name each other so
/// that they would fill the memory.
struct GeminiSchemaBudget {
    private static let maximumNodes = 16_384
    private static let maximumBytes = 8 << 20

    private var nodes = Self.maximumNodes
    /// Of what references stand for, each time that one is followed.
    private var bytes = Self.maximumBytes
    /// Whose schema was the first that is too large.
    private(set) var exceededBy: String?

    var isExhausted: Bool { self.exceededBy != nil }

    mutating func takeNode(for owner: String) -> Bool {
        guard !self.isExhausted else { return false }
        self.nodes -= 1
        if self.nodes < 0 { self.exceededBy = owner }
        return !self.isExhausted
    }

    mutating func take(bytes: Int, for owner: String) -> Bool {
        guard !self.isExhausted else { return false }
        self.bytes -= min(bytes, Self.maximumBytes + 1)
        if self.bytes < 0 { self.exceededBy = owner }
        return !self.isExhausted
    }

    func failure(provider: String) -> ProviderError? {
        self.exceededBy.map { owner in
            ProviderError(
                .badRequest,
                "the schema of \(owner) is too large for this model, which takes no references: written out it has "
                    + "more than \(Self.maximumNodes) parts or \(Self.maximumBytes) bytes",
                provider: provider,
                code: "schema_too_large"
            )
        }
    }
}
