import SluiceBasics
import SluiceWire

/// A Valkey in memory, on a clock that tests move, with faults that tests plan.
///
/// One value is one server; `link()` and `client()` are one client each. Blocked pops are served in the order of their
/// coming, as by the real one.
package final class FakeValkey: Sendable {
    /// What goes wrong with one command.
    package enum Fault: Sendable, Equatable {
        /// Fails without being executed.
        case fail(ValkeyError)
        /// Is executed, and its answer is lost.
        case loseAnswer(ValkeyError)
    }

    private struct Blocked: Sendable {
        var number: Int
        var client: FakeValkeyClient
        var arguments: [[UInt8]]
        var answer: @Sendable (Result<RESPValue, ValkeyError>) -> Void
    }

    private struct State: Sendable {
        var store = FakeValkeyStore()
        var blocked: [Blocked] = []
        var nextNumber = 0
        var counts: [String: Int] = [:]
        var plan: (@Sendable (String) -> Fault?)?
        var latency: (@Sendable (String) -> Duration)?
    }

    private let clock: ManualClock
    private let state = Lock(State())

    package init(clock: ManualClock) { self.clock = clock }

    package func link() -> any ValkeyLink { self.client() }

    /// A client that can be cut off.
    package func client() -> FakeValkeyClient { FakeValkeyClient(self) }

    // MARK: What tests plan

    /// Decides for each command, by its name or its script's, whether it fails. `nil` ends all faults.
    package func plan(_ plan: (@Sendable (String) -> Fault?)?) { self.state.withLock { $0.plan = plan } }

    /// How long each command takes, half of it before it is executed.
    package func latency(_ latency: (@Sendable (String) -> Duration)?) { self.state.withLock { $0.latency = latency } }

    /// Fails all pops that block now, and forgets everything if the server comes back without its data.
    package func restart(keepingData: Bool) {
        let blocked = self.state.withLock { state in
            if !keepingData { state.store.removeAll() }
            defer { state.blocked = [] }
            return state.blocked
        }
        for pop in blocked { pop.answer(.failure(.connectionLost(sent: true))) }
    }

    /// Ends the pops of a client whose connections have gone.
    fileprivate func dropPops(of client: FakeValkeyClient) {
        let dropped = self.state.withLock { state in
            defer { state.blocked.removeAll { $0.client === client } }
            return state.blocked.filter { $0.client === client }
        }
        for pop in dropped { pop.answer(.failure(.connectionLost(sent: true))) }
    }

    // MARK: What tests look at

    /// Executes a command at once, as a client without faults.
    @discardableResult
    package func execute(_ name: StaticString, _ arguments: [ValkeyArgument] = []) -> RESPValue {
        self.execute(ValkeyCommand(name, arguments).arguments)
    }

    package func list(_ key: String) -> [[UInt8]] { self.read { $0.list(key) } }

    package func string(_ key: String) -> [UInt8]? { self.read { $0.string(key) } }

    package func hash(_ key: String) -> [String: [UInt8]] { self.read { $0.hash(key) } }

    package var keys: [String] { self.read { $0.entries.keys.sorted() } }

    /// `nil` for a key that lives for ever or not at all.
    package func timeToLive(_ key: String) -> Duration? {
        let now = self.clock.now()
        return self.read { $0.entries[key]?.expires }.map { $0 - now }
    }

    package var blockedPops: Int { self.state.withLock { $0.blocked.count } }

    /// Commands that clients sent so far, by name.
    package func count(of name: String) -> Int { self.state.withLock { $0.counts[name] ?? 0 } }

    private func read<Value: Sendable>(_ body: (FakeValkeyStore) -> Value) -> Value {
        let now = self.clock.now()
        return self.state.withLock { state in
            state.store.expire(now)
            return body(state.store)
        }
    }

    // MARK: Execution

    private func execute(_ arguments: [[UInt8]]) -> RESPValue {
        self.change { store, now in store.execute(arguments, now: now) }
    }

    fileprivate func evaluate(_ name: String, _ keys: [String], _ arguments: [[UInt8]]) -> RESPValue {
        self.change { store, now in store.evaluate(name, keys: keys, arguments: arguments, now: now) }
    }

    /// Changes the store, then serves pops that wait.
    private func change(_ body: (inout FakeValkeyStore, Instant) -> RESPValue) -> RESPValue {
        let now = self.clock.now()
        var served: [(Blocked, RESPValue)] = []
        let value = self.state.withLock { state in
            let value = body(&state.store, now)
            state.blocked.removeAll { pop in
                guard let element = state.store.pop(pop.arguments, now: now) else { return false }
                served.append((pop, element))
                return true
            }
            return value
        }
        for (pop, element) in served { pop.answer(.success(element)) }
        return value
    }

    fileprivate func perform(
        _ name: String,
        _ body: @escaping @Sendable (FakeValkey) -> RESPValue
    ) async throws(ValkeyError) -> RESPValue {
        let (fault, latency) = self.begin(name)
        await self.wait(latency / 2)
        if case .fail(let error) = fault { throw error }
        let value = body(self)
        await self.wait(latency / 2)
        if case .loseAnswer(let error) = fault { throw error }
        return value
    }

    fileprivate func perform(_ command: ValkeyCommand) async throws(ValkeyError) -> RESPValue {
        try await self.perform(Self.name(command)) { $0.execute(command.arguments) }
    }

    private func begin(_ name: String) -> (Fault?, Duration) {
        let (plan, latency) = self.state.withLock { state in
            state.counts[name, default: 0] += 1
            return (state.plan, state.latency)
        }
        return (plan?(name), latency?(name) ?? .zero)
    }

    fileprivate static func name(_ command: ValkeyCommand) -> String {
        String(decoding: command.arguments.first ?? [], as: UTF8.self)
    }

    private func wait(_ span: Duration) async {
        guard span > .zero else { return }
        await withCheckedContinuation { continuation in
            self.clock.wake(at: self.clock.now() + span) { continuation.resume() }
        }
    }

    fileprivate func pop(_ command: ValkeyCommand, _ client: FakeValkeyClient) async throws(ValkeyError) -> RESPValue {
        let (fault, latency) = self.begin(Self.name(command))
        await self.wait(latency / 2)
        if case .fail(let error) = fault { throw error }
        let result = await withCheckedContinuation { continuation in
            self.block(command.arguments, client) { continuation.resume(returning: $0) }
        }
        await self.wait(latency / 2)
        if case .loseAnswer(let error) = fault { throw error }
        let value = try result.get()
        if case .error(let error) = value { throw .server(error) }
        return value
    }

    private func block(
        _ arguments: [[UInt8]],
        _ client: FakeValkeyClient,
        _ answer: @escaping @Sendable (Result<RESPValue, ValkeyError>) -> Void
    ) {
        let now = self.clock.now()
        let (value, number) = self.state.withLock { state -> (RESPValue?, Int) in
            if let value = state.store.pop(arguments, now: now) { return (value, 0) }
            state.nextNumber += 1
            state.blocked.append(
                Blocked(number: state.nextNumber, client: client, arguments: arguments, answer: answer)
            )
            return (nil, state.nextNumber)
        }
        if let value { return answer(.success(value)) }
        self.clock.wake(at: now + FakeValkeyStore.blockingTime(arguments)) { self.giveUp(number) }
    }

    private func giveUp(_ number: Int) {
        let pop = self.state.withLock { state -> Blocked? in
            guard let index = state.blocked.firstIndex(where: { $0.number == number }) else { return nil }
            return state.blocked.remove(at: index)
        }
        pop?.answer(.success(.null))
    }
}

