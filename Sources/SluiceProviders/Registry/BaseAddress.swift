/// An `http:` or `https:` address in its parts, so that addresses are compared by what they are and not by what they
/// look like.
package struct BaseAddress: Sendable, Equatable {
    package var scheme: String
    /// Lower case; IPv6 with its brackets.
    package var host: String
    package var port: Int
    /// Path segments without empty ones.
    package var segments: [String]

    /// - Returns: `nil` for what is no such address, and for all that hides where it leads: user names, backslashes,
    ///   white space, queries, fragments, segments of dots, other than ASCII in the host.
    package init?(_ text: String) {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }
        guard isPlain, !text.contains("?"), !text.contains("#"), let colon = text.firstRange(of: "://") else {
            return nil
        }
        let scheme = text[..<colon.lowerBound].lowercased()
        guard scheme == "https" || scheme == "http" else { return nil }
        let rest = text[colon.upperBound...]
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<end].lowercased()
        guard !authority.contains("@"), authority.utf8.allSatisfy({ $0 < 0x80 && $0 != UInt8(ascii: "%") }) else {
            return nil
        }
        guard let (host, port) = Self.split(authority, isSecure: scheme == "https") else { return nil }
        let segments = rest[end...].split(separator: "/").map { String($0) }
        guard !segments.contains(where: Self.isMisleading) else { return nil }
        self.scheme = scheme
        self.host = host
        self.port = port
        self.segments = segments
    }

    private static func split(_ authority: String, isSecure: Bool) -> (host: String, port: Int)? {
        let colon =
            authority.hasPrefix("[")
            ? authority.firstRange(of: "]:")?.upperBound : authority.firstRange(of: ":")?.upperBound
        guard let colon else {
            let isOpen = authority.hasPrefix("[") != authority.hasSuffix("]")
            return authority.isEmpty || isOpen ? nil : (authority, isSecure ? 443 : 80)
        }
        let digits = authority[colon...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = Int(digits),
            (1...65535).contains(port)
        else { return nil }
        let host = String(authority[..<authority.index(before: colon)])
        return host.isEmpty ? nil : (host, port)
    }

    /// Whether a segment may be read as another: dots that lead elsewhere, also when they are encoded.
    private static func isMisleading(_ segment: String) -> Bool {
        let lower = segment.lowercased()
        return segment == "." || segment == ".." || lower.contains("%2e") || lower.contains("%2f")
            || lower.contains("%5c")
    }

    /// Whether the other address is this one or below it.
    package func covers(_ other: BaseAddress) -> Bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
            && other.segments.starts(with: self.segments)
    }
}
