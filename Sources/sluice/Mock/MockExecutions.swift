import SluiceBasics
import SluiceWire

/// What a simulated backend has executed, id by id, for those who check that nothing was lost or done twice.
final class MockExecutions: Sendable {
    struct Execution: Sendable {
        var count = 0
        var completed = 0
        /// The client went away before the answer was whole.
        var abandoned = 0
        var firstAt: Instant
        var lastAt: Instant
        var abandonedAt: Instant?
    }

    private struct State: Sendable {
        var byID: [String: Execution] = [:]
        var order: [String] = []
        var total = 0
        var completed = 0
        var abandoned = 0
        var running = 0
        var requestTimes: [Instant] = []
        var tokenTimes: [(at: Instant, tokens: Int)] = []
        var requestBucket = MockBucket()
        var tokenBucket = MockBucket()
    }

    private static let maximumIDs = 200_000
    private let state = Lock(State())

    /// Answers how often this id has now been executed.
    func began(_ id: String, at now: Instant) -> Int {
        self.state.withLock { state in
            state.total += 1
            state.running += 1
            if state.byID[id] == nil {
                if state.order.count >= Self.maximumIDs {
                    for old in state.order.prefix(Self.maximumIDs / 2) { state.byID[old] = nil }
                    state.order.removeFirst(Self.maximumIDs / 2)
                }
                state.order.append(id)
            }
            var execution = state.byID[id] ?? Execution(firstAt: now, lastAt: now)
            execution.count += 1
            execution.lastAt = now
            state.byID[id] = execution
            return execution.count
        }
    }

    func ended(_ id: String, abandoned: Bool, at now: Instant) {
        self.state.withLock { state in
            state.running -= 1
            if abandoned {
                state.abandoned += 1
                state.byID[id]?.abandoned += 1
                state.byID[id]?.abandonedAt = now
            } else {
                state.completed += 1
                state.byID[id]?.completed += 1
            }
        }
    }

    func reset() {
        self.state.withLock { state in
            let running = state.running
            state = State()
            state.running = running
        }
    }

    /// Whether one more request of so many tokens stays within the limits of the last minute.
    func admits(_ behaviour: MockBehaviour, tokens: Int, at now: Instant) -> Bool {
        guard behaviour.requestsPerMinute > 0 || behaviour.tokensPerMinute > 0 else { return true }
        let start = now - .seconds(60)
        return self.state.withLock { state in
            guard behaviour.limitMode == .window else {
                state.requestBucket.advance(behaviour.requestsPerMinute, to: now)
                state.tokenBucket.advance(behaviour.tokensPerMinute, to: now)
                guard state.requestBucket.takes(1, of: behaviour.requestsPerMinute),
                    state.tokenBucket.takes(tokens, of: behaviour.tokensPerMinute)
                else { return false }
                state.requestBucket.used += 1
                state.tokenBucket.used += Double(tokens)
                return true
            }
            state.requestTimes.removeAll { $0 < start }
            state.tokenTimes.removeAll { $0.at < start }
            if behaviour.requestsPerMinute > 0 && state.requestTimes.count >= behaviour.requestsPerMinute {
                return false
            }
            let used = state.tokenTimes.reduce(0) { $0 + $1.tokens }
            if behaviour.tokensPerMinute > 0 && used + tokens > behaviour.tokensPerMinute { return false }
            state.requestTimes.append(now)
            state.tokenTimes.append((now, tokens))
            return true
        }
    }

    /// Requests that are being answered.
    var running: Int { self.state.withLock { $0.running } }

    /// What is used of the limits, and how long until it has all come back.
    func used(
        _ behaviour: MockBehaviour,
        at now: Instant
    ) -> (requests: (used: Double, resetsIn: Duration), tokens: (used: Double, resetsIn: Duration)) {
        self.state.withLock { state in
            guard behaviour.limitMode == .window else {
                state.requestBucket.advance(behaviour.requestsPerMinute, to: now)
                state.tokenBucket.advance(behaviour.tokensPerMinute, to: now)
                return (
                    (state.requestBucket.used, state.requestBucket.resetsIn(behaviour.requestsPerMinute)),
                    (state.tokenBucket.used, state.tokenBucket.resetsIn(behaviour.tokensPerMinute))
                )
            }
            let start = now - .seconds(60)
            let requests = state.requestTimes.filter { $0 >= start }
            let tokens = state.tokenTimes.filter { $0.at >= start }
            return (
                (Double(requests.count), requests.last.map { $0 - start } ?? .zero),
                (tokens.reduce(0) { $0 + Double($1.tokens) }, tokens.last.map { $0.at - start } ?? .zero)
            )
        }
    }

    func report(id: String?, at now: Instant) -> [UInt8] {
        let state = self.state.withLock { $0 }
        var json = JSONWriter()
        json.object { json in
            json.field("total", state.total)
            json.field("completed", state.completed)
            json.field("abandoned", state.abandoned)
            json.field("running", state.running)
            json.field("distinct", state.byID.count)
            json.field("repeated", state.byID.values.filter { $0.count > 1 }.count)
            json.object("executions") { json in
                for key in id.map({ [$0] }) ?? state.order {
                    guard let execution = state.byID[key] else { continue }
                    json.object(key) { json in
                        json.field("count", execution.count)
                        json.field("completed", execution.completed)
                        json.field("abandoned", execution.abandoned)
                        json.field("first_ms_ago", (now - execution.firstAt).inMilliseconds)
                        json.field("last_ms_ago", (now - execution.lastAt).inMilliseconds)
                        json.field("abandoned_ms_ago", execution.abandonedAt.map { (now - $0).inMilliseconds })
                    }
                }
            }
        }
        return json.bytes
    }
}
