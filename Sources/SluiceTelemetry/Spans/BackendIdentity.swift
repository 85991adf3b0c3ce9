/// Where a backend is and whose, for spans.
package struct BackendIdentity: Sendable, Equatable {
    /// By OpenTelemetry's names.
    package var provider: String
    package var address: String?
    package var port: Int?
    /// As people know it, e.g. `https://api.openai.com/v1`, without credentials.
    package var url: String?

    /// - Parameters:
    ///   - provider: by the registry's name; `nil`: a server of one's own.
    ///   - url: without credentials.
    package init(provider: String?, url: String?) {
        self.provider = GenAI.provider(provider)
        self.url = url
        guard let url, let scheme = url.firstRange(of: "://") else { return }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" }
        var host = authority
        var port: Substring?
        if let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") {
            host = authority[..<colon]
            port = authority[authority.index(after: colon)...]
        }
        if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        self.address = host.isEmpty ? nil : String(host)
        self.port = port.flatMap { Int($0) } ?? (url.hasPrefix("https:") ? 443 : 80)
    }
}
