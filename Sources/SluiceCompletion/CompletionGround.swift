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
    /// Comes back at `instant`. It bounds what goes on meanwhile; as a pause it does not count.
    func alarm(at instant: Instant) async throws(CancellationError)
}

extension CompletionGround {
    package func alarm(at instant: Instant) async throws(CancellationError) {
        try await self.sleep(for: max(.zero, instant - self.now()))
    }

    /// What `operation` gives, if it does so before `instant`.
    ///
    /// - Throws: what it throws; `timeout` with `message` when it is too late. It has then been cancelled.
    func before<Success: Sendable>(
        _ instant: Instant,
        orElse message: String,
        _ operation: @escaping @Sendable () async throws(HTTPClientError) -> Success
    ) async throws(HTTPClientError) -> Success {
        let late = HTTPClientError(.timeout, message: message, sent: true)
        // What is always there at once would never be too late.
        guard self.now() < instant else { throw late }
        typealias Outcome = Result<Success, HTTPClientError>
        let result = await withTaskGroup(of: Outcome?.self, returning: Outcome?.self) { group in
            group.addTask {
                do throws(HTTPClientError) {
                    return .success(try await operation())
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                try? await self.alarm(at: instant)
                return nil
            }
            let first: Outcome? = await group.next().flatMap { $0 }
            group.cancelAll()
            let second: Outcome? = await group.next().flatMap { $0 }
            if let first { return first }
            // What comes together with the alarm is in time.
            if case .success = second { return second }
            return Task.isCancelled ? second : nil
        }
        guard let result else { throw late }
        return try result.get()
    }
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
