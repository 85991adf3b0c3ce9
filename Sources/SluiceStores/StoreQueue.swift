import SluiceBasics
import SluiceTelemetry

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What waits for a store's thread: executions to write and questions to answer. Both are bounded.
final class StoreQueue<Store>: @unchecked Sendable {
    // Sound: `state` is only touched between lock and unlock of a mutex whose address never changes.
    typealias Question = @Sendable (Store) -> Void

    private struct State {
        var executions: [Execution] = []
        var questions: [Question] = []
        var lost = 0
        var isStopped = false
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state = State()
    private let maximumWaiting: Int
    private let linger: Duration

    private static var maximumQuestions: Int { 64 }
    /// With so many the thread does not wait for more.
    private static var enough: Int { 1_000 }
    /// Bounds of age hold also when nothing ends any more.
    private static var idle: Duration { .seconds(30) }

    init(maximumWaiting: Int, linger: Duration) {
        self.maximumWaiting = maximumWaiting
        self.linger = linger
        self.mutex = .allocate(capacity: 1)
        self.mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(self.mutex, nil)
        self.condition = .allocate(capacity: 1)
        self.condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(self.condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(self.condition)
        pthread_mutex_destroy(self.mutex)
        self.condition.deallocate()
        self.mutex.deallocate()
    }

    private func locked<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        return body(&self.state)
    }

    func append(_ execution: Execution) {
        let wakes = self.locked { state -> Bool in
            guard state.executions.count < self.maximumWaiting, !state.isStopped else {
                state.lost += 1
                return false
            }
            state.executions.append(execution)
            // The first begins the wait for more, and enough of them end it.
            return state.executions.count == 1 || state.executions.count == Self.enough
        }
        if wakes { pthread_cond_signal(self.condition) }
    }

    /// Those that could not be written go before those that have come since; at the end they are lost.
    func putBack(_ executions: ArraySlice<Execution>) {
        self.locked { state in
            let room = state.isStopped ? 0 : max(0, self.maximumWaiting - state.executions.count)
            state.lost += max(0, executions.count - room)
            state.executions = executions.suffix(room) + state.executions
        }
    }

    /// - Returns: whether there was room.
    func ask(_ question: @escaping Question) -> Bool {
        let isTaken = self.locked { state -> Bool in
            guard state.questions.count < Self.maximumQuestions, !state.isStopped else { return false }
            state.questions.append(question)
            return true
        }
        if isTaken { pthread_cond_signal(self.condition) }
        return isTaken
    }

    var waiting: Int { self.locked { $0.executions.count } }
    var lost: Int { self.locked { $0.lost } }
    var isStopped: Bool { self.locked { $0.isStopped } }

    func stop() {
        self.locked { $0.isStopped = true }
        pthread_cond_signal(self.condition)
    }

    /// What there is to do; `nil` when the queue has been stopped and all of it has been taken.
    ///
    /// One question at a time: each may take long, and what ends meanwhile has to be written before the next.
    ///
    /// Executions are waited for, so that many are written together; a question is answered at once, with everything
    /// in it that was recorded before it was asked.
    ///
    /// - Parameters:
    ///   - waits: for something to do; otherwise answers what there is.
    ///   - pauses: however many there are, they are waited with: it makes no sense to try again at once.
    func next(waits: Bool, pauses: Bool = false) -> (executions: [Execution], question: Question?)? {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        if waits { self.wait(pauses) }
        if self.state.isStopped && self.state.executions.isEmpty && self.state.questions.isEmpty { return nil }
        let executions = self.state.executions
        self.state.executions = []
        return (executions, self.state.questions.isEmpty ? nil : self.state.questions.removeFirst())
    }

    private func wait(_ pauses: Bool) {
        let enough = pauses ? Int.max : Self.enough
        var deadline = Self.time(after: self.state.executions.isEmpty ? Self.idle : self.linger)
        var lingers = !self.state.executions.isEmpty
        while self.state.questions.isEmpty && !self.state.isStopped && self.state.executions.count < enough {
            if pthread_cond_timedwait(self.condition, self.mutex, &deadline) == ETIMEDOUT { return }
            guard !lingers, !self.state.executions.isEmpty else { continue }
            lingers = true
            deadline = Self.time(after: self.linger)
        }
    }

    private static func time(after span: Duration) -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let nanoseconds = Int64(time.tv_nsec) + span.wholeNanoseconds
        time.tv_sec += Int(nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(nanoseconds % 1_000_000_000)
        return time
    }
}

/// Threads of stores.
enum StoreThread {
    private final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// - Returns: `nil` when the system has none left.
    static func start(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Work(body))
        let code = pthread_create(
            &thread,
            nil,
            { context in
                if let context { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body() }
                return nil
            },
            context.toOpaque()
        )
        guard code == 0 else {
            context.release()
            return nil
        }
        return thread
    }
}
