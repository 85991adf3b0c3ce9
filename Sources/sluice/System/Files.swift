#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Why a file could not be read.
struct FileError: Error, Equatable {
    var message: String
}

/// Reading whole small files.
enum Files {
    /// - Parameter limit: larger files are refused, so that a wrong path (a device, a log) does no harm.
    static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw FileError(message: "cannot open \(path): \(Self.explain(errno))")
        }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(message: "cannot read \(path): \(Self.explain(errno))")
            }
            if count == 0 { return content }
            content.append(contentsOf: buffer[..<count])
            if content.count > limit {
                throw FileError(message: "\(path) is larger than the \(limit) bytes that are read")
            }
        }
    }

    /// Writes to a descriptor until everything is out or it cannot take more.
    static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                return
            }
            bytes = bytes.dropFirst(count)
        }
    }

    private static func explain(_ code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        return String(cString: text).lowercased()
    }
}
