import SluiceBasics
import SluiceProviders
import SluiceWire

/// What a webhook can be told of.
package enum WebhookEvent: String, Sendable, CaseIterable {
    case before
    case success
    case failure
    case chunk
    case end

    /// As it stands in documents.
    var type: String { "completion.\(self.rawValue)" }
}

/// One receiver of webhooks.
package struct WebhookConfiguration: Sendable {
    /// For logs and metrics.
    package var name: String
    package var url: String
    /// The key of signatures; empty: documents are not signed.
    package var secret: [UInt8]
    package var events: Set<WebhookEvent>
    /// Whether documents hold requests and answers.
    package var showsContent: Bool
    package var headers: [(name: String, value: String)]
    /// For one delivery.
    package var timeout: Duration
    /// Deliveries of one event, the first included.
    package var maximumAttempts: Int
    /// Events that wait or are on their way; beyond it the oldest that wait are dropped.
    package var maximumEvents: Int
    /// What they take together.
    package var maximumBytes: Int
    /// Deliveries at once.
    package var maximumInFlight: Int
    /// The first repetition waits for up to this; each further one for up to twice as long.
    package var baseDelay: Duration
    package var maximumDelay: Duration

    package init(name: String, url: String, secret: [UInt8] = []) {
        self.name = name
        self.url = url
        self.secret = secret
        self.events = [.success, .failure]
        self.showsContent = false
        self.headers = []
        self.timeout = .seconds(10)
        self.maximumAttempts = 6
        self.maximumEvents = 10_000
        self.maximumBytes = 32 << 20
        self.maximumInFlight = 8
        self.baseDelay = .seconds(1)
        self.maximumDelay = .seconds(60)
    }

    /// The key that a configured secret means: what stands behind `whsec_` in base64, or else the text itself.
    ///
    /// - Returns: `nil` when it begins with `whsec_` and is not base64.
    package static func key(_ secret: String) -> [UInt8]? {
        guard secret.hasPrefix("whsec_") else { return Array(secret.utf8) }
        return Base64.decode(secret.utf8.dropFirst(6))
    }
}

/// The signature of the Standard Webhooks scheme: HMAC-SHA-256 over the message's id, the time and the body.
package enum WebhookSignature {
    /// - Parameter timestamp: seconds since 1970.
    package static func make(id: String, timestamp: Int, body: [UInt8], key: [UInt8]) -> String {
        "v1," + Base64.encode(Hashing.hmacSHA256(key: key, Array("\(id).\(timestamp).".utf8) + body))
    }
}
