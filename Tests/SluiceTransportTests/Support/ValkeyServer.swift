import Glibc
import SluiceBasics

/// A real `valkey-server` (or `redis-server`) on a local socket and a port, for one test.
final class ValkeyServer: @unchecked Sendable {
    // Sound: a test uses it from one task at a time.

    static let program = ["valkey-server", "redis-server"].first { name in
        getenv("PATH").map { String(cString: $0) }?.split(separator: ":").contains {
            access("\($0)/\(name)", X_OK) == 0
        } ?? false
    }

    let folder: String
    let port: Int
    private let options: [String]
    private var child: pid_t = 0

    var socket: String { "\(self.folder)/s" }

    init(_ options: [String] = []) {
        var template = Array("/tmp/sluice-valkey-XXXXXX".utf8CString)
        self.folder = template.withUnsafeMutableBufferPointer { text in
            text.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/tmp"
        }
        self.port = Self.freePort()
        self.options = options
        self.start()
    }

    deinit {
        self.kill()
        for name in ["s", "appendonlydir", "dump.rdb"] { unlink("\(self.folder)/\(name)") }
        rmdir(self.folder)
    }

    private static let nextPort = Lock(Int(getpid()) &* 97)

    /// Below the range from which the system takes the ports of outgoing connections: none of those can come between
    /// this and the server's binding it.
    static func freePort() -> Int {
        for _ in 0..<1_000 {
            let port = Self.nextPort.withLock { next in
                next += 1
                return 20_000 + next % 12_000
            }
            if Self.isFree(port) { return port }
        }
        return 0
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    func start() {
        guard let program = Self.program else { return }
        var arguments = [
            program, "--port", String(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket, "--save", "",
            "--dir", self.folder,
        ]
        arguments += self.options
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawnp(&self.child, program, &actions, nil, &pointers, environ)
    }

    func signal(_ number: Int32) { Glibc.kill(self.child, number) }

    func kill() {
        guard self.child > 0 else { return }
        Glibc.kill(self.child, SIGKILL)
        var status: Int32 = 0
        waitpid(self.child, &status, 0)
        self.child = 0
    }
}
