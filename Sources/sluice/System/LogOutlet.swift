import SluiceBasics

/// Between whoever logs and standard error: a bounded buffer, emptied by a thread that may be held up without anybody
/// else being so.
final class LogOutlet: Sendable {
    private struct State {
        var waiting: [UInt8] = []
        /// What is being written besides.
        var isWriting = false
        var dropped = 0
        var droppedSinceSaid = 0
    }

    private let state = Lock(State())
    private let maximumBytes: Int
    private let run: @Sendable (@escaping @Sendable () async -> Void) -> Void
    private let write: @Sendable (String) -> Void
    /// The line that says how many were dropped.
    private let notice: @Sendable (Int) -> String

    /// - Parameters:
    ///   - run: runs a task where it may block.
    ///   - write: may block.
    init(
        maximumBytes: Int,
        run: @escaping @Sendable (@escaping @Sendable () async -> Void) -> Void,
        write: @escaping @Sendable (String) -> Void,
        notice: @escaping @Sendable (Int) -> String
    ) {
        self.maximumBytes = maximumBytes
        self.run = run
        self.write = write
        self.notice = notice
    }

    /// Takes a line, or counts it when there is no room.
    func add(_ line: String) {
        let mustStart = self.state.withLock { state in
            guard state.waiting.count + line.utf8.count <= self.maximumBytes else {
                state.dropped += 1
                state.droppedSinceSaid += 1
                return false
            }
            state.waiting.append(contentsOf: line.utf8)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustStart { self.run { self.empty() } }
    }

    /// Lines that found no room, since the start.
    var dropped: Int { self.state.withLock { $0.dropped } }

    /// Whether everything is written.
    var isEmpty: Bool { self.state.withLock { !$0.isWriting } }

    private func empty() {
        while true {
            let (bytes, dropped) = self.state.withLock { state -> ([UInt8], Int) in
                let taken = (state.waiting, state.droppedSinceSaid)
                state.waiting = []
                state.droppedSinceSaid = 0
                if taken.0.isEmpty && taken.1 == 0 { state.isWriting = false }
                return taken
            }
            if bytes.isEmpty && dropped == 0 { return }
            if !bytes.isEmpty { self.write(String(decoding: bytes, as: UTF8.self)) }
            if dropped > 0 { self.write(self.notice(dropped)) }
        }
    }
}
