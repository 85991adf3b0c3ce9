#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Lets a thread that is not a reactor wait until something has happened a number of times.
package final class Countdown: @unchecked Sendable {
    // Sound: POSIX semaphores are made for this; the count is only read by the waiter.
    private let semaphore: UnsafeMutablePointer<sem_t>
    private let count: Int

    package init(_ count: Int) {
        self.count = count
        self.semaphore = .allocate(capacity: 1)
        sem_init(self.semaphore, 0, 0)
    }

    deinit {
        sem_destroy(self.semaphore)
        self.semaphore.deallocate()
    }

    package func signal() { sem_post(self.semaphore) }

    package func wait() {
        for _ in 0..<self.count {
            while sem_wait(self.semaphore) != 0 && errno == EINTR {}
        }
    }
}
