import CLibUV
import SluiceBasics

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The program's reactors.
package final class ReactorGroup: Sendable {
    package let reactors: [Reactor]
    private let threads = Lock<[pthread_t]>([])
    private let nextIndex = Lock<Int>(0)

    /// - Parameter count: threads; clamped to 1...256.
    package init(count: Int) throws(ReactorError) {
        var reactors: [Reactor] = []
        for index in 0..<max(1, min(count, 256)) { reactors.append(try Reactor(index: index)) }
        self.reactors = reactors
        Self.ignoreBrokenPipes()
    }

    /// A write to a closed connection is an error to handle, not a reason to die.
    private static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

    /// Starts a thread for every reactor.
    package func start() throws(ReactorError) {
        for reactor in self.reactors {
            var thread = pthread_t()
            // The thread keeps its reactor alive, also when everybody else has let go of it.
            let context = Unmanaged.passRetained(reactor)
            let code = pthread_create(
                &thread,
                nil,
                { context in
                    if let context { Unmanaged<Reactor>.fromOpaque(context).takeRetainedValue().run() }
                    return nil
                },
                context.toOpaque()
            )
            if code != 0 { context.release() }
            guard code == 0 else { throw .thread(code: code) }
            let started = thread
            self.threads.withLock { $0.append(started) }
        }
    }

    /// Ends every loop and waits for its thread. Not to be called from a reactor.
    package func stop() {
        for reactor in self.reactors { reactor.stop() }
        let threads = self.threads.withLock { threads in
            let taken = threads
            threads = []
            return taken
        }
        for thread in threads { pthread_join(thread, nil) }
    }

    /// The calling thread's reactor if it is one of these, or else the next in turn.
    package func preferred() -> Reactor {
        if let current = ReactorThread.current, current.index < self.reactors.count,
            self.reactors[current.index] === current
        {
            return current
        }
        return self.nextInTurn()
    }

    /// Each in turn, for work that is to be spread.
    package func nextInTurn() -> Reactor {
        let index = self.nextIndex.withLock { next in
            next = (next + 1) % self.reactors.count
            return next
        }
        return self.reactors[index]
    }

    /// Runs an operation and waits for it. Not to be called from a reactor.
    package func runAndWait(_ operation: @escaping @Sendable () async -> Void) {
        let done = Countdown(1)
        self.spawn {
            await operation()
            done.signal()
        }
        done.wait()
    }

    /// Starts a task on a reactor: the caller's own unless told otherwise.
    @discardableResult
    package func spawn(
        on reactor: Reactor? = nil,
        _ operation: @escaping @Sendable () async -> Void
    ) -> any Cancellable {
        RunningTask(Task(executorPreference: reactor ?? self.preferred()) { await operation() })
    }

    /// Waits on a reactor's timer.
    package func sleep(for span: Duration) async throws(CancellationError) {
        let reactor = self.preferred()
        let sleeper = Sleeper(reactor)
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                reactor.post { sleeper.start(span, continuation) }
            }
        } onCancel: {
            reactor.post { sleeper.wake() }
        }
        if Task.isCancelled { throw CancellationError() }
    }

    /// Runs `action` on the first reactor whenever the process gets this signal, from when this returns. The reactors
    /// must have been started, and the caller must not be on one of them.
    package func onSignal(_ number: Int32, _ action: @escaping @Sendable () -> Void) {
        let reactor = self.reactors[0]
        let started = Countdown(1)
        reactor.post {
            SignalWatch(reactor, number, action).start()
            started.signal()
        }
        started.wait()
    }

    /// A timer that can be re-armed from any thread; it runs its action on the first reactor.
    package func alarm() -> Alarm { Alarm(self.reactors[0]) }
}

/// A task that was spawned and can be told to stop.
final class RunningTask: Cancellable {
    private let task: Task<Void, Never>

    init(_ task: Task<Void, Never>) { self.task = task }

    func cancel() { self.task.cancel() }
}

/// One wait, confined to its reactor's thread.
private final class Sleeper: @unchecked Sendable {
    // Sound: only touched by actions posted to one reactor.
    private let reactor: Reactor
    private var timer: ReactorTimer?
    private var continuation: UnsafeContinuation<Void, Never>?
    private var isWoken = false

    init(_ reactor: Reactor) { self.reactor = reactor }

    func start(_ span: Duration, _ continuation: UnsafeContinuation<Void, Never>) {
        guard !self.isWoken else { return continuation.resume() }
        self.continuation = continuation
        let timer = ReactorTimer(self.reactor)
        self.timer = timer
        timer.start(after: span) { self.wake() }
    }

    func wake() {
        self.isWoken = true
        self.timer?.close()
        self.timer = nil
        self.continuation?.resume()
        self.continuation = nil
    }
}

/// One alarm at a time, armed from any thread.
package final class Alarm: @unchecked Sendable {
    // Sound: `timer` is only touched by actions posted to one reactor.
    private let reactor: Reactor
    private var timer: ReactorTimer?

    init(_ reactor: Reactor) { self.reactor = reactor }

    /// Runs `action` after `delay`; replaces what was set before.
    package func set(after delay: Duration, _ action: @escaping @Sendable () -> Void) {
        self.reactor.post {
            let timer = self.timer ?? ReactorTimer(self.reactor)
            self.timer = timer
            timer.start(after: delay, action)
        }
    }
}

/// Watches one signal for as long as the process lives.
private final class SignalWatch: @unchecked Sendable {
    // Sound: created, started and fired on one reactor's thread.
    private let handle: UnsafeMutablePointer<uv_signal_t>
    private let number: Int32
    private let action: @Sendable () -> Void

    init(_ reactor: Reactor, _ number: Int32, _ action: @escaping @Sendable () -> Void) {
        self.handle = .allocate(capacity: 1)
        self.number = number
        self.action = action
        uv_signal_init(reactor.loop, self.handle)
    }

    func start() {
        self.handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
        uv_signal_start(
            self.handle,
            { handle, _ in
                guard let context = handle?.pointee.data else { return }
                Unmanaged<SignalWatch>.fromOpaque(context).takeUnretainedValue().action()
            },
            self.number
        )
    }
}
