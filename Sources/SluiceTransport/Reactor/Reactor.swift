import CLibUV
import SluiceBasics

/// One thread with one event loop that runs Swift tasks.
///
/// DESIGN. Everything that belongs to a connection or a transfer happens on its reactor's thread, so none of it needs a
/// lock. A job enqueued from the reactor's own thread goes to a plain array; from elsewhere it goes to a locked array
/// and the loop is woken. Before the loop sleeps, jobs and participants (the HTTP server and client) take turns until
/// nobody has anything left: a response that a job has just made ready must not wait for the next event.
///
/// Blocking it blocks every connection on it.
package final class Reactor: TaskExecutor, @unchecked Sendable {
    // Sound: everything but `inbox` and the constants is touched by the loop's own thread only.

    // Sound: an item made for `later` never leaves its thread, one made for another thread holds a Sendable action.
    private enum Item: @unchecked Sendable {
        case job(UnownedJob)
        case action(() -> Void)
    }

    /// Rounds of jobs and participants before the loop looks at its sockets again.
    private static let maximumRoundsPerTurn = 64

    package let index: Int
    let loop: UnsafeMutablePointer<uv_loop_t>
    private let wakeup: UnsafeMutablePointer<uv_async_t>
    private let prepare: UnsafeMutablePointer<uv_prepare_t>
    private let idle: UnsafeMutablePointer<uv_idle_t>
    private let inbox = Lock<[Item]>([])
    private var local: [Item] = []
    private var running: [Item] = []
    private var participants: [any ReactorParticipant] = []
    private var isIdleArmed = false
    private var isStopping = false

    init(index: Int) throws(ReactorError) {
        self.index = index
        self.loop = .allocate(capacity: 1)
        self.wakeup = .allocate(capacity: 1)
        self.prepare = .allocate(capacity: 1)
        self.idle = .allocate(capacity: 1)
        let status = uv_loop_init(self.loop)
        guard status == 0 else { throw .loop(code: status) }
        let context = Unmanaged.passUnretained(self).toOpaque()
        let wakeStatus = uv_async_init(self.loop, self.wakeup) { handle in
            guard let context = handle?.pointee.data else { return }
            Unmanaged<Reactor>.fromOpaque(context).takeUnretainedValue().takeInbox()
        }
        guard wakeStatus == 0 else { throw .loop(code: wakeStatus) }
        self.wakeup.pointee.data = context
        uv_prepare_init(self.loop, self.prepare)
        self.prepare.pointee.data = context
        uv_idle_init(self.loop, self.idle)
        self.idle.pointee.data = context
    }

    // Its thread keeps a reactor alive while the loop runs. The loop's memory is never given back.

    // MARK: Running

    /// Runs the loop until `stop`. Called once, on the reactor's own thread.
    func run() {
        ReactorThread.current = self
        uv_prepare_start(self.prepare) { handle in
            guard let context = handle?.pointee.data else { return }
            Unmanaged<Reactor>.fromOpaque(context).takeUnretainedValue().turn()
        }
        _ = uv_run(self.loop, UV_RUN_DEFAULT)
        ReactorThread.current = nil
    }

    /// Ends the loop after the work that is at hand.
    func stop() {
        self.post {
            self.isStopping = true
            uv_stop(self.loop)
        }
    }

    /// Whether the calling thread is this reactor's.
    @inline(always)
    package var isCurrent: Bool { ReactorThread.current === self }

    /// Adds somebody who takes a turn before each sleep.
    func add(_ participant: any ReactorParticipant) {
        self.participants.append(participant)
    }

    func remove(_ participant: any ReactorParticipant) {
        self.participants.removeAll { $0 === participant }
    }

    private func turn() {
        var rounds = 0
        var isBusy = true
        while isBusy && rounds < Self.maximumRoundsPerTurn {
            rounds += 1
            isBusy = false
            self.runLocal()
            for participant in self.participants where participant.takeTurn() { isBusy = true }
            if !self.local.isEmpty { isBusy = true }
        }
        // With work left over the loop must poll without sleeping; an armed idle handle makes it do so.
        if isBusy != self.isIdleArmed {
            self.isIdleArmed = isBusy
            if isBusy { uv_idle_start(self.idle) { _ in } } else { uv_idle_stop(self.idle) }
        }
    }

    private func runLocal() {
        guard !self.local.isEmpty else { return }
        swap(&self.local, &self.running)
        let executor = self.asUnownedTaskExecutor()
        var index = 0
        while index < self.running.count {
            switch self.running[index] {
            case .job(let job): job.runSynchronously(on: executor)
            case .action(let action): action()
            }
            index += 1
        }
        self.running.removeAll(keepingCapacity: true)
    }

    private func takeInbox() {
        let items = self.inbox.withLock { inbox in
            var taken: [Item] = []
            swap(&taken, &inbox)
            return taken
        }
        self.local.append(contentsOf: items)
    }

    // MARK: Enqueueing

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if self.isCurrent {
            self.local.append(.job(job))
        } else {
            self.hand(.job(job))
        }
    }

    /// Runs `action` on the reactor's thread, never inside the caller's frame: safe to call from a C library's
    /// callback.
    package func post(_ action: @escaping @Sendable () -> Void) {
        if self.isCurrent {
            self.local.append(.action(action))
        } else {
            self.hand(.action(action))
        }
    }

    /// As `post`, for state that is confined to this reactor's thread, which must be the caller's.
    func later(_ action: @escaping () -> Void) {
        self.local.append(.action(action))
    }

    private func hand(_ item: Item) {
        let wasEmpty = self.inbox.withLock { inbox in
            inbox.append(item)
            return inbox.count == 1
        }
        if wasEmpty { uv_async_send(self.wakeup) }
    }

    /// Brings the calling task onto this reactor's thread.
    func hop() async {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            self.post { continuation.resume() }
        }
    }
}

/// Somebody who has work to do on a reactor's thread before its loop sleeps.
protocol ReactorParticipant: AnyObject {
    /// Does what is due; answers whether it did anything that may have made more work.
    func takeTurn() -> Bool
}

package enum ReactorError: Error, CustomStringConvertible {
    case loop(code: Int32)
    case thread(code: Int32)

    package var description: String {
        switch self {
        case .loop(let code):
            "cannot create an event loop: \(String(cString: uv_strerror(code))); check the limit of open files"
        case .thread(let code):
            "cannot start a thread (error \(code)); check the limit of processes"
        }
    }
}
