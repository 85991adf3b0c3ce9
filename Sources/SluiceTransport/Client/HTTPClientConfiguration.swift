import SluiceBasics

/// How backends are called.
package struct HTTPClientConfiguration: Sendable {
    package var connectTimeout: Duration
    /// Whether a backend's certificate must be good. Never turn it off outside a laboratory.
    package var verifiesTLS: Bool
    /// PEM file of certificate authorities; `nil`: the system's.
    package var certificateAuthorityFile: String?
    /// `nil`: none; the environment's proxy variables are ignored.
    package var proxy: String?
    /// Unread bytes of a streamed body beyond which the backend is not read.
    package var streamBufferBytes: Int
    /// Transfers at once on one reactor.
    package var maximumTransfersPerReactor: Int

    package init() {
        self.connectTimeout = .seconds(10)
        self.verifiesTLS = true
        self.certificateAuthorityFile = nil
        self.proxy = nil
        self.streamBufferBytes = 256 << 10
        self.maximumTransfersPerReactor = 16_384
    }
}
