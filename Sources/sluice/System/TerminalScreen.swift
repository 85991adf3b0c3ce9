#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The whole terminal, taken from the shell and given back: raw keys, the alternate screen, no cursor.
struct TerminalScreen {
    private var before: termios?

    /// Whether there is a terminal to take.
    static func isPossible(environment: [String: String]) -> Bool {
        isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && environment["TERM"] != "dumb"
    }

    static func size() -> (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (min(Int(size.ws_col), 1000), min(Int(size.ws_row), 500))
    }

    mutating func enter() -> Bool {
        var attributes = termios()
        guard tcgetattr(STDIN_FILENO, &attributes) == 0 else { return false }
        self.before = attributes
        cfmakeraw(&attributes)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &attributes) == 0 else { return false }
        // The alternate screen, no cursor, no wrapping at the right edge.
        Files.write("\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l", to: STDOUT_FILENO)
        return true
    }

    mutating func leave() {
        guard var attributes = self.before else { return }
        self.before = nil
        Files.write("\u{1B}[0m\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l", to: STDOUT_FILENO)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &attributes)
    }

    /// Stops the process until the shell lets it go on. The screen must have been left.
    static func suspend() { raise(SIGSTOP) }

    enum Input {
        case bytes([UInt8])
        case nothing
        /// The terminal has gone.
        case ended
    }

    /// Waits until there are keys, the bell rings or the time is over.
    static func wait(_ bell: Doorbell, milliseconds: Int) -> Input {
        var watched = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: bell.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&watched, 2, Int32(clamping: max(0, milliseconds))) > 0 else { return .nothing }
        if watched[1].revents != 0 { bell.quieten() }
        guard watched[0].revents != 0 else { return .nothing }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        if count > 0 { return .bytes(Array(bytes[..<count])) }
        return count < 0 && (errno == EINTR || errno == EAGAIN) ? .nothing : .ended
    }
}
