import CCrypto
import SluiceGateway
import SluiceWire

/// AWS Signature Version 4 from the service's side: computes what the client must have computed.
struct MockSignatureCheck {
    let keyID: String
    let secret: String
    /// Seconds since 1970.
    let epoch: Int64
    private static let skew: Int64 = 900

    /// - Parameter path: as it is on the wire, encoded once.
    func check(_ request: HTTPRequest, path: String) throws(MockRefusal) {
        guard let value = request.headers["authorization"], value.hasPrefix("AWS4-HMAC-SHA256 ") else {
            throw MockRefusal(403, "Missing Authentication Token", kind: "MissingAuthenticationTokenException")
        }
        let fields = Self.fields(value.dropFirst(17))
        let scope = (fields["Credential"] ?? "").split(separator: "/").map(String.init)
        let names = (fields["SignedHeaders"] ?? "").split(separator: ";").map(String.init)
        guard scope.count == 5, scope[4] == "aws4_request", let signature = fields["Signature"],
            let date = request.headers["x-amz-date"], date.hasPrefix(scope[1])
        else {
            throw MockRefusal(
                403,
                "Authorization header requires 'Credential', 'Signature', 'SignedHeaders' and a fitting 'X-Amz-Date'.",
                kind: "IncompleteSignatureException"
            )
        }
        guard scope[0] == self.keyID else {
            throw MockRefusal(
                403,
                "The security token included in the request is invalid.",
                kind: "UnrecognizedClientException"
            )
        }
        guard scope[3] == "bedrock" else {
            throw Self.invalid("Credential should be scoped to correct service: 'bedrock'.")
        }
        guard let signed = Self.seconds(date), abs(signed - self.epoch) <= Self.skew else {
            throw Self.invalid("Signature expired: \(date) is now earlier than the allowed time.")
        }
        let unsigned = ["host", "x-amz-date", "x-amz-security-token"].first {
            request.headers.contains($0) && !names.contains($0)
        }
        guard unsigned == nil, names == names.sorted() else {
            throw Self.invalid("'Host' or 'X-Amz-Date' or a token must be a 'SignedHeader', and these in order.")
        }
        let canonical = self.canonical(request, names, path)
        let text = "AWS4-HMAC-SHA256\n\(date)\n\(scope.dropFirst().joined(separator: "/"))\n\(Self.digest(canonical))"
        guard Digest.hex(Self.mac(self.key(scope), text)) == signature else {
            throw Self.invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                    + "Access Key and signing method. Consult the service documentation for details."
            )
        }
    }

    private static func invalid(_ message: String) -> MockRefusal {
        MockRefusal(403, message, kind: "InvalidSignatureException")
    }

    private static func fields(_ text: Substring) -> [String: String] {
        var fields: [String: String] = [:]
        for part in text.split(separator: ",") {
            let pair = part.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
            if pair.count == 2 { fields[String(pair[0])] = String(pair[1]) }
        }
        return fields
    }

    private func canonical(_ request: HTTPRequest, _ names: [String], _ path: String) -> String {
        let query = request.query.map { name, value -> String in
            "\(Self.encoded(name, keeping: ""))=\(Self.encoded(value, keeping: ""))"
        }
        let headers = names.map { name in
            let values = request.headers.values(name).map { value in
                value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
            }
            return "\(name):\(values.joined(separator: ","))\n"
        }
        let body = Digest.hex(Digest.sha256(request.body))
        return [
            request.method.rawValue, Self.encoded(path, keeping: "/"), query.sorted().joined(separator: "&"),
            headers.joined(),
            names.joined(separator: ";"), body,
        ].joined(separator: "\n")
    }

    /// Everything but letters, digits, `-._~` and what is kept, as `%XX`.
    static func encoded(_ text: String, keeping kept: String) -> String {
        String(
            decoding: text.utf8.flatMap { byte -> [UInt8] in
                let isPlain =
                    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || "-._~".utf8.contains(byte) || kept.utf8.contains(byte)
                return isPlain ? [byte] : Array("%\(Digest.hex([byte]).uppercased())".utf8)
            },
            as: UTF8.self
        )
    }

    private func key(_ scope: [String]) -> [UInt8] {
        scope.dropFirst().reduce(Array("AWS4\(self.secret)".utf8)) { Self.mac($0, $1) }
    }

    private static func digest(_ text: String) -> String { Digest.hex(Digest.sha256(Array(text.utf8))) }

    private static func mac(_ key: [UInt8], _ text: String) -> [UInt8] {
        let data = Array(text.utf8)
        var code = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        var count = 0
        EVP_Q_mac(
            nil,
            "HMAC",
            nil,
            "SHA256",
            nil,
            key,
            key.count,
            data,
            data.count,
            &code,
            code.count,
            &count
        )
        return code
    }

    /// `20260131T120000Z` as seconds since 1970 (days: Hinnant, "chrono-compatible low-level date algorithms").
    static func seconds(_ text: String) -> Int64? {
        let digits = text.utf8.filter { (48...57).contains($0) }.map { Int64($0) - 48 }
        guard text.utf8.count == 16, digits.count == 14 else { return nil }
        func number(_ range: Range<Int>) -> Int64 { digits[range].reduce(0) { $0 * 10 + $1 } }
        let month = number(4..<6)
        let year = number(0..<4) - (month <= 2 ? 1 : 0)
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + number(6..<8) - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        return days * 86_400 + number(8..<10) * 3600 + number(10..<12) * 60 + number(12..<14)
    }
}