/// One client of a fake server.
package final class FakeValkeyClient: ValkeyLink {
    private let server: FakeValkey
    private let isCut = Lock(false)

    fileprivate init(_ server: FakeValkey) { self.server = server }

    /// Takes all connections away: nothing that is sent from now on arrives, and nothing is answered any more.
    package func cut() {
        self.isCut.withLock { $0 = true }
        self.server.dropPops(of: self)
    }

    /// Lets it connect again.
    package func mend() { self.isCut.withLock { $0 = false } }

    private func checkConnection(sent: Bool) throws(ValkeyError) {
        if self.isCut.withLock({ $0 }) { throw sent ? .connectionLost(sent: true) : .unreachable("cut") }
    }

    package func send(_ command: ValkeyCommand) async throws(ValkeyError) -> RESPValue {
        try self.checkConnection(sent: false)
        let value = try await self.server.perform(command)
        try self.checkConnection(sent: true)
        if case .error(let error) = value { throw .server(error) }
        return value
    }

    package func send(_ commands: [ValkeyCommand]) async throws(ValkeyError) -> [RESPValue] {
        var values: [RESPValue] = []
        for command in commands {
            try self.checkConnection(sent: !values.isEmpty)
            values.append(try await self.server.perform(command))
        }
        try self.checkConnection(sent: true)
        return values
    }

    package func evaluate(
        _ script: ValkeyScript,
        keys: [String],
        arguments: [ValkeyArgument]
    ) async throws(ValkeyError) -> RESPValue {
        try self.checkConnection(sent: false)
        let name = script.name
        let bytes = arguments.map(\.wireBytes)
        let value = try await self.server.perform(name) { $0.evaluate(name, keys, bytes) }
        try self.checkConnection(sent: true)
        if case .error(let error) = value { throw .server(error) }
        return value
    }

    package func openPopper() throws(ValkeyError) -> any ValkeyPopper { FakeValkeyPopper(self) }

    fileprivate func pop(_ command: ValkeyCommand) async throws(ValkeyError) -> RESPValue {
        try self.checkConnection(sent: false)
        let value = try await self.server.pop(command, self)
        try self.checkConnection(sent: true)
        return value
    }
}

private struct FakeValkeyPopper: ValkeyPopper {
    private let client: FakeValkeyClient

    init(_ client: FakeValkeyClient) { self.client = client }

    func pop(_ command: ValkeyCommand, seconds: Int) async throws(ValkeyError) -> RESPValue {
        try await self.client.pop(command)
    }

    func close() async {}
}
