import Glibc
import SluiceBasics
import SluiceWire

@testable import SluiceTransport

/// A real server, reactors and a client of it.
struct ValkeyBench {
    let server: ValkeyServer
    let reactors: ReactorGroup
    let client: ValkeyClient

    init(
        _ options: [String] = [],
        reactors count: Int = 2,
        url: (ValkeyServer) -> String = { "redis://127.0.0.1:\($0.port)" },
        configure: (inout ValkeyConfiguration) -> Void = { _ in }
    ) throws {
        self.server = ValkeyServer(options)
        self.reactors = try ReactorGroup(count: count)
        try self.reactors.start()
        var configuration = ValkeyConfiguration(address: try ValkeyAddress(url: url(self.server)))
        configure(&configuration)
        self.client = ValkeyClient(configuration: configuration, reactors: self.reactors, seed: 1)
    }

    static func behindProxy(
        _ options: [String] = [],
        configure: (inout ValkeyConfiguration) -> Void = { _ in }
    ) throws -> (ValkeyBench, SwallowingProxy) {
        var proxy: SwallowingProxy?
        let bench = try ValkeyBench(
            options,
            reactors: 1,
            url: { server in
                let made = SwallowingProxy(to: server.port)
                proxy = made
                return "redis://127.0.0.1:\(made.port)"
            },
            configure: configure
        )
        guard let proxy else { throw TestFailure("no proxy") }
        return (bench, proxy)
    }

    /// The kind of refusal; `nil` if there is none.
    func refusal(_ name: StaticString, _ arguments: [ValkeyArgument] = []) async -> ValkeyServerError.Kind? {
        guard case .failure(.server(let error)) = await self.ask(name, arguments) else { return nil }
        return error.kind
    }

    func ask(_ name: StaticString, _ arguments: [ValkeyArgument] = []) async -> Result<RESPValue, ValkeyError> {
        do throws(ValkeyError) {
            return .success(try await self.client.send(ValkeyCommand(name, arguments)))
        } catch {
            return .failure(error)
        }
    }

    /// Asks until it is so.
    func until(_ isSo: () async -> Bool) async throws {
        let clock = SystemClock()
        let end = clock.now() + .seconds(20)
        while !(await isSo()) {
            guard clock.now() < end else { throw TestFailure("it never came to be") }
        }
    }

    /// Clients that wait in a pop, as the server counts them.
    func blockedClients() async -> Int {
        guard case .success(let value) = await self.ask("INFO", ["clients"]), let text = value.text else { return 0 }
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("blocked_clients:") }
        return line.flatMap { Int($0.dropFirst(16)) } ?? 0
    }

    func stop() async {
        await self.client.close()
        self.server.kill()
        self.reactors.stop()
    }

    static func pop(
        _ popper: any ValkeyPopper,
        _ command: ValkeyCommand,
        seconds: Int
    ) async -> Result<RESPValue, ValkeyError> {
        do throws(ValkeyError) {
            return .success(try await popper.pop(command, seconds: seconds))
        } catch {
            return .failure(error)
        }
    }
}

struct TestFailure: Error {
    let message: String
    init(_ message: String) { self.message = message }
}
