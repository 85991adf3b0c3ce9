import SluiceBasics

/// Bounds and times of connections to Valkey.
package struct ValkeyConfiguration: Sendable {
    package var address: ValkeyAddress
    /// As `CLIENT LIST` shows it; no spaces.
    package var clientName = "sluice"
    package var connectTimeout = Duration.seconds(5)
    /// From handing a command over to its reply.
    package var commandTimeout = Duration.seconds(10)
    /// How long after its writing a pop is given up when the whole server is silent.
    package var popTimeout = Duration.seconds(30)
    /// How long after the server's own time-out, and after the last byte, a pop is overdue: from then on it is given up
    /// as soon as the server answers a PING on the ordinary connection, which shows that only this one is dead.
    package var popGrace = Duration.seconds(2)
    /// A connection that says nothing for this long is asked whether it lives, and has as long to answer.
    package var pingInterval = Duration.seconds(2)
    /// Commands of one connection that wait for their replies.
    package var maximumWaiting = 16_384
    /// Bytes of one connection that wait to be written.
    package var maximumWaitingBytes = 256 << 20
    /// Of one reply.
    package var maximumReplyBytes = 64 << 20
    /// The first pause before connecting again is random up to this; it doubles.
    package var leastBackoff = Duration.milliseconds(50)
    package var mostBackoff = Duration.seconds(1)

    /// Used when the address asks for TLS.
    package var tls = ValkeyTLSConfiguration()

    package init(address: ValkeyAddress) { self.address = address }
}

/// Whom to trust over TLS, and who we are. All files are PEM.
package struct ValkeyTLSConfiguration: Sendable, Equatable {
    /// Certificates of the authorities that are trusted; the system's without it.
    package var authoritiesFile: String?
    /// Our own certificate with what it hangs on, and its key without a pass phrase.
    package var certificateFile: String?
    package var keyFile: String?
    /// What the server's certificate must be for; the address' host without it.
    package var serverName: String?
    /// Whether the server's certificate is looked at. Without that anybody on the way can read and change everything.
    package var verifies = true

    package init() {}
}
