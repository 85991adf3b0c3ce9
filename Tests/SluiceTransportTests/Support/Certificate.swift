import Glibc

/// A certificate for 127.0.0.1 that its own key has signed, made by `openssl` in a directory of its own.
struct Certificate {
    let folder: String
    var certificateFile: String { "\(self.folder)/certificate.pem" }
    var keyFile: String { "\(self.folder)/key.pem" }

    init?() {
        var template = Array("/tmp/sluice-certificate-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { return nil }
        self.folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let arguments = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=sluice-test",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.keyFile, "-out", self.certificateFile,
        ]
        guard Self.run(arguments) == 0 else { return nil }
    }

    func remove() {
        unlink(self.certificateFile)
        unlink(self.keyFile)
        rmdir(self.folder)
    }

    /// Runs a program to its end, silently; answers its exit status.
    static func run(_ arguments: [String]) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var child = pid_t()
        guard posix_spawnp(&child, arguments[0], &actions, nil, &pointers, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 && errno == EINTR {}
        return status
    }
}
