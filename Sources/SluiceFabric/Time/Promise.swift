import SluiceBasics

/// A value that comes once, for one task that waits for it.
package final class Promise<Value: Sendable>: Sendable {
    private enum State: Sendable {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case fulfilled(Value)
    }

    private let state = Lock(State.empty)

    package init() {}

    /// The first value counts.
    /// - Returns: whether this was the first.
    @discardableResult
    package func fulfil(_ value: Value) -> Bool {
        let (isFirst, waiting) = self.state.withLock { state -> (Bool, CheckedContinuation<Value, Never>?) in
            switch state {
            case .empty:
                state = .fulfilled(value)
                return (true, nil)
            case .waiting(let continuation):
                state = .fulfilled(value)
                return (true, continuation)
            case .fulfilled: return (false, nil)
            }
        }
        waiting?.resume(returning: value)
        return isFirst
    }

    /// The value if it has come.
    package var current: Value? {
        self.state.withLock { state in
            if case .fulfilled(let value) = state { value } else { nil }
        }
    }

    /// Waits for the value, whatever becomes of the task: whoever may cancel fulfils.
    package func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value = self.state.withLock { state -> Value? in
                if case .fulfilled(let value) = state { return value }
                state = .waiting(continuation)
                return nil
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
