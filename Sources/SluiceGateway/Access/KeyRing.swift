import SluiceBasics
import SluiceCore
import SluiceWire

/// The keys in force; may be exchanged while the gateway runs.
package final class KeyRing: Sendable {
    private struct Ring {
        var keys: [APIKey]
        var version = 0
    }

    private let ring: Lock<Ring>

    package init(_ keys: [APIKey]) { self.ring = Lock(Ring(keys: keys)) }

    package func replace(_ keys: [APIKey]) {
        self.ring.withLock { ring in
            ring.keys = keys
            ring.version += 1
        }
    }

    package var isOpen: Bool { self.ring.withLock { $0.keys.isEmpty } }

    /// Changes with every exchange of the keys.
    var version: Int { self.ring.withLock { $0.version } }

    /// Refuses what a browser sends for a page of another site, where no key would.
    func admit(_ headers: HTTPFields, isLocal: Bool) throws(GatewayError) {
        if self.isOpen { try BrowserGuard.admit(headers, isLocal: isLocal) }
    }

    /// Who asks, by `Authorization: Bearer`, Anthropic's `x-api-key` or Azure's `api-key`.
    func caller(_ headers: HTTPFields) throws(GatewayError) -> Caller {
        let keys = self.ring.withLock { $0.keys }
        guard !keys.isEmpty else {
            return .anonymous(tenant: try Ingress.identifier(headers, "x-sluice-tenant") ?? "default")
        }
        guard let secret = Self.secret(headers) else {
            throw .unauthorized("No API key was given. Send it as 'Authorization: Bearer KEY'.")
        }
        let digest = Digest.sha256(secret)
        // Every key is compared, so that the time taken says nothing about which one was close.
        var match: APIKey?
        for key in keys where Digest.equal(key.digest, digest) { match = key }
        guard let match else { throw .unauthorized("The API key is not known here.") }
        return Caller(match)
    }

    private static func secret(_ headers: HTTPFields) -> [UInt8]? {
        if let value = headers.bytes(of: "authorization") {
            guard value.count > 7,
                value.prefix(7).elementsEqual("Bearer ".utf8) || value.prefix(7).elementsEqual("bearer ".utf8)
            else { return nil }
            return Array(value.dropFirst(7))
        }
        return (headers.bytes(of: "x-api-key") ?? headers.bytes(of: "api-key")).map { Array($0) }
    }
}
