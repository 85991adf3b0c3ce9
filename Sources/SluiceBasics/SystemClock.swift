#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The machine's clocks.
package struct SystemClock: TimeSource {
    package init() {}

    package func now() -> Instant {
        Instant(nanoseconds: Self.read(CLOCK_MONOTONIC))
    }

    package func wallClockNanoseconds() -> Int64 {
        Self.read(CLOCK_REALTIME)
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
