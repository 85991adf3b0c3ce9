import SluiceBasics

/// Prompts and answers between the end of a request and its export, where they are captured: bounded in bytes and
/// number; what is not fetched goes when there is no room.
package final class ContentShelf: Sendable {
    private struct State {
        var contents: [String: CapturedContent] = [:]
        var order: [String] = []
        var first = 0
        var bytes = 0
    }

    private let maximumBytes: Int
    private let maximumCount: Int
    private let state = Lock(State())

    package init(maximumBytes: Int = 64 << 20, maximumCount: Int = 32_768) {
        self.maximumBytes = maximumBytes
        self.maximumCount = maximumCount
    }

    /// - Parameter id: as its producer calls the request, else ours.
    package func put(_ id: String, _ content: CapturedContent) {
        let count = content.byteCount
        guard count <= self.maximumBytes else { return }
        self.state.withLock { state in
            if let old = state.contents.updateValue(content, forKey: id) {
                state.bytes -= old.byteCount
            } else {
                state.order.append(id)
            }
            state.bytes += count
            // What has been fetched is no more; its name goes with the next that comes, or when there are too many.
            while state.first < state.order.count {
                let oldest = state.order[state.first]
                let isFull =
                    state.bytes > self.maximumBytes || state.order.count - state.first > self.maximumCount
                guard isFull || state.contents[oldest] == nil else { break }
                state.first += 1
                if let gone = state.contents.removeValue(forKey: oldest) { state.bytes -= gone.byteCount }
            }
            if state.first > 1_024, state.first * 2 > state.order.count {
                state.order.removeFirst(state.first)
                state.first = 0
            }
        }
    }

    /// Names that are remembered, of what has been fetched too.
    var nameCount: Int { self.state.withLock { $0.order.count - $0.first } }

    package func take(_ id: String) -> CapturedContent? {
        self.state.withLock { state in
            guard let content = state.contents.removeValue(forKey: id) else { return nil }
            state.bytes -= content.byteCount
            return content
        }
    }
}
