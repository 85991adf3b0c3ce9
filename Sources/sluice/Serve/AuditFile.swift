import SluiceBasics
import SluiceGateway

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The audit as a file of JSON lines, only ever appended to.
///
/// Opened for each line, of which there are few: so a file that has been moved away for rotation begins anew. What
/// cannot be written is said in the log, and does not keep the operator from acting.
final class AuditFile: AuditSink {
    private let path: String
    private let log: @Sendable (LogEntry) -> Void

    init(path: String, log: @escaping @Sendable (LogEntry) -> Void) {
        self.path = path
        self.log = log
    }

    func append(_ line: [UInt8]) {
        let descriptor = open(self.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return self.complain() }
        defer { close(descriptor) }
        // One call, so that lines of several processes do not mix.
        let written = line.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if written != line.count { self.complain() }
    }

    private func complain() {
        let why = strerror(errno).map { String(cString: $0).lowercased() } ?? "error \(errno)"
        self.log(LogEntry(.error, "audit entry not written", [("path", self.path), ("detail", why)]))
    }
}
