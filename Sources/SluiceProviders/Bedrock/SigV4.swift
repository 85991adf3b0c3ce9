import SluiceWire

/// A key of AWS's. Its text never shows the secret parts.
package struct SigV4Credentials: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    package var accessKeyID: String
    package var secretAccessKey: String
    /// Of temporary keys.
    package var sessionToken: String?

    package init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
    }

    package var description: String { "SigV4Credentials(\(self.accessKeyID))" }
    package var debugDescription: String { self.description }
}

/// AWS Signature Version 4 in the `Authorization` header.
///
/// A pure function: the same request, key and time give the same signature.
package struct SigV4: Sendable {
    /// What signing has found, and the steps on the way to it.
    package struct Signature: Sendable, Equatable {
        /// `Authorization`, `X-Amz-Date` and, with a session token, `X-Amz-Security-Token`: to be sent too.
        package var headers: [(name: String, value: String)]
        package var canonicalRequest: String
        package var stringToSign: String
        /// 64 hexadecimal digits.
        package var signature: String

        package static func == (left: Signature, right: Signature) -> Bool {
            left.stringToSign == right.stringToSign && left.signature == right.signature
        }
    }

    private static let algorithm = "AWS4-HMAC-SHA256"

    /// Proxies add or change some of them on the way; others signing itself adds.
    private static func isSigned(_ name: String) -> Bool {
        switch name {
        case "authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id": false
        case "x-amz-date", "x-amz-security-token": false
        default: true
        }
    }

    private let credentials: SigV4Credentials
    private let region: String
    private let service: String
    private let normalizesPath: Bool

    /// - Parameters:
    ///   - region: e.g. `us-east-1`.
    ///   - service: the name that signatures have for it, e.g. `bedrock`.
    ///   - normalizesPath: whether `.`, `..` and empty segments are resolved; false for S3 alone.
    package init(credentials: SigV4Credentials, region: String, service: String, normalizesPath: Bool = true) {
        self.credentials = credentials
        self.region = region
        self.service = service
        self.normalizesPath = normalizesPath
    }

    /// - Parameters:
    ///   - url: absolute, as it will be sent: the path percent-encoded once. The signature encodes it once more.
    ///   - headers: that will be sent. All but a few that proxies change are signed; `Host` comes from the URL where
    ///     it is missing. Those that signing itself adds are replaced.
    ///   - secondsSince1970: when the request is made; AWS accepts five minutes either way.
    package func sign(
        method: String,
        url: String,
        headers: [(name: String, value: String)],
        body: [UInt8],
        secondsSince1970: Int
    ) -> Signature {
        let address = SigV4Address(url, normalizesPath: self.normalizesPath)
        let time = SigV4Time(secondsSince1970: secondsSince1970)
        var added = [(name: "X-Amz-Date", value: time.full)]
        if let token = self.credentials.sessionToken { added.append((name: "X-Amz-Security-Token", value: token)) }
        let signed = Self.signedHeaders(headers, host: address.host, added: added)
        let names = signed.map(\.name).joined(separator: ";")
        // Piece by piece: an interpolation makes a string of its own first.
        var canonical = ""
        canonical.reserveCapacity(512)
        for line in [method, address.canonicalPath, address.canonicalQuery] {
            canonical += line
            canonical += "\n"
        }
        for (name, value) in signed {
            canonical += name
            canonical += ":"
            canonical += value
            canonical += "\n"
        }
        canonical += "\n"
        canonical += names
        canonical += "\n"
        canonical += Hashing.hexadecimal(Hashing.sha256(body))
        let scope = [time.day, self.region, self.service, SigningKeys.terminator].joined(separator: "/")
        let digest = Hashing.hexadecimal(Hashing.sha256(Array(canonical.utf8)))
        let stringToSign = [Self.algorithm, time.full, scope, digest].joined(separator: "\n")
        let signature = Hashing.hexadecimal(
            Hashing.hmacSHA256(key: self.signingKey(day: time.day), Array(stringToSign.utf8))
        )
        var authorization = Self.algorithm
        authorization.reserveCapacity(256)
        authorization += " Credential="
        authorization += self.credentials.accessKeyID
        authorization += "/"
        authorization += scope
        authorization += ", SignedHeaders="
        authorization += names
        authorization += ", Signature="
        authorization += signature
        return Signature(
            headers: [(name: "Authorization", value: authorization)] + added,
            canonicalRequest: canonical,
            stringToSign: stringToSign,
            signature: signature
        )
    }

    private func signingKey(day: String) -> [UInt8] {
        SigningKeys.shared.find(
            SigningKeys.Scope(
                secret: self.credentials.secretAccessKey,
                day: day,
                region: self.region,
                service: self.service
            )
        )
    }

    /// Lower-case names in their order, values trimmed, values of one name joined in the order they came.
    private static func signedHeaders(
        _ headers: [(name: String, value: String)],
        host: String,
        added: [(name: String, value: String)]
    ) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        var hasHost = false
        for (name, value) in headers {
            let name = name.lowercased()
            guard Self.isSigned(name) else { continue }
            hasHost = hasHost || name == "host"
            let value = Self.trimmed(value)
            if let index = found.firstIndex(where: { $0.name == name }) {
                found[index].value += ",\(value)"
            } else {
                found.append((name, value))
            }
        }
        if !hasHost { found.append((name: "host", value: host)) }
        for (name, value) in added { found.append((name.lowercased(), Self.trimmed(value))) }
        return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Without white space at the ends, and one blank for each run of it within.
    private static func trimmed(_ value: String) -> String {
        guard Self.needsTrimming(value) else { return value }
        let words = value.utf8.split { Self.isSpace($0) }
        return words.map { String(Substring($0)) }.joined(separator: " ")
    }

    private static func needsTrimming(_ value: String) -> Bool {
        var wasSpace = true
        for byte in value.utf8 {
            let isSpace = Self.isSpace(byte)
            if isSpace, wasSpace || byte != 0x20 { return true }
            wasSpace = isSpace
        }
        return wasSpace
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
