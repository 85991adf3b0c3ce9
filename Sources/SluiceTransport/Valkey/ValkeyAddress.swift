/// Where a Valkey server is and who asks: `redis://[user:password@]host[:port][/database]`, also as `valkey://`, over
/// TLS as `rediss://` or `valkeys://`, or
/// `unix:///path[?db=number]`.
package struct ValkeyAddress: Sendable, Equatable {
    package enum Place: Sendable, Equatable {
        case host(String, port: Int)
        case socket(path: String)
    }

    package var place: Place
    package var user: String?
    package var password: String?
    package var database: Int
    package var usesTLS: Bool

    package init(
        place: Place,
        user: String? = nil,
        password: String? = nil,
        database: Int = 0,
        usesTLS: Bool = false
    ) {
        self.place = place
        self.usesTLS = usesTLS
        self.user = user
        self.password = password
        self.database = database
    }

    /// Without user and password, for people.
    package var description: String {
        switch self.place {
        case .host(let host, let port): "\(host.contains(":") ? "[\(host)]" : host):\(port)/\(self.database)"
        case .socket(let path): "\(path) (database \(self.database))"
        }
    }
}

package enum ValkeyAddressError: Error, Sendable, Equatable {
    case noScheme
    case scheme(String)
    case host
    case port
    case database
    case path
    case escape(String)

    /// Never repeats a part of the address that may be one of a password: with a '/' in that, it is cut in the middle.
    package var message: String {
        switch self {
        case .noScheme: "the address does not begin with its kind; write redis://host:6379"
        case .scheme(let scheme):
            "'\(scheme)' is not a kind of Valkey address; use redis://, valkey://, rediss://, valkeys:// or unix://"
        case .host: "the address names no host; write redis://host:6379"
        case .port: "its port is not a number from 1 to 65535; write a '/' in a user or password as %2F"
        case .database: "its database is not a number from 0; write a '/' in a user or password as %2F"
        case .path: "the address names no socket; write unix:///run/valkey/valkey.sock"
        case .escape(let part): "the \(part) has a '%' that two hexadecimal digits do not follow"
        }
    }
}

extension ValkeyAddress {
    package init(url: String) throws(ValkeyAddressError) {
        guard let colon = url.firstRange(of: "://") else { throw .noScheme }
        let scheme = url[..<colon.lowerBound].lowercased()
        let rest = url[colon.upperBound...]
        switch scheme {
        case "redis", "valkey": try self.init(network: rest, usesTLS: false)
        case "rediss", "valkeys": try self.init(network: rest, usesTLS: true)
        case "unix": try self.init(local: rest)
        // A password may hold "://" as well.
        default: throw scheme.allSatisfy { $0.isASCII && $0.isLetter } ? .scheme(scheme) : .noScheme
        }
    }

    private init(network text: Substring, usesTLS: Bool) throws(ValkeyAddressError) {
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        var authority = text[..<slash]
        var user: String?
        var password: String?
        if let at = authority.lastIndex(of: "@") {
            let credentials = authority[..<at]
            authority = authority[authority.index(after: at)...]
            let colon = credentials.firstIndex(of: ":") ?? credentials.endIndex
            user = try Self.unescaped(credentials[..<colon], "user")
            if colon < credentials.endIndex {
                password = try Self.unescaped(credentials[credentials.index(after: colon)...], "password")
            }
            if user == "" { user = nil }
        }
        let (host, port) = try Self.hostAndPort(authority)
        let path = slash < text.endIndex ? text[text.index(after: slash)...].prefix { $0 != "?" } : ""
        self.init(
            place: .host(host, port: port),
            user: user,
            password: password,
            database: try Self.database(path),
            usesTLS: usesTLS
        )
    }

    private init(local text: Substring) throws(ValkeyAddressError) {
        let path = text.prefix { $0 != "?" }
        guard path.hasPrefix("/"), path.utf8.count < 108 else { throw .path }
        var database = 0
        for pair in text.dropFirst(path.count + 1).split(separator: "&") where pair.hasPrefix("db=") {
            database = try Self.database(pair.dropFirst(3))
        }
        self.init(place: .socket(path: try Self.unescaped(path, "path")), database: database)
    }

    private static func hostAndPort(_ text: Substring) throws(ValkeyAddressError) -> (String, Int) {
        var host = text
        var port: Substring?
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            if after.hasPrefix(":") { port = after.dropFirst() }
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        guard !host.isEmpty else { throw .host }
        guard let port else { return (String(host), 6379) }
        guard let number = Int(port), (1...65_535).contains(number) else { throw .port }
        return (String(host), number)
    }

    private static func database(_ text: Substring) throws(ValkeyAddressError) -> Int {
        guard !text.isEmpty else { return 0 }
        guard let number = Int(text), number >= 0, number < 1 << 20 else { throw .database }
        return number
    }

    /// Percent-encoding undone (RFC 3986, 2.1).
    private static func unescaped(_ text: Substring, _ part: String) throws(ValkeyAddressError) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst(), let low = rest.popFirst(),
                let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
            else { throw .escape(part) }
            bytes.append(value)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
