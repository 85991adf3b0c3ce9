/// What a server's facts mean for us, each a sentence that says what to do.
package struct ValkeyAssessment: Sendable, Equatable {
    /// With these it does not work.
    package var problems: [String] = []
    /// With these it works until something happens.
    package var warnings: [String] = []
    /// Good to know.
    package var notes: [String] = []

    package init(_ facts: ValkeyServerFacts) {
        self.judgeAbilities(facts)
        self.judgeRole(facts)
        self.judgeMemory(facts)
        self.judgePersistence(facts)
    }

    private mutating func judgeAbilities(_ facts: ValkeyServerFacts) {
        let least = ValkeyVersion(6, 2)
        if let version = facts.commandVersion, version < least {
            self.problems.append(
                "\(facts.product) is too old: it has no LMOVE and BLMOVE; "
                    + "use Valkey, or Redis \(least.description) or later."
            )
        } else if case .absent = facts.moves {
            self.problems.append("\(facts.product) has no BLMOVE; use Valkey, or Redis \(least.description) or later.")
        }
        if facts.commandVersion == nil {
            self.notes.append(
                "The server does not say its version (INFO); allow the command if its limits shall be watched."
            )
        }
        if case .absent(let why) = facts.scripts {
            self.problems.append(
                "The server runs no Lua scripts (\(why)); allow EVAL and EVALSHA (ACL SETUSER … +@scripting)."
            )
        }
        if facts.isCluster {
            self.problems.append(
                "The server is in cluster mode, where a script cannot reach keys of several slots; use one without."
            )
        }
    }

    private mutating func judgeRole(_ facts: ValkeyServerFacts) {
        if case .replica(let primary) = facts.role {
            self.problems.append(
                "The server is a replica of \(primary) and takes no writes; give the primary's address."
            )
        }
        if facts.isLoading {
            self.warnings.append("The server is loading its data and refuses commands until it is done; wait for it.")
        }
        if let refusal = facts.writeRefusal {
            self.problems.append("The server takes no writes (\(refusal)); look at its log and its disk.")
        }
    }

    private mutating func judgeMemory(_ facts: ValkeyServerFacts) {
        if facts.maximumMemory == 0 {
            self.notes.append(
                "The server's memory has no bound; set maxmemory, so that it refuses work before the system ends it."
            )
        } else if let policy = facts.evictionPolicy, policy != "noeviction" {
            self.warnings.append(
                "The server throws keys away when its memory is full (maxmemory-policy \(policy)), queued work too; "
                    + "set maxmemory-policy noeviction."
            )
        }
    }

    private mutating func judgePersistence(_ facts: ValkeyServerFacts) {
        guard facts.isAppendOnly == false else { return }
        switch facts.savesSnapshots {
        case false:
            self.warnings.append(
                "The server keeps nothing on disk: its restart loses all queued work; set appendonly yes."
            )
        case true:
            self.warnings.append(
                "The server keeps only snapshots: its restart loses the work since the last; set appendonly yes."
            )
        default:
            self.warnings.append(
                "The server writes no append-only file: its restart may lose work; set appendonly yes."
            )
        }
    }
}
