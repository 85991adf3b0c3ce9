import SluiceBasics
import SluiceCore
import SluiceWire

/// Which refusals are written down: of the same attempt by the same key one a minute, and of all together so many, so
/// that nobody can push out of the audit what has been done.
final class RefusalPace: Sendable {
    private struct Count {
        var toldAt: Instant
        /// Since then.
        var silent = 0
    }

    private struct State {
        var counts: [String: Count] = [:]
        var minute: Instant?
        var told = 0
    }

    private let state = Lock(State())
    private static let span = Duration.seconds(60)
    private static let mostAMinute = 20
    private static let mostKnown = 1_000

    /// - Returns: how many attempts an entry stands for; `nil`: there is none for this one.
    func tell(_ attempt: String, at now: Instant) -> Int? {
        self.state.withLock { state in
            if state.minute.map({ now - $0 >= Self.span }) ?? true { (state.minute, state.told) = (now, 0) }
            if let known = state.counts[attempt], now - known.toldAt < Self.span || state.told >= Self.mostAMinute {
                state.counts[attempt]?.silent += 1
                return nil
            }
            guard state.told < Self.mostAMinute else { return nil }
            state.told += 1
            if state.counts.count >= Self.mostKnown {
                state.counts = state.counts.filter { now - $1.toldAt < Self.span }
            }
            let silent = state.counts[attempt]?.silent ?? 0
            state.counts[attempt] = Count(toldAt: now)
            return silent + 1
        }
    }
}

// Attempts at what the caller may not do.
extension Gateway {
    func noteRefused(_ request: HTTPRequest, _ route: OperatorRoute, _ code: String) {
        guard let caller = try? self.keys.caller(request.headers) else { return }
        let attempt = "\(caller.keyName ?? "") \(route.method.rawValue) \(route.pattern) \(code)"
        guard let count = self.refusals.tell(attempt, at: self.clock.now()) else { return }
        self.note(
            "refused",
            "\(request.method.rawValue) \(request.path.prefix(200))",
            by: OperatorRequest(http: request, caller: caller, names: []),
            after: Self.object([("code", code)]),
            count: count
        )
    }
}
