import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceFabric
import SluiceGateway
import SluiceTransport

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The way out: the first request drains, the second leaves at once.
final class Shutdown: Sendable {
    private let gateway: Gateway
    private let dispatcher: Dispatcher
    private let fabricDispatcher: FabricDispatcher?
    private let producer: Producer?
    private let server: HTTPServer
    private let webhooks: [WebhookSender]
    private let farewells: [@Sendable () async -> Void]
    private let reactors: ReactorGroup
    private let clock: any TimeSource
    private let limit: Duration
    private let terminal: Terminal
    private let isRequested = Lock(false)
    private let done = Countdown(1)

    /// - Parameter farewells: what is to be done when nothing runs any more, all at once; each with a limit of its own.
    init(
        gateway: Gateway,
        dispatcher: Dispatcher,
        fabricDispatcher: FabricDispatcher?,
        producer: Producer?,
        server: HTTPServer,
        webhooks: [WebhookSender],
        farewells: [@Sendable () async -> Void],
        reactors: ReactorGroup,
        clock: any TimeSource,
        limit: Duration,
        terminal: Terminal
    ) {
        self.gateway = gateway
        self.dispatcher = dispatcher
        self.fabricDispatcher = fabricDispatcher
        self.producer = producer
        self.server = server
        self.webhooks = webhooks
        self.farewells = farewells
        self.reactors = reactors
        self.clock = clock
        self.limit = limit
        self.terminal = terminal
    }

    func request() {
        let isSecond = self.isRequested.withLock { requested in
            let before = requested
            requested = true
            return before
        }
        guard !isSecond else {
            self.terminal.errorLine("stopped at once")
            _exit(ExitCode.interrupted)
        }
        self.reactors.spawn { await self.drain() }
    }

    /// Waits until everything has stopped. Not for a reactor's thread.
    func wait() { self.done.wait() }

    private func drain() async {
        let fabricDispatcher = self.fabricDispatcher
        let limit = self.limit
        // Beside the gateway's own: a pool that drains refuses what comes from a list, and that goes back to it.
        let lists = Promise<Void>()
        self.reactors.spawn {
            await fabricDispatcher?.drain(limit: limit)
            lists.fulfil(())
        }
        self.gateway.drain()
        let began = self.clock.now()
        var nextReport = began + .seconds(1)
        while self.dispatcher.liveCount > 0, self.clock.now() - began < self.limit {
            do { try await self.reactors.sleep(for: .milliseconds(20)) } catch { break }
            guard self.clock.now() >= nextReport else { continue }
            nextReport = nextReport + .seconds(1)
            let left = (self.limit - (self.clock.now() - began)).components.seconds
            self.terminal.errorLine(
                "draining: still running: \(self.dispatcher.liveCount), \(left) s left; stop again to leave at once"
            )
        }
        let unfinished = self.dispatcher.liveCount
        if unfinished > 0 { self.dispatcher.cancelAll(cause: .shutdown) }
        await lists.value()
        await self.producer?.close()
        await self.server.stop(grace: .seconds(2))
        await self.drainWebhooks()
        await withTaskGroup(of: Void.self) { group in
            for farewell in self.farewells { group.addTask { await farewell() } }
        }
        let wrong = self.dispatcher.checkBooks().map { " (\($0))" } ?? ""
        self.terminal.errorLine(
            unfinished == 0 ? "drained\(wrong)" : "stopped; \(unfinished) requests were cancelled\(wrong)"
        )
        self.done.signal()
    }
}

extension Shutdown {
    /// Receivers get this long for what still waits for them.
    private static let webhookLimit = Duration.seconds(5)

    /// All at once: one that does not answer takes nothing from the others.
    private func drainWebhooks() async {
        let limit = Self.webhookLimit
        await withTaskGroup(of: (String, Int).self) { group in
            for sender in self.webhooks { group.addTask { (sender.name, await sender.drain(limit: limit)) } }
            for await (name, left) in group where left > 0 {
                self.terminal.errorLine("callbacks.\(name): \(left) events were not delivered")
            }
        }
    }
}

/// Requests to stop; those that come before there is anything to stop are kept until there is.
final class StopRequests: Sendable {
    private struct State {
        var shutdown: Shutdown?
        var early = 0
    }

    private let state = Lock(State())

    func request() {
        let shutdown = self.state.withLock { state in
            if state.shutdown == nil { state.early += 1 }
            return state.shutdown
        }
        shutdown?.request()
    }

    func serve(_ shutdown: Shutdown) {
        let early = self.state.withLock { state in
            state.shutdown = shutdown
            return state.early
        }
        for _ in 0..<early { shutdown.request() }
    }
}
