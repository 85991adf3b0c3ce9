#if canImport(Glibc)
    @preconcurrency import Glibc
#else
    import Darwin
#endif

/// Where a command writes. Tests pass closures; the program its two descriptors.
struct Terminal: Sendable {
    var style: TextStyle
    var errorStyle: TextStyle
    /// Columns, for wrapping help and cutting tables; `nil` when output is not a terminal.
    var width: Int?
    var out: @Sendable (String) -> Void
    var error: @Sendable (String) -> Void

    /// Colour only on a terminal, and not when `NO_COLOR` is set to anything (no-color.org).
    static func standard(environment: [String: String]) -> Terminal {
        let plain = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
        return Terminal(
            style: TextStyle(isEnabled: !plain && isatty(STDOUT_FILENO) == 1),
            errorStyle: TextStyle(isEnabled: !plain && isatty(STDERR_FILENO) == 1),
            width: isatty(STDOUT_FILENO) == 1 ? Self.columns() : nil,
            out: { Files.write($0, to: STDOUT_FILENO) },
            error: { Files.write($0, to: STDERR_FILENO) }
        )
    }

    func line(_ text: String = "") { self.out(text + "\n") }
    func errorLine(_ text: String) { self.error(text + "\n") }

    private static func columns() -> Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
        return Int(size.ws_col)
    }
}

/// What the process was started with.
enum ProcessEnvironment {
    static func all() -> [String: String] {
        var result: [String: String] = [:]
        var entry: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return result
    }
}
