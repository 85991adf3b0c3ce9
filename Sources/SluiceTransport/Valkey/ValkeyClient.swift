import SluiceBasics
import SluiceWire

/// Valkey from every reactor: a connection on each that uses it, made when it is first needed.
package final class ValkeyClient: ValkeyLink {
    private let reactors: ReactorGroup
    private let configuration: ValkeyConfiguration
    private let tls: Result<ValkeyTLSContext, ValkeyError>?
    private let connections: [ValkeyConnection]
    private let seeds: Lock<SeededRandom>

    /// - Parameter seed: of the jitter of reconnecting.
    package init(configuration: ValkeyConfiguration, reactors: ReactorGroup, seed: UInt64) {
        self.reactors = reactors
        self.configuration = configuration
        // What is wrong with its files is said by every call, at the latest by the probe of a start.
        let tls = configuration.address.usesTLS ? Self.makeTLS(configuration.tls) : nil
        self.tls = tls
        var seeds = SeededRandom(seed: seed)
        self.connections = reactors.reactors.map { reactor in
            ValkeyConnection(reactor, configuration, tls: tls, seed: seeds.next())
        }
        self.seeds = Lock(seeds)
    }

    private static func makeTLS(_ configuration: ValkeyTLSConfiguration) -> Result<ValkeyTLSContext, ValkeyError> {
        do throws(ValkeyError) {
            return .success(try ValkeyTLSContext(configuration))
        } catch {
            return .failure(error)
        }
    }

    package func send(_ command: ValkeyCommand) async throws(ValkeyError) -> RESPValue {
        let reply = try await self.connections[self.reactors.preferred().index].run(command)
        if case .error(let error) = reply { throw .server(error) }
        return reply
    }

    package func send(_ commands: [ValkeyCommand]) async throws(ValkeyError) -> [RESPValue] {
        guard !commands.isEmpty else { return [] }
        return try await self.connections[self.reactors.preferred().index].run(commands)
    }

    package func evaluate(
        _ script: ValkeyScript,
        keys: [String],
        arguments: [ValkeyArgument]
    ) async throws(ValkeyError) -> RESPValue {
        let rest = [.integer(keys.count)] + keys.map { ValkeyArgument.text($0) } + arguments
        do throws(ValkeyError) {
            return try await self.send(ValkeyCommand("EVALSHA", [.text(script.sha1)] + rest))
        } catch {
            guard case .server(let refusal) = error, refusal.kind == .noScript else { throw error }
            return try await self.send(ValkeyCommand("EVAL", [.text(script.source)] + rest))
        }
    }

    package func openPopper() throws(ValkeyError) -> any ValkeyPopper {
        let seed = self.seeds.withLock { $0.next() }
        let reactor = self.reactors.preferred()
        let ordinary = self.connections[reactor.index]
        return ValkeyConnectionPopper(
            ValkeyConnection(reactor, self.configuration, tls: self.tls, popsBeside: ordinary, seed: seed)
        )
    }

    /// Ends all connections; what waits fails with `closed`.
    package func close() async {
        for connection in self.connections { await connection.end() }
    }

    /// Writes made so far, on all connections.
    package func writes() async -> Int {
        var total = 0
        for connection in self.connections { total += await connection.writeCount() }
        return total
    }
}

/// A connection of its own for pops.
final class ValkeyConnectionPopper: ValkeyPopper {
    private let connection: ValkeyConnection
    private let isClosed = Lock(false)

    init(_ connection: ValkeyConnection) { self.connection = connection }

    deinit {
        // What is posted to a reactor that has ended stays there for ever, and the connection with it.
        guard !self.isClosed.withLock({ $0 }) else { return }
        let connection = self.connection
        connection.reactor.post { connection.close() }
    }

    func pop(_ command: ValkeyCommand, seconds: Int) async throws(ValkeyError) -> RESPValue {
        let reply = try await self.connection.run(command, heldBack: .seconds(max(0, seconds)))
        if case .error(let error) = reply { throw .server(error) }
        return reply
    }

    func close() async {
        self.isClosed.withLock { $0 = true }
        await self.connection.end()
    }
}

extension ValkeyConnection {
    /// From any thread. A task that is cancelled still waits for its replies, which are on their way.
    func run(_ command: ValkeyCommand, heldBack: Duration = .zero) async throws(ValkeyError) -> RESPValue {
        let outcome = await withUnsafeContinuation { (waiter: UnsafeContinuation<ValkeyCall.SingleOutcome, Never>) in
            if self.reactor.isCurrent {
                self.call(.one(command), heldBack: heldBack, .single(waiter))
            } else {
                self.reactor.post { self.call(.one(command), heldBack: heldBack, .single(waiter)) }
            }
        }
        return try outcome.get()
    }

    /// As the other, for several.
    func run(_ commands: [ValkeyCommand]) async throws(ValkeyError) -> [RESPValue] {
        let outcome = await withUnsafeContinuation { (waiter: UnsafeContinuation<ValkeyCall.Outcome, Never>) in
            if self.reactor.isCurrent {
                self.call(.many(commands), .task(waiter))
            } else {
                self.reactor.post { self.call(.many(commands), .task(waiter)) }
            }
        }
        return try outcome.get()
    }

    func end() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            self.reactor.post {
                self.close()
                continuation.resume()
            }
        }
    }

    func writeCount() async -> Int {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Int, Never>) in
            self.reactor.post { continuation.resume(returning: self.writes) }
        }
    }
}
