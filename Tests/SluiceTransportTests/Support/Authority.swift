import Glibc

/// An authority of our own and certificates that it signs, made by `openssl` in a directory of its own.
final class Authority {
    struct Paper {
        let certificateFile: String
        let keyFile: String
    }

    private let folder: String
    private var files: [String] = []
    let root: Paper

    init() throws {
        var template = Array("/tmp/sluice-authority-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestFailure("no folder") }
        self.folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.root = Paper(
            certificateFile: "\(self.folder)/root.pem",
            keyFile: "\(self.folder)/root.key"
        )
        self.files = [self.root.certificateFile, self.root.keyFile]
        try Self.openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=sluice test authority", "-keyout", self.root.keyFile, "-out", self.root.certificateFile,
        ])
    }

    deinit {
        for file in self.files { unlink(file) }
        rmdir(self.folder)
    }

    /// - Parameter names: as `IP:127.0.0.1` or `DNS:example.org`.
    func sign(_ name: String, for names: String, days: Int = 2) throws -> Paper {
        let paper = Paper(certificateFile: "\(self.folder)/\(name).pem", keyFile: "\(self.folder)/\(name).key")
        let request = "\(self.folder)/\(name).request"
        let extensions = "\(self.folder)/\(name).extensions"
        self.files += [paper.certificateFile, paper.keyFile, request, extensions]
        try Self.openssl([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=sluice-test",
            "-keyout", paper.keyFile, "-out", request,
        ])
        guard let file = fopen(extensions, "w") else { throw TestFailure("no file") }
        fputs("subjectAltName=\(names)\n", file)
        fclose(file)
        try Self.openssl([
            "x509", "-req", "-in", request, "-CA", self.root.certificateFile, "-CAkey", self.root.keyFile,
            "-set_serial", "\(self.files.count)", "-days", String(days), "-extfile", extensions,
            "-out", paper.certificateFile,
        ])
        return paper
    }

    private static func openssl(_ arguments: [String]) throws {
        guard Certificate.run(["openssl"] + arguments) == 0 else {
            throw TestFailure("openssl \(arguments.joined(separator: " ")) failed")
        }
    }
}
