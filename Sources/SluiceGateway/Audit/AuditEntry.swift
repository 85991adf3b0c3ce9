import SluiceBasics
import SluiceCore
import SluiceWire

/// What an operator did.
struct AuditEntry: Sendable {
    /// How it can be undone.
    enum Reversal: Sendable {
        case mode(from: PoolMode, to: PoolMode)
        case logLevel(from: String, to: String)
        case configuration(from: PoolConfiguration, to: PoolConfiguration)

        var inverse: Reversal {
            switch self {
            case .mode(let from, let to): .mode(from: to, to: from)
            case .logLevel(let from, let to): .logLevel(from: to, to: from)
            case .configuration(let from, let to): .configuration(from: to, to: from)
            }
        }
    }

    let id: String
    /// Nanoseconds since 1970.
    let at: Int64
    /// Name of the key; `nil`: no keys are configured.
    let who: String?
    let role: OperatorRole?
    /// Address that it came from.
    let client: String
    /// As in `pool.pause`.
    let action: String
    /// Which pool, request or filter.
    let object: String
    /// JSON; `nil` where there is nothing to tell.
    var before: [UInt8]?
    var after: [UInt8]?
    var count: Int?
    var reversal: Reversal?
    /// The entry of its undoing.
    var undoneBy: String?

    func write(to json: inout JSONWriter) {
        json.field("id", self.id)
        json.field("at", Double(self.at / 1_000_000) / 1000)
        json.field("who", self.who ?? "anybody")
        json.field("role", self.role?.rawValue)
        json.field("client", self.client)
        json.field("action", self.action)
        json.field("object", self.object)
        json.rawField("before", self.before ?? Self.null)
        json.rawField("after", self.after ?? Self.null)
        json.field("count", self.count)
        json.field("undoable", self.reversal != nil && self.undoneBy == nil)
        json.field("undone", self.undoneBy != nil)
        json.field("undone_by", self.undoneBy)
    }

    private static let null = Array("null".utf8)
}

/// Where entries of the audit go beside memory. Called for each; must be quick.
package protocol AuditSink: Sendable {
    /// - Parameter line: JSON with a line break at its end.
    func append(_ line: [UInt8])
}

/// What operators did since the start: only ever added to, bounded in number, the oldest go first.
final class AuditLog: Sendable {
    private struct State: Sendable {
        var entries: [AuditEntry] = []
        /// How many have gone, so that a place in `entries` is found again.
        var first = 0
        var places: [String: Int] = [:]
    }

    private let state = Lock(State())
    private let sink: (any AuditSink)?
    private let maximum: Int

    init(maximum: Int, sink: (any AuditSink)?) {
        self.maximum = max(1, maximum)
        self.sink = sink
    }

    /// - Parameters:
    ///   - undoes: the entry that this one undoes.
    ///   - inFull: what goes to the file in its place, where that is more than memory should hold.
    func add(_ entry: AuditEntry, undoes: String? = nil, inFull: AuditEntry? = nil) {
        self.state.withLock { state in
            if let undoes, let place = state.places[undoes] { state.entries[place - state.first].undoneBy = entry.id }
            state.places[entry.id] = state.first + state.entries.count
            state.entries.append(entry)
            // Not one at a time, which would move all the others each time.
            guard state.entries.count >= self.maximum + self.maximum / 4 + 1 else { return }
            let excess = state.entries.count - self.maximum
            for gone in state.entries.prefix(excess) { state.places[gone.id] = nil }
            state.entries.removeFirst(excess)
            state.first += excess
        }
        guard let sink = self.sink else { return }
        var json = JSONWriter(reserving: 512)
        json.object { json in
            (inFull ?? entry).write(to: &json)
            if let undoes { json.field("undoes", undoes) }
        }
        sink.append(json.bytes + [UInt8(ascii: "\n")])
    }

    func find(_ id: String) -> AuditEntry? {
        self.state.withLock { state in state.places[id].map { state.entries[$0 - state.first] } }
    }

    /// Which entries to list; `nil` matches all.
    struct Filter: Sendable {
        var who: String?
        /// The whole action, or what stands before its dot.
        var action: String?
        /// Nanoseconds since 1970.
        var since: Int64?

        func matches(_ entry: AuditEntry) -> Bool {
            (self.who == nil || (entry.who ?? "anybody") == self.who)
                && (self.action.map { entry.action == $0 || entry.action.hasPrefix($0 + ".") } ?? true)
                && (self.since.map { entry.at >= $0 } ?? true)
        }
    }

    /// Newest first.
    ///
    /// - Parameter before: only entries older than this one.
    /// - Returns: `nil` when there is no such entry any more.
    func query(_ filter: Filter, limit: Int, before: String?) -> (rows: [AuditEntry], next: String?)? {
        let entries: [AuditEntry]? = self.state.withLock { state in
            guard let before else { return state.entries }
            return state.places[before].map { Array(state.entries.prefix($0 - state.first)) }
        }
        guard let entries else { return nil }
        var rows: [AuditEntry] = []
        for entry in entries.reversed() where filter.matches(entry) {
            if rows.count == limit { return (rows, rows.last?.id) }
            rows.append(entry)
        }
        return (rows, nil)
    }
}
