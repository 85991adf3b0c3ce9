#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A state that only one thread at a time can touch.
///
/// `Synchronization.Mutex` would be the natural choice. On Linux with Swift 6.3 it slows down tenfold when runnable
/// threads outnumber cores, and ThreadSanitizer reports races inside it that do not exist; `pthread_mutex` does
/// neither.
///
/// Hold it briefly: no I/O, no callback, no other lock inside.
@usableFromInline
package final class Lock<State>: @unchecked Sendable {
    // Sound: `state` is only reached between lock and unlock of a mutex whose address never changes.
    @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline var state: State

    package init(_ state: consuming sending State) {
        self.mutex = .allocate(capacity: 1)
        self.mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(self.mutex, nil)
        self.state = state
    }

    deinit {
        pthread_mutex_destroy(self.mutex)
        self.mutex.deallocate()
    }

    /// Runs `body` with the state, alone.
    @inlinable @inline(always)
    package func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout State) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(self.mutex)
        defer { pthread_mutex_unlock(self.mutex) }
        return try body(&self.state)
    }
}
