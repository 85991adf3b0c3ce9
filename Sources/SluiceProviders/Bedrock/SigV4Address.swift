/// A URL as AWS's signatures see it.
struct SigV4Address {
    /// What the `Host` header will be: without user and password, and without the scheme's own port.
    let host: String
    /// Encoded once more than it is on the wire.
    let canonicalPath: String
    /// Names and values encoded and in order.
    let canonicalQuery: String

    init(_ url: String, normalizesPath: Bool = true) {
        var rest = Array(url.utf8)[...]
        var isPlain = false
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")), rest[colon...].starts(with: "://".utf8) {
            isPlain = Bytes.equals(rest[..<colon], "http")
            rest = rest[(colon + 3)...]
        }
        rest = rest.prefix { $0 != UInt8(ascii: "#") }
        let beforeQuery = rest.prefix { $0 != UInt8(ascii: "?") }
        let query = rest[beforeQuery.endIndex...].dropFirst()
        let authority = beforeQuery.prefix { $0 != UInt8(ascii: "/") }
        self.host = Self.host(authority, ownPort: isPlain ? ":80" : ":443")
        self.canonicalPath = Self.path(beforeQuery[authority.endIndex...], normalizes: normalizesPath)
        self.canonicalQuery = Self.query(query)
    }

    private static func host(_ authority: ArraySlice<UInt8>, ownPort: String) -> String {
        var host = authority
        if let at = host.lastIndex(of: UInt8(ascii: "@")) { host = host[(at + 1)...] }
        if host.suffix(ownPort.utf8.count).elementsEqual(ownPort.utf8) { host = host.dropLast(ownPort.utf8.count) }
        return String(decoding: host, as: UTF8.self)
    }

    /// Empty segments, `.` and `..` resolved (RFC 3986, 5.2.4), then every segment encoded, percent signs too.
    private static func path(_ path: ArraySlice<UInt8>, normalizes: Bool) -> String {
        guard normalizes else { return path.isEmpty ? "/" : Self.encoded(path, keepsSlash: true) }
        var segments: [ArraySlice<UInt8>] = []
        var endsWithSlash = true
        for segment in path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let isParent = segment.elementsEqual("..".utf8)
            let isName = !isParent && !segment.isEmpty && !segment.elementsEqual(".".utf8)
            if isParent { _ = segments.popLast() }
            if isName { segments.append(segment) }
            endsWithSlash = !isName
        }
        guard !segments.isEmpty else { return "/" }
        let joined = segments.map { "/\(Self.encoded($0))" }.joined()
        return endsWithSlash ? "\(joined)/" : joined
    }

    private static func query(_ query: ArraySlice<UInt8>) -> String {
        guard !query.isEmpty else { return "" }
        var parameters = query.split(separator: UInt8(ascii: "&")).map { parameter in
            let name = parameter.prefix { $0 != UInt8(ascii: "=") }
            let value = parameter[name.endIndex...].dropFirst()
            return (name: Self.encoded(Self.decoded(name)), value: Self.encoded(Self.decoded(value)))
        }
        parameters.sort { left, right in
            if left.name != right.name { return left.name.utf8.lexicographicallyPrecedes(right.name.utf8) }
            return left.value.utf8.lexicographicallyPrecedes(right.value.utf8)
        }
        return parameters.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    /// Percent-encodes every byte but RFC 3986's unreserved ones.
    static func encoded(_ bytes: some Sequence<UInt8>, keepsSlash: Bool = false) -> String {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.underestimatedCount + 16)
        for byte in bytes {
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.append(byte)
            case UInt8(ascii: "/") where keepsSlash: result.append(byte)
            default:
                result.append(UInt8(ascii: "%"))
                result.append(Self.digit(byte >> 4))
                result.append(Self.digit(byte & 15))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }

    /// Percent-encoded bytes for what they stand for. What is no encoding stays as it is.
    private static func decoded(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        guard bytes.contains(UInt8(ascii: "%")) else { return Array(bytes) }
        var result: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let high = rest.first.flatMap(Self.value),
                let low = rest.dropFirst().first.flatMap(Self.value)
            {
                result.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return result
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 65...70: digit - 55
        case 97...102: digit - 87
        default: nil
        }
    }
}
