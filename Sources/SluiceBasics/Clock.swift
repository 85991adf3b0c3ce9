/// The seam between the program and time. The shell has a real one, tests one that they move by hand.
package protocol TimeSource: Sendable {
    /// Monotonic: never goes back, unaffected by changes of the wall clock.
    func now() -> Instant
    /// Nanoseconds since 1970-01-01T00:00:00Z, for what people and other systems read.
    func wallClockNanoseconds() -> Int64
}

/// Somebody who wants to be told to stop what he is doing.
package protocol Cancellable: AnyObject, Sendable {
    /// May be called from any thread, any number of times, also after the work has ended.
    func cancel()
}
