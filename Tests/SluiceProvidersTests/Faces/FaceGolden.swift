#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Files that a face's output is compared with. They were checked with the models of OpenAI's own SDK
/// (`Tests/EndToEnd/test_responses_golden.py`).
enum FaceGolden {
    /// - Parameters:
    ///   - name: below `Golden`.
    ///   - actual: what is compared with it.
    static func text(_ name: String, actual: String = "", file: String = #filePath) -> String {
        let directory = file.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
        let path = "\(directory)/Golden/\(name)"
        if let output = getenv("SLUICE_GOLDEN_OUT") {
            // Asked for by whoever looks at a change: what came out is laid aside, and the comparison fails.
            let name = name.split(separator: "/").joined(separator: "-")
            return Self.write(actual, to: "\(String(cString: output))/\(name)")
        }
        guard let stream = fopen(path, "r") else { return "there is no \(path)" }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = buffer.withUnsafeMutableBytes { fread($0.baseAddress, 1, $0.count, stream) }
            guard count > 0 else { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func write(_ text: String, to path: String) -> String {
        guard let stream = fopen(path, "w") else { return "cannot write \(path)" }
        fputs(text, stream)
        fclose(stream)
        return "written to \(path)"
    }
}
