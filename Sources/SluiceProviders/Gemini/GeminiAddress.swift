import SluiceWire

/// Where a model is asked: the API-key endpoint, or a project of Google Cloud.
struct GeminiAddress: Sendable {
    let provider: String
    let isVertex: Bool
    let endpoint: ProviderEndpoint

    static let keyBase = "https://generativelanguage.googleapis.com/v1beta"

    /// - Parameter method: e.g. `generateContent`.
    func url(_ model: GeminiModel, _ method: String) throws(ProviderError) -> String {
        let name = try self.path(model.name)
        let base = try self.base()
        if model.name.utf8.contains(UInt8(ascii: "/")) { return "\(base)/\(name):\(method)" }
        return self.isVertex ? "\(base)/publishers/google/models/\(name):\(method)" : "\(base)/models/\(name):\(method)"
    }

    func headers() throws(ProviderError) -> HTTPFields {
        try ProviderHeaders.fields(self.endpoint, provider: self.provider, keyHeader: "x-goog-api-key")
    }

    private func base() throws(ProviderError) -> String {
        let stated = self.endpoint.baseURL
        guard self.isVertex else { return stated.isEmpty ? Self.keyBase : stated }
        // An address that names the project already is whole.
        if Bytes.firstRange(of: "/projects/", in: stated) != nil { return stated }
        let settings = self.endpoint.settings
        guard let project = settings["project"], !project.isEmpty else {
            // A key of Vertex' express mode belongs to a project of its own.
            guard case .key = self.endpoint.credential else {
                throw self.refused("the setting 'project' is missing", "project")
            }
            return Self.versioned(stated.isEmpty ? "https://aiplatform.googleapis.com" : stated)
        }
        let location = settings["location"] ?? "global"
        // Both become part of the address: the host that gets the token must stay Google's.
        guard Self.isName(location), Self.isName(project, also: ":.") else {
            throw self.refused("the settings 'project' and 'location' are not names", "location")
        }
        let isOwn = stated.isEmpty || stated == "https://\(location)-aiplatform.googleapis.com"
        let host = isOwn ? Self.host(location) : stated
        return "\(Self.versioned(host))/projects/\(project)/locations/\(location)"
    }

    private static func host(_ location: String) -> String {
        switch location {
        case "global": "https://aiplatform.googleapis.com"
        case "us", "eu": "https://aiplatform.\(location).rep.googleapis.com"
        default: "https://\(location)-aiplatform.googleapis.com"
        }
    }

    /// With `/v1` unless it ends in a version.
    private static func versioned(_ base: String) -> String {
        let bytes = base.utf8
        let slash = bytes.lastIndex(of: UInt8(ascii: "/"))
        let last = slash.map { bytes[bytes.index(after: $0)...] } ?? bytes[...]
        let isVersion = last.first == UInt8(ascii: "v") && last.dropFirst().first.map { $0 &- 48 < 10 } == true
        return isVersion ? base : base + "/v1"
    }

    private static func isName(_ text: String, also others: String = "") -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                (byte | 0x20) &- 97 < 26 || byte &- 48 < 10 || byte == UInt8(ascii: "-") || others.utf8.contains(byte)
            }
    }

    /// The model's name as a part of an address: it comes from the caller.
    private func path(_ name: String) throws(ProviderError) -> String {
        if name.utf8.allSatisfy({ Self.isPlain($0) && $0 != UInt8(ascii: "/") }), name != ".", name != "..",
            !name.isEmpty
        {
            return name
        }
        let segments = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !segments.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
            throw ProviderError(
                .notFound,
                "'\(name)' is not the name of a model",
                provider: self.provider,
                code: "model_not_found",
                parameter: "model"
            )
        }
        if name.utf8.allSatisfy(Self.isPlain) { return name }
        var path = ""
        for byte in name.utf8 {
            if Self.isPlain(byte) {
                path.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let hex = String(byte, radix: 16, uppercase: true)
                path += hex.utf8.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
        return path
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "/"),
            UInt8(ascii: "@"):
            true
        default: (byte | 0x20) &- 97 < 26 || byte &- 48 < 10
        }
    }

    private func refused(_ what: String, _ setting: String) -> ProviderError {
        ProviderError(.badRequest, "provider '\(self.provider)': \(what)", provider: self.provider, parameter: setting)
    }
}
