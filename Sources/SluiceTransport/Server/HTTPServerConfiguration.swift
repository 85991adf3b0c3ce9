import SluiceBasics

/// What an HTTP server accepts, and for how long it waits.
package struct HTTPServerConfiguration: Sendable {
    package var host: String
    /// 0 takes any free port.
    package var port: Int
    /// Larger bodies are refused with 413.
    package var maximumBodyBytes: Int
    /// Larger header blocks are refused with 431.
    package var maximumHeadBytes: Int
    /// Time for a request's head to arrive; also the head start that every body gets.
    package var headTimeout: Duration
    /// Bytes per second that a body must reach beyond its head start, else 408.
    package var minimumBodyRate: Int
    /// A connection without a request is closed after this.
    package var idleTimeout: Duration
    package var maximumConnectionsPerReactor: Int
    /// `nil`: no limit per address.
    package var maximumConnectionsPerAddress: Int?
    /// PEM files; both or none.
    package var tlsCertificateFile: String?
    package var tlsKeyFile: String?
    /// Bytes of a streamed response that wait for a slow client before the writer does.
    package var streamBufferBytes: Int

    package init(host: String = "127.0.0.1", port: Int = 8400) {
        self.host = host
        self.port = port
        self.maximumBodyBytes = 16 << 20 | 64 << 10
        self.maximumHeadBytes = 32 << 10
        self.headTimeout = .seconds(10)
        self.minimumBodyRate = 16 << 10
        self.idleTimeout = .seconds(75)
        self.maximumConnectionsPerReactor = 8192
        self.maximumConnectionsPerAddress = nil
        self.streamBufferBytes = 64 << 10
    }
}

package enum HTTPServerError: Error, CustomStringConvertible {
    case address(String, reason: String)
    case inUse(host: String, port: Int)
    case tlsFile(String, reason: String)
    case tlsIncomplete
    case daemon

    package var description: String {
        switch self {
        case .address(let address, let reason):
            "cannot listen on \(address): \(reason)"
        case .inUse(let host, let port):
            "cannot listen on \(host):\(port): another program listens there; stop it or choose another address"
        case .tlsFile(let path, let reason):
            "cannot read the TLS file \(path): \(reason)"
        case .tlsIncomplete:
            "TLS needs both a certificate file and a key file"
        case .daemon:
            "cannot start the HTTP server: the TLS certificate or key may be unusable, or open files may have run out"
        }
    }
}

/// What a server is doing now.
package struct HTTPServerStatistics: Sendable {
    package var connections: Int
    package var requestsInFlight: Int
    /// Requests whose handler has begun, since start.
    package var requests: UInt64
}
