import SluiceBasics
import SluiceTransport
import SluiceWire

/// What a call stands on: clock, pauses, network.
package protocol CompletionGround: Sendable {
    var http: any HTTPClient { get }
    func now() -> Instant
    /// Seconds since 1970.
    func wallClockSeconds() -> Double
    func sleep(for span: Duration) async throws(CancellationError)
}

/// Gives each call its ground.
package protocol CompletionShell: Sendable {
    func open() throws(ProviderError) -> any CompletionGround
}

/// The machine: the library's reactor, its clocks.
struct SystemShell: CompletionShell {
    let network: NetworkSettings

    func open() throws(ProviderError) -> any CompletionGround {
        SystemGround(
            group: try CompletionReactor.shared.group(),
            http: try CompletionReactor.shared.client(self.network)
        )
    }
}

private struct SystemGround: CompletionGround {
    let group: ReactorGroup
    let http: any HTTPClient

    func now() -> Instant { SystemClock().now() }
    func wallClockSeconds() -> Double { Double(SystemClock().wallClockNanoseconds()) / 1e9 }
    func sleep(for span: Duration) async throws(CancellationError) { try await self.group.sleep(for: span) }
}

/// A script's virtual time.
struct ScriptShell: CompletionShell {
    let script: CompletionScript

    func open() throws(ProviderError) -> any CompletionGround { ScriptGround(script: self.script) }
}

private struct ScriptGround: CompletionGround {
    let script: CompletionScript

    var http: any HTTPClient { NoNetwork() }
    func now() -> Instant { self.script.now() }
    func wallClockSeconds() -> Double { Double(self.script.now().nanoseconds) / 1e9 }

    func sleep(for span: Duration) async throws(CancellationError) {
        if Task.isCancelled { throw CancellationError() }
        self.script.pause(span)
    }
}

private struct NoNetwork: HTTPClient {
    func execute(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientResponse { throw Self.fault }
    func stream(_ request: HTTPClientRequest) async throws(HTTPClientError) -> HTTPClientStream { throw Self.fault }

    private static let fault = HTTPClientError(.shutdown, message: "a script has no network", sent: false)
}
