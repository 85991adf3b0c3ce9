import Glibc

/// The corpus of the golden files and of `Tests/Fuzz/Seeds`, found from where this source stands.
package enum GoldenCorpus {
    private static let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    package static func read() -> Corpus {
        var corpus = Corpus()
        var pending = ["\(Self.root)/SluiceProvidersTests/Golden", "\(Self.root)/Fuzz/Seeds"]
        var files: [String] = []
        while let path = pending.popLast() {
            guard let directory = opendir(path) else { continue }
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                guard !name.hasPrefix(".") else { continue }
                if Int32(entry.pointee.d_type) == Int32(DT_DIR) {
                    pending.append("\(path)/\(name)")
                } else if (name.hasSuffix(".json") || name.hasSuffix(".sse")) && !name.hasPrefix("sigv4") {
                    files.append("\(path)/\(name)")
                }
            }
        }
        // In an order that does not depend on the disk: inputs have numbers.
        for path in files.sorted() { corpus.add(Self.bytes(path), name: path) }
        return corpus
    }

    private static func bytes(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes
    }
}
