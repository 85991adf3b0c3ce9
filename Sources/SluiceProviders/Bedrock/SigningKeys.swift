import SluiceBasics
import SluiceWire

/// The keys that signatures are made with. Each is good for a day, a region and a service, and takes four HMACs to
/// derive: more than all the rest of a signature.
final class SigningKeys: Sendable {
    struct Scope: Equatable, Sendable {
        var secret: String
        /// `YYYYMMDD`.
        var day: String
        var region: String
        var service: String
    }

    static let shared = SigningKeys()
    static let terminator = "aws4_request"
    /// Credentials and regions that are used in turn; of more, the oldest is derived anew.
    private static let maximumKeys = 16

    private let keys = Lock<[(scope: Scope, key: [UInt8])]>([])

    func find(_ scope: Scope) -> [UInt8] {
        if let known = self.keys.withLock({ $0.first { $0.scope == scope }?.key }) { return known }
        let key = Self.derive(scope)
        self.keys.withLock { keys in
            if keys.count >= Self.maximumKeys { keys.removeFirst() }
            keys.append((scope, key))
        }
        return key
    }

    private static func derive(_ scope: Scope) -> [UInt8] {
        var key = Array("AWS4\(scope.secret)".utf8)
        for part in [scope.day, scope.region, scope.service, Self.terminator] {
            key = Hashing.hmacSHA256(key: key, Array(part.utf8))
        }
        return key
    }
}
