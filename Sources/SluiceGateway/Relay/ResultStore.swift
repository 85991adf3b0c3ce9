import SluiceBasics
import SluiceCore
import SluiceWire

/// Answers that wait to be fetched, bounded in number, bytes and age; the oldest go first.
///
/// A request's end is seen before its answer is here: the dispatcher reports it, then its task makes the answer. So an
/// answer is announced when its request is accepted, and whoever asks in between waits for it. That is short, because
/// nothing stands between the end and the answer, and there is an answer for every end.
package final class ResultStore: Sendable {
    struct Result: Sendable {
        var status: Int
        var body: [UInt8]
        var isJSON: Bool
        var tenant: String
        var keptAt: Instant
    }

    private struct State: Sendable {
        var results: [RequestID: Result] = [:]
        var order: [RequestID] = []
        var first = 0
        var bytes = 0
        /// Announced answers that are not here yet, and who waits for them.
        var awaited: [RequestID: [CheckedContinuation<Void, Never>]] = [:]
    }

    private let state = Lock(State())
    private let maximumResults: Int
    private let maximumBytes: Int
    private let age: Duration

    init(maximumResults: Int, maximumBytes: Int, age: Duration) {
        self.maximumResults = maximumResults
        self.maximumBytes = maximumBytes
        self.age = age
    }

    /// Announces an answer; `keep` or `withdraw` has to follow.
    func announce(_ id: RequestID) {
        self.state.withLock { $0.awaited[id] = [] }
    }

    /// There will be no answer: the request was not accepted.
    func withdraw(_ id: RequestID) {
        let waiters = self.state.withLock { $0.awaited.removeValue(forKey: id) ?? [] }
        for waiter in waiters { waiter.resume() }
    }

    /// Announced answers that are not here yet.
    var awaitedCount: Int { self.state.withLock { $0.awaited.count } }

    /// Waits while an answer is announced and not here.
    func settled(_ id: RequestID) async {
        await withCheckedContinuation { continuation in
            let waits = self.state.withLock { state in
                guard state.awaited[id] != nil else { return false }
                state.awaited[id]?.append(continuation)
                return true
            }
            if !waits { continuation.resume() }
        }
    }

    func keep(_ response: HTTPResponse, for id: RequestID, tenant: String, at now: Instant) {
        let result = self.result(response, tenant: tenant, at: now)
        let waiters = self.state.withLock { state -> [CheckedContinuation<Void, Never>] in
            if state.results.updateValue(result, forKey: id) == nil {
                state.order.append(id)
                state.bytes += result.body.count
                self.evict(&state, now)
            }
            return state.awaited.removeValue(forKey: id) ?? []
        }
        for waiter in waiters { waiter.resume() }
    }

    private func result(_ response: HTTPResponse, tenant: String, at now: Instant) -> Result {
        var status = response.status
        var body: [UInt8] = []
        if case .bytes(let bytes) = response.body { body = bytes }
        if body.count > self.maximumBytes {
            // It would push out everything else, and then itself.
            let error = GatewayError(
                status: 500,
                message: "The answer of \(body.count) bytes is larger than all kept results together may be "
                    + "(results.max_bytes is \(self.maximumBytes)).",
                type: "server_error",
                code: "result_too_large"
            )
            (status, body) = (error.status, error.body)
        }
        // It is embedded as it is, so the backend's word for it is not enough.
        let isJSON = (try? JSON.read(body) { _ in true }) ?? false
        return Result(status: status, body: body, isJSON: isJSON, tenant: tenant, keptAt: now)
    }

    func find(_ id: RequestID, at now: Instant) -> Result? {
        self.state.withLock { state in
            self.evict(&state, now)
            return state.results[id]
        }
    }

    private func evict(_ state: inout State, _ now: Instant) {
        while state.first < state.order.count {
            let id = state.order[state.first]
            guard let oldest = state.results[id] else {
                state.first += 1
                continue
            }
            let isTooMuch = state.results.count > self.maximumResults || state.bytes > self.maximumBytes
            guard isTooMuch || now - oldest.keptAt > self.age else { break }
            state.results[id] = nil
            state.bytes -= oldest.body.count
            state.first += 1
        }
        if state.first > 1024 && state.first * 2 > state.order.count {
            state.order.removeFirst(state.first)
            state.first = 0
        }
    }
}
