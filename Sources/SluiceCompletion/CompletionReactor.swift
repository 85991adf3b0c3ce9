import SluiceBasics
import SluiceTransport
import SluiceWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The thread that does the input and output of every client of the process. The first call starts it, the end of the
/// process ends it; in between it sleeps when there is nothing to do.
///
/// One for all: a client can be made and dropped at will, and connections are shared.
final class CompletionReactor: Sendable {
    static let shared = CompletionReactor()

    /// Ways to the network that differ, e.g. by proxy; further ones share no connections.
    private static let maximumClients = 64

    private struct State {
        var group: ReactorGroup?
        var clients: [NetworkSettings: ReactorHTTPClient] = [:]
    }

    private let state = Lock(State())

    func group() throws(ProviderError) -> ReactorGroup {
        do {
            // Starting a thread inside the lock: once in the life of the process.
            return try self.state.withLock { state throws(ReactorError) -> ReactorGroup in
                if let group = state.group { return group }
                let group = try ReactorGroup(count: 1)
                try group.start()
                state.group = group
                return group
            }
        } catch {
            throw ProviderError(.internalError, "\(error)", code: "no_reactor", isRetryable: false)
        }
    }

    func client(_ network: NetworkSettings) throws(ProviderError) -> any HTTPClient {
        let group = try self.group()
        let (client, isFirst) = self.state.withLock { state -> (ReactorHTTPClient, Bool) in
            if let client = state.clients[network] { return (client, false) }
            let client = ReactorHTTPClient(configuration: network.configuration, reactors: group)
            let isFirst = state.clients.isEmpty
            if state.clients.count < Self.maximumClients { state.clients[network] = client }
            return (client, isFirst)
        }
        // By now libcurl has initialised the TLS library, whose own end at exit therefore comes after this: the thread
        // must not be in the middle of a transfer then.
        if isFirst { atexit { CompletionReactor.shared.end() } }
        return client
    }

    /// Whether the calling thread is the one that would have to do the work.
    var isCurrent: Bool {
        let group = self.state.withLock { $0.group }
        return group?.reactors.contains { $0.isCurrent } ?? false
    }

    private func end() {
        guard !self.isCurrent else { return }
        self.state.withLock { $0.group }?.stop()
    }
}

extension NetworkSettings {
    fileprivate var configuration: HTTPClientConfiguration {
        var configuration = HTTPClientConfiguration()
        configuration.connectTimeout = self.connectTimeout
        configuration.proxy = self.proxy
        configuration.certificateAuthorityFile = self.certificateAuthorityFile
        configuration.streamBufferBytes = max(1, self.streamBufferBytes)
        return configuration
    }
}
