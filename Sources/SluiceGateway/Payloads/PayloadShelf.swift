import SluiceBasics
import SluiceCore
import SluiceWire

/// Requests and answers of live and ended requests, for operators to reveal and retry: off unless it has room, bounded
/// in bytes and age, the oldest go first.
package final class PayloadShelf: Sendable {
    struct Entry: Sendable {
        let call: KeptCall
        /// How it ended; `nil` while it lives.
        var record: RequestRecord?
        var answer: [UInt8]?
        let keptAt: Instant

        var bytes: Int { self.call.body.count + (self.answer?.count ?? 0) + Self.overhead }
        /// Of an entry without its payloads, roughly.
        private static let overhead = 1_024
    }

    private struct State: Sendable {
        var entries: [RequestID: Entry] = [:]
        var order: [RequestID] = []
        var first = 0
        var bytes = 0
    }

    private let state = Lock(State())
    private let maximumBytes: Int
    private let age: Duration
    private let clock: any TimeSource

    /// - Parameter maximumBytes: of all together; 0: nothing is kept.
    package init(maximumBytes: Int, age: Duration, clock: any TimeSource) {
        self.maximumBytes = maximumBytes
        self.age = age
        self.clock = clock
    }

    var isOn: Bool { self.maximumBytes > 0 }

    func keep(_ call: Call) {
        guard self.isOn else { return }
        let entry = Entry(call: KeptCall(call), keptAt: self.clock.now())
        guard entry.bytes <= self.maximumBytes else { return }
        self.state.withLock { state in
            let id = call.submission.id
            if let old = state.entries.updateValue(entry, forKey: id) {
                state.bytes -= old.bytes
            } else {
                state.order.append(id)
            }
            state.bytes += entry.bytes
            self.evict(&state, entry.keptAt)
        }
    }

    /// - Parameter answer: left out where it does not fit.
    func ended(_ record: RequestRecord, answer: [UInt8]?) {
        guard self.isOn else { return }
        let id = record.submission.id
        self.state.withLock { state in
            guard state.entries[id] != nil else { return }
            state.entries[id]?.record = record
            guard state.entries[id]?.answer == nil, let answer, answer.count <= self.maximumBytes / 2 else { return }
            state.entries[id]?.answer = answer
            state.bytes += answer.count
            self.evict(&state, self.clock.now())
        }
    }

    func find(_ id: RequestID) -> Entry? {
        guard self.isOn else { return nil }
        let now = self.clock.now()
        return self.state.withLock { state in
            self.evict(&state, now)
            return state.entries[id]
        }
    }

    private func evict(_ state: inout State, _ now: Instant) {
        while state.first < state.order.count {
            let id = state.order[state.first]
            guard let oldest = state.entries[id] else {
                state.first += 1
                continue
            }
            guard state.bytes > self.maximumBytes || now - oldest.keptAt > self.age else { break }
            state.entries[id] = nil
            state.bytes -= oldest.bytes
            state.first += 1
        }
        if state.first > 1_024 && state.first * 2 > state.order.count {
            state.order.removeFirst(state.first)
            state.first = 0
        }
    }
}
