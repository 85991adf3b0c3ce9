/// What a server says about itself at the start.
package struct ValkeyServerFacts: Sendable, Equatable {
    package enum Role: Sendable, Equatable {
        case primary
        case replica(of: String)
    }

    /// What a server can do, as far as it lets itself be asked.
    package enum Ability: Sendable, Equatable {
        case present
        /// With the server's words.
        case absent(String)
        case unknown
    }

    /// The version of Redis whose commands it has; Valkey says 7.2.4 there.
    package var commandVersion: ValkeyVersion?
    /// For people: `Valkey 8.0.1`.
    package var product = "an unknown server"
    package var isValkey = false
    package var isCluster = false
    package var isLoading = false
    package var role: Role?
    /// In bytes; 0 is no bound.
    package var maximumMemory: Int?
    package var evictionPolicy: String?
    package var isAppendOnly: Bool?
    package var savesSnapshots: Bool?
    /// Why it takes no writes now, in its words.
    package var writeRefusal: String?
    package var scripts = Ability.unknown
    package var moves = Ability.unknown

    package init() {}
}

package struct ValkeyVersion: Sendable, Equatable, Comparable {
    package var major: Int
    package var minor: Int
    package var patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int = 0) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// As `7.2.4` or `8.1.0-rc1`.
    package init?(_ text: some StringProtocol) {
        let numbers = text.split(separator: ".").prefix(3).map { Int($0.prefix { $0.isASCII && $0.isNumber }) }
        guard let major = numbers.first ?? nil else { return nil }
        let rest = numbers.dropFirst().map { $0 ?? 0 } + [0, 0]
        self.init(major, rest[0], rest[1])
    }

    package static func < (left: ValkeyVersion, right: ValkeyVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    package var description: String { "\(self.major).\(self.minor).\(self.patch)" }
}

extension ValkeyLink {
    /// Asks the server what it is and can do. What it does not let itself be asked stays unknown.
    package func probe() async throws(ValkeyError) -> ValkeyServerFacts {
        let answers = try await self.send(ValkeyServerFacts.questions)
        // Whoever is not let in learns nothing else.
        for case .error(let error) in answers.prefix(1) where !ValkeyServerFacts.passes(error.kind) {
            throw .server(error)
        }
        return ValkeyServerFacts(answers)
    }
}

extension ValkeyServerFacts {
    /// The section of each is asked for alone, because servers before 7.0 know no other way.
    static let questions: [ValkeyCommand] = [
        ValkeyCommand("PING"),
        ValkeyCommand("INFO", ["server"]),
        ValkeyCommand("INFO", ["memory"]),
        ValkeyCommand("INFO", ["persistence"]),
        ValkeyCommand("INFO", ["replication"]),
        ValkeyCommand("CONFIG", ["GET", "save"]),
        ValkeyCommand("COMMAND", ["INFO", "blmove"]),
        ValkeyCommand("EVAL", ["return 1", 0]),
    ]

    /// Refusals of a PING that end by themselves, or that a sentence of ours says better.
    static func passes(_ kind: ValkeyServerError.Kind) -> Bool {
        switch kind {
        case .loading, .masterDown, .misconfigured, .busy: true
        default: false
        }
    }

    /// - Parameter answers: to `questions`.
    init(_ answers: [RESPValue]) {
        self.init()
        guard answers.count == Self.questions.count else { return }
        for answer in answers[1...4] { self.read(information: answer.text ?? "") }
        for case .error(let error) in answers {
            switch error.kind {
            case .loading: self.isLoading = true
            case .misconfigured: self.writeRefusal = error.message
            default: break
            }
        }
        if let pair = answers[5].array, pair.count == 2, let saves = pair[1].text {
            self.savesSnapshots = !saves.isEmpty
        }
        if let known = answers[6].array, known.count == 1 {
            self.moves = known[0] == .null ? .absent("it has no BLMOVE") : .present
        } else if let version = self.commandVersion {
            self.moves = version >= ValkeyVersion(6, 2) ? .present : .absent("it has no BLMOVE")
        }
        switch answers[7] {
        case .error(let error) where error.kind == .authentication || error.kind == .unknownCommand:
            self.scripts = .absent(error.message)
        case .error: break
        default: self.scripts = .present
        }
    }

    /// Lines of `name:value`.
    private mutating func read(information text: String) {
        var fields: [Substring: Substring] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = line[line.index(after: colon)...]
        }
        if let version = fields["redis_version"] {
            self.commandVersion = ValkeyVersion(version)
            self.product = "Redis \(version)"
        }
        if let version = fields["valkey_version"] {
            self.isValkey = true
            self.product = "Valkey \(version)"
            // Every Valkey has the commands of the Redis it came from.
            self.commandVersion = self.commandVersion ?? ValkeyVersion(7, 2, 4)
        } else if fields["executable"]?.contains("keydb") == true, let version = fields["redis_version"] {
            self.product = "KeyDB \(version)"
        }
        if let mode = fields["server_mode"] ?? fields["redis_mode"] { self.isCluster = mode == "cluster" }
        if let bytes = fields["maxmemory"] { self.maximumMemory = Int(bytes) }
        if let policy = fields["maxmemory_policy"] { self.evictionPolicy = String(policy) }
        if let isOn = fields["aof_enabled"] { self.isAppendOnly = isOn == "1" }
        if let isOn = fields["loading"] { self.isLoading = isOn == "1" }
        if let role = fields["role"] {
            let primary = "\(fields["master_host"] ?? "?"):\(fields["master_port"] ?? "?")"
            self.role = role == "slave" || role == "replica" ? .replica(of: primary) : .primary
        }
    }
}
