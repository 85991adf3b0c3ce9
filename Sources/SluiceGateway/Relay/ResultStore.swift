import SluiceBasics
import SluiceCore
import SluiceWire

/// Answers that wait to be fetched, bounded in number, bytes and age; the oldest go first.
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

    func keep(_ response: HTTPResponse, for id: RequestID, tenant: String, at now: Instant) {
        guard case .bytes(let body) = response.body else { return }
        // It is embedded as it is, so the backend's word for it is not enough.
        let isJSON = (try? JSON.read(body) { _ in true }) ?? false
        let result = Result(status: response.status, body: body, isJSON: isJSON, tenant: tenant, keptAt: now)
        self.state.withLock { state in
            guard state.results.updateValue(result, forKey: id) == nil else { return }
            state.order.append(id)
            state.bytes += body.count
            self.evict(&state, now)
        }
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
