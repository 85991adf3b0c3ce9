import CLibUV
import SluiceBasics
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An HTTP/1.1 server on every reactor of a group.
package final class HTTPServer: Sendable {
    /// The port in use; of interest when the configuration asked for any.
    package let port: Int
    private let daemons: [HTTPServerDaemon]
    private let reactors: ReactorGroup

    /// Listens and begins to serve. The reactors may be started before or after.
    package init(
        configuration: HTTPServerConfiguration,
        reactors: ReactorGroup,
        handler: any HTTPHandler
    ) throws(HTTPServerError) {
        let tls = try Self.readTLS(configuration)
        let (sockets, port) = try ListenSocket.open(
            host: configuration.host,
            port: configuration.port,
            count: reactors.reactors.count
        )
        self.port = port
        self.reactors = reactors
        self.daemons = reactors.reactors.map { HTTPServerDaemon($0, configuration, handler) }
        let outcome = Lock<[HTTPServerError]>([])
        let ready = Countdown(self.daemons.count)
        for (daemon, socket) in zip(self.daemons, sockets) {
            let start: @Sendable () -> Void = {
                do throws(HTTPServerError) {
                    try daemon.start(socket: socket, certificate: tls?.certificate, key: tls?.key)
                } catch {
                    close(socket)
                    outcome.withLock { $0.append(error) }
                }
                ready.signal()
            }
            daemon.reactor.post(start)
        }
        ready.wait()
        if let error = outcome.withLock({ $0.first }) { throw error }
    }

    private static func readTLS(
        _ configuration: HTTPServerConfiguration
    ) throws(HTTPServerError) -> (certificate: String, key: String)? {
        switch (configuration.tlsCertificateFile, configuration.tlsKeyFile) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return (try TLSFile.read(certificate), try TLSFile.read(key))
        default: throw .tlsIncomplete
        }
    }

    /// Stops accepting, gives running requests `grace` to end, then cancels them and closes what is left.
    package func stop(grace: Duration) async {
        for daemon in self.daemons { daemon.reactor.post { daemon.quiesce() } }
        await self.waitUntilIdle(atMost: grace)
        for daemon in self.daemons { daemon.reactor.post { daemon.cancelAll() } }
        await self.waitUntilIdle(atMost: .seconds(1))
        for daemon in self.daemons {
            await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                daemon.reactor.post {
                    daemon.stop()
                    continuation.resume()
                }
            }
        }
    }

    private func waitUntilIdle(atMost limit: Duration) async {
        let clock = SystemClock()
        let end = clock.now() + limit
        while self.statistics.requestsInFlight > 0 && clock.now() < end {
            do { try await self.reactors.sleep(for: .milliseconds(10)) } catch { return }
        }
    }

    package var statistics: HTTPServerStatistics {
        var total = HTTPServerStatistics(connections: 0, requestsInFlight: 0, requests: 0)
        for daemon in self.daemons {
            let counters = daemon.counters.withLock { $0 }
            total.connections += counters.connections
            total.requestsInFlight += counters.inFlight
            total.requests &+= counters.requests
        }
        return total
    }
}
