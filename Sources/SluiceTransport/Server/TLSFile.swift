#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Reads a PEM file.
enum TLSFile {
    private static let maximumBytes = 1 << 20

    static func read(_ path: String) throws(HTTPServerError) -> String {
        guard let file = fopen(path, "r") else { throw .tlsFile(path, reason: String(cString: strerror(errno))) }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Self.maximumBytes)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count > 0 else { throw .tlsFile(path, reason: "it is empty") }
        guard count < Self.maximumBytes else { throw .tlsFile(path, reason: "it is larger than 1 MiB") }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
