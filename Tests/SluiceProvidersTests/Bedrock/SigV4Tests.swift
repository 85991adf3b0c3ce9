import Glibc
import SluiceWire
import Testing

@testable import SluiceProviders

struct SigV4Tests {
    private static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    /// 2015-08-30T12:36:00Z.
    private static let published = 1_440_938_160

    private func pairs(_ value: JSONValue?) -> [(name: String, value: String)] {
        var pairs: [(name: String, value: String)] = []
        value?.forEachElement { pair in
            var texts: [String] = []
            pair.forEachElement {
                texts.append($0.string ?? "")
                return true
            }
            if let name = texts.first, let value = texts.last { pairs.append((name, value)) }
            return true
        }
        return pairs
    }

    @Test func `a key is kept for its secret, day, region and service, and for no other`() {
        let keys = SigningKeys()
        let scope = SigningKeys.Scope(secret: Self.secret, day: "20150830", region: "us-east-1", service: "iam")
        // The example of AWS's documentation of the signing key.
        let expected = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        var found: Set<String> = []
        for _ in 0..<3 {
            for number in 0..<20 {
                var other = scope
                if number % 4 == 0 { other.secret += String(number) }
                if number % 4 == 1 { other.day = String(20_150_831 + number) }
                if number % 4 == 2 { other.region += String(number) }
                if number % 4 == 3 { other.service += String(number) }
                found.insert(Hashing.hexadecimal(keys.find(other)))
                #expect(Hashing.hexadecimal(keys.find(scope)) == expected)
            }
        }
        #expect(found.count == 20 && !found.contains(expected))
    }

    @Test func `AWS's published vectors`() throws {
        var count = 0
        try JSON.read(BedrockGolden.read("sigv4-published.json")) { root in
            root.forEachElement { vector in
                let signer = SigV4(
                    credentials: SigV4Credentials(
                        accessKeyID: "AKIDEXAMPLE",
                        secretAccessKey: Self.secret,
                        sessionToken: vector["token"]?.string
                    ),
                    region: "us-east-1",
                    service: "service",
                    normalizesPath: vector["normalizes"]?.bool ?? true
                )
                let found = signer.sign(
                    method: vector["method"]?.string ?? "",
                    url: "https://example.amazonaws.com\(vector["target"]?.string ?? "")",
                    headers: self.pairs(vector["headers"]),
                    body: Array((vector["body"]?.string ?? "").utf8),
                    secondsSince1970: Self.published
                )
                #expect(found.canonicalRequest == vector["canonical"]?.string)
                #expect(found.signature == vector["signature"]?.string, "\(vector["name"]?.string ?? "")")
                count += 1
                return true
            }
        }
        #expect(count == 38)
    }

    @Test func `botocore's signatures, with model names whose path is encoded twice`() throws {
        var count = 0
        try JSON.read(BedrockGolden.read("sigv4-botocore.json")) { root in
            root.forEachElement { entry in
                let signer = SigV4(
                    credentials: SigV4Credentials(
                        accessKeyID: entry["key"]?.string ?? "",
                        secretAccessKey: entry["secret"]?.string ?? "",
                        sessionToken: entry["token"]?.string
                    ),
                    region: entry["region"]?.string ?? "",
                    service: entry["service"]?.string ?? ""
                )
                let found = signer.sign(
                    method: "POST",
                    url: entry["url"]?.string ?? "",
                    headers: self.pairs(entry["headers"]),
                    body: Array((entry["body"]?.string ?? "").utf8),
                    secondsSince1970: entry["seconds"]?.int ?? 0
                )
                let authorization = found.headers.first { $0.name == "Authorization" }?.value
                #expect(authorization == entry["authorization"]?.string)
                let token = found.headers.first { $0.name == "X-Amz-Security-Token" }?.value
                #expect(token == entry["token"]?.string)
                count += 1
                return true
            }
        }
        #expect(count == 200)
    }

    @Test func `a colon is %3A on the wire and %253A in the signature`() {
        let address = SigV4Address("https://h/model/anthropic.claude-v1%3A0/converse")
        #expect(address.canonicalPath == "/model/anthropic.claude-v1%253A0/converse")
    }

    @Test func `the host is what the Host header will say`() {
        #expect(SigV4Address("https://example.org").host == "example.org")
        #expect(SigV4Address("https://example.org").canonicalPath == "/")
        #expect(SigV4Address("https://example.org:443/a").host == "example.org")
        #expect(SigV4Address("http://example.org:443/a").host == "example.org:443")
        #expect(SigV4Address("http://example.org:80?a").host == "example.org")
        #expect(SigV4Address("https://user:word@[::1]:8080/a#b?c").host == "[::1]:8080")
        #expect(SigV4Address("https://h/a#b?c").canonicalQuery == "")
    }

    @Test func `an encoded query is not encoded again`() {
        #expect(
            SigV4Address("https://h/?b=%2525&a=%41&a&=x&c=a+b&%zz=1%").canonicalQuery
                == "=x&%25zz=1%25&a=&a=A&b=%2525&c=a%2Bb"
        )
    }

    @Test func `moments are written in UTC, leap days too`() {
        #expect(SigV4Time(secondsSince1970: 0).full == "19700101T000000Z")
        #expect(SigV4Time(secondsSince1970: 951_782_399).full == "20000228T235959Z")
        #expect(SigV4Time(secondsSince1970: 951_782_400).full == "20000229T000000Z")
        #expect(SigV4Time(secondsSince1970: 4_107_542_400).day == "21000301")
        #expect(SigV4Time(secondsSince1970: .min).day == "19700101")
        #expect(SigV4Time(secondsSince1970: .max).full == "99991231T235959Z")
    }

    @Test func `a key's text has no secret in it`() {
        let credentials = SigV4Credentials(accessKeyID: "AKID", secretAccessKey: "hush", sessionToken: "quiet")
        #expect("\(credentials)" == "SigV4Credentials(AKID)")
        #expect(String(reflecting: credentials) == "SigV4Credentials(AKID)")
    }

    @Test func `the digest of an empty key and message`() {
        #expect(
            Hashing.hexadecimal(Hashing.hmacSHA256(key: [], []))
                == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
        )
    }
}

/// Files of `Golden/bedrock`.
enum BedrockGolden {
    static let folder = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Golden/bedrock"

    static func read(_ name: String) -> [UInt8] {
        guard let file = fopen("\(Self.folder)/\(name)", "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes
    }
}
