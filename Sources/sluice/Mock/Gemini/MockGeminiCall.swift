/// What the path of a Gemini request says, with Google's API key or at Vertex.
struct MockGeminiCall: Sendable {
    var model: String
    var isVertex: Bool
    var isStream: Bool
    /// Server-sent events; otherwise a stream is one JSON array.
    var isEvents: Bool

    /// `nil` unless content is to be generated.
    init?(path: String, query: [(name: String, value: String)]) {
        guard let target = MockGeminiTarget(path: path) else { return nil }
        switch target.verb {
        case "generateContent": self.isStream = false
        case "streamGenerateContent": self.isStream = true
        default: return nil
        }
        self.model = target.model
        self.isVertex = target.isVertex
        self.isEvents = query.contains { $0.name == "alt" && $0.value == "sse" }
    }
}

/// `…/models/{model}:{verb}`.
struct MockGeminiTarget {
    var model: String
    var verb: String
    var isVertex = false

    init?(path: String) {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count >= 3, let version = parts.first, ["v1beta", "v1alpha", "v1", "v1beta1"].contains(version),
            let last = parts.last, let colon = last.lastIndex(of: ":")
        else { return nil }
        self.model = String(last[..<colon])
        self.verb = String(last[last.index(after: colon)...])
        if parts.count == 3, parts[1] == "models" { return }
        self.isVertex = true
        guard parts.count == 9, parts[1] == "projects", parts[3] == "locations", parts[5] == "publishers",
            parts[6] == "google", parts[7] == "models"
        else { return nil }
    }
}
