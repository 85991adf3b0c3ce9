#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Wakes a thread that polls descriptors. May be rung from any thread.
struct Doorbell: Sendable {
    /// Readable after it was rung.
    let descriptor: Int32
    private let button: Int32

    init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            // A full pipe has been rung often enough.
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        self.descriptor = ends[0]
        self.button = ends[1]
    }

    func ring() {
        var byte: UInt8 = 1
        _ = write(self.button, &byte, 1)
    }

    func quieten() {
        var bytes = [UInt8](repeating: 0, count: 256)
        while read(self.descriptor, &bytes, bytes.count) > 0 {}
    }

    func close() {
        _ = Glibc.close(self.descriptor)
        _ = Glibc.close(self.button)
    }
}
