import Glibc
import Testing

/// What the compiler does not check: which words may stand where, and how large things may grow.
struct TidyTests {
    private struct File: Sendable {
        var path: String
        var text: String
        var lines: [Substring] { self.text.split(separator: "\n", omittingEmptySubsequences: false) }
    }

    private static let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

    private static func files(under folder: String, suffix: String) -> [File] {
        var found: [File] = []
        var pending = ["\(Self.root)/\(folder)"]
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
                } else if name.hasSuffix(suffix) {
                    found.append(File(path: "\(path)/\(name)", text: Self.read("\(path)/\(name)")))
                }
            }
        }
        return found.sorted { $0.path < $1.path }
    }

    private static func read(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let sources = Self.files(under: "Sources", suffix: ".swift")

    /// Lines of code, without comments, that hold one of the words.
    private static func offences(_ files: [File], _ words: [String]) -> [String] {
        files.flatMap { file in
            file.lines.enumerated().compactMap { number, line in
                let code = line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line
                guard let word = words.first(where: { code.contains($0) }) else { return nil }
                return "\(file.path):\(number + 1): \(word)"
            }
        }
    }

    private static func target(_ name: String) -> [File] {
        Self.sources.filter { $0.path.contains("/Sources/\(name)/") }
    }

    private static let allSwift = Self.sources + Self.files(under: "Tests", suffix: ".swift")

    private static func longLines(_ files: [File]) -> [String] {
        files.flatMap { file in
            file.lines.enumerated().filter { $0.element.count > 120 }
                .map { "\(file.path):\($0.offset + 1): \($0.element.count) columns" }
        }
    }

    /// The format puts a function's closing brace alone under the first letter of its declaration.
    private static func longFunctions(_ files: [File]) -> [String] {
        files.flatMap { file in
            let lines = file.lines
            return lines.indices.compactMap { start -> String? in
                let indent = lines[start].prefix { $0 == " " }
                let words = lines[start].prefix { $0 != "(" && $0 != "{" }.split(separator: " ")
                guard words.contains("func") || words.last == "init", !lines[start].hasSuffix("}") else { return nil }
                let end = lines[(start + 1)...].firstIndex { line in
                    let isDeeper = line.isEmpty || line.hasPrefix(indent + " ")
                    return !isDeeper && !line.hasPrefix(indent + ")")
                }
                guard let end, lines[end].hasPrefix(indent + "}"), end - start + 1 > 70 else { return nil }
                return "\(file.path):\(start + 1): \(end - start + 1) lines"
            }
        }
    }

    @Test func `the rules find what they look for`() {
        #expect(Self.sources.count > 50)
        let sample = File(path: "x", text: "let a = 1\nlet b = try! f() // why\n// try! in a comment\n")
        #expect(Self.offences([sample], ["try!"]) == ["x:2: try!"])
    }

    @Test func `nothing on an input path can trap`() {
        #expect(Self.offences(Self.sources, ["try!", " as! ", "fatalError(", "preconditionFailure("]) == [])
    }

    @Test func `the runtime is free of Foundation, streams without bounds and detached tasks`() {
        let words = ["import Foundation", "AsyncStream", "Task.detached", "Task.sleep", "Mutex<", "Synchronization"]
        #expect(Self.offences(Self.sources, words) == [])
    }

    @Test(arguments: ["SluiceCore", "SluiceEngine", "SluiceProviders", "SluiceTelemetry"])
    func `rules neither read clocks nor draw randomness nor do I/O`(target: String) {
        let words = [
            "import Glibc", "ContinuousClock", "SuspendingClock", "SystemRandomNumberGenerator", ".random(in:",
            ".shuffled()", "SystemClock()", "print(",
        ]
        let files = Self.target(target)
        #expect(!files.isEmpty)
        // A generator that is handed in is not randomness from outside.
        #expect(Self.offences(files, words).filter { !$0.contains("using:") } == [])
    }

    @Test func `unchecked sendability is explained, and only where threads and C meet`() {
        for file in Self.sources where !Self.offences([file], ["@unchecked Sendable", "nonisolated(unsafe)"]).isEmpty {
            let isAllowed =
                ["/SluiceTransport/", "/SluiceStores/"].contains { file.path.contains($0) }
                || file.path.hasSuffix("/Lock.swift")
            #expect(isAllowed, "\(file.path)")
            #expect(file.text.contains("Sound:"), "\(file.path) does not say why it is sound")
        }
    }

    @Test func `files stay small`() {
        for file in Self.allSwift {
            #expect(file.lines.count <= 500, "\(file.path) has \(file.lines.count) lines")
        }
        let sizes = Self.sources.map(\.lines.count).sorted()
        #expect(sizes[sizes.count * 9 / 10] <= 350)
    }

    /// The format's own rule does not look at comments.
    @Test func `lines stay within 120 columns, comments too`() {
        let long = File(path: "x", text: "// \(String(repeating: "y", count: 120))\nlet short = 1\n")
        #expect(Self.longLines([long]) == ["x:1: 123 columns"])
        #expect(Self.longLines(Self.allSwift) == [])
    }

    @Test func `functions stay within 70 lines`() {
        let body = String(repeating: "        work()\n", count: 70)
        let sample = File(path: "x", text: "struct A {\n    func b() {\n\(body)    }\n    var c: Int { 1 }\n}\n")
        #expect(Self.longFunctions([sample]) == ["x:2: 72 lines"])
        let wrapped = File(path: "x", text: "    func b(\n        c: Int\n    ) -> Int {\n\(body)    }\n")
        #expect(Self.longFunctions([wrapped]) == ["x:1: 74 lines"])
        let declared = File(path: "x", text: "    func b()\n    func c() { work() }\n\(body)    }\n")
        #expect(Self.longFunctions([declared]) == [])
        #expect(Self.longFunctions(Self.allSwift) == [])
    }

    @Test func `nothing is left for later without an issue`() {
        let words = ["TODO", "FIXME", "XXX", "HACK"]
        let found = Self.sources.flatMap { file in
            file.lines.enumerated().filter { _, line in words.contains { line.contains($0) } }
                .map { "\(file.path):\($0.offset + 1)" }
        }
        #expect(found == [])
    }

    @Test func `every target is on the map`() {
        let map = Self.read("\(Self.root)/ARCHITECTURE.md")
        let names = Set(
            Self.sources.compactMap {
                $0.path.firstRange(of: "/Sources/").map { range in range } == nil
                    ? nil
                    : $0.path.split(separator: "/").drop { $0 != "Sources" }.dropFirst().first.map(String.init)
            }
        )
        for name in names.sorted() { #expect(map.contains("`\(name)`"), "\(name) is not in ARCHITECTURE.md") }
    }

    @Test func `every file of the console is part of the program`() {
        let names = Self.read("\(Self.root)/Sources/CConsole/CConsole.c")
        let files = Self.files(under: "Sources/CConsole/web", suffix: "").map(\.path)
        #expect(!files.isEmpty)
        for file in files {
            let path = file.split(separator: "/Sources/CConsole/").last ?? ""
            #expect(names.contains("#embed \"\(path)\""), "CConsole.c does not embed \(path)")
            #expect(names.contains("{\"/\(path.dropFirst(4))\","), "CConsole.c does not serve \(path)")
        }
        #expect(names.ranges(of: "#embed \"").count == files.count, "CConsole.c embeds what is not there")
    }
}
