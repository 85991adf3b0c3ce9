import SluiceBasics
import SluiceCore
import SluiceWire

/// Which requests an action is for, as its body says: `{"ids": [...]}` or `{"filter": {...}}`, and `"dry_run": true`
/// when it shall only be said which they are. A filter beside ids says what still has to be true of them.
struct RequestSelection {
    /// Requests of one action.
    static let maximumAtOnce = 1_000
    /// Requests that an entry of the audit names in memory; all of them go to the file.
    static let auditedInMemory = 100
    /// Values of one filter.
    private static let maximumValues = 128
    /// Bytes of `words`.
    private static let maximumWords = 512

    let ids: [RequestID]?
    /// Names and values; a name may come several times.
    let filter: [(name: String, value: String)]?
    let isDryRun: Bool

    /// - Parameter emptyIsAll: whether a filter that says nothing means all of them; else it is an error.
    init(_ body: [UInt8], emptyIsAll: Bool) throws(GatewayError) {
        do {
            self = try JSON.read(body) { root throws(GatewayError) in try Self(root, emptyIsAll: emptyIsAll) }
        } catch let error as GatewayError {
            throw error
        } catch {
            throw .invalid(
                "The body must be an object with 'ids', a list, or 'filter', an object.",
                code: "invalid_json"
            )
        }
    }

    private init(_ root: JSONValue, emptyIsAll: Bool) throws(GatewayError) {
        try Self.checkMembers(root)
        self.isDryRun = root["dry_run"]?.bool ?? false
        self.ids = if let list = root["ids"] { try Self.ids(list) } else { nil }
        guard let value = root["filter"] else {
            guard self.ids == nil else {
                self.filter = nil
                return
            }
            throw .invalid("The body must have 'ids', a list, or 'filter', an object.", param: "filter")
        }
        let filter = try Self.values(value, emptyIsAll: emptyIsAll)
        if filter.isEmpty, !emptyIsAll {
            throw .invalid(
                "A filter that says nothing would mean all of them; say so with 'state': 'live'.",
                param: "filter"
            )
        }
        self.filter = filter
    }

    /// What is misspelt or of another kind must not turn a look into a deed, or some into all.
    private static func checkMembers(_ root: JSONValue) throws(GatewayError) {
        var wrong: String?
        root.forEachMember { name, value in
            let isRight =
                switch name {
                case "ids": value.kind == .array
                case "filter": value.kind == .object
                case "dry_run": value.bool != nil
                default: false
                }
            if !isRight { wrong = name }
            return isRight
        }
        guard let wrong else { return }
        throw .invalid(
            "'\(wrong.prefix(64))' is not understood; the body may have 'ids', a list, 'filter', an object, and "
                + "'dry_run', true or false.",
            param: String(wrong.prefix(64))
        )
    }

    /// For the audit.
    var words: String {
        let values = (self.filter ?? []).sorted { $0.name < $1.name }.map { "\($0.name)=\($0.value)" }
        let filter = String(values.joined(separator: " ").prefix(Self.maximumWords))
        guard let ids = self.ids else { return filter.isEmpty ? "all" : filter }
        let named = ids.count == 1 ? ids[0].description : "\(ids.count) ids"
        return filter.isEmpty ? named : "\(named) of \(filter)"
    }

    private static func ids(_ list: JSONValue) throws(GatewayError) -> [RequestID] {
        guard list.count <= Self.maximumAtOnce else {
            throw .invalid("At most \(Self.maximumAtOnce) ids can be named at once.", param: "ids")
        }
        var ids: [RequestID] = []
        var seen: Set<RequestID> = []
        var wrong: String?
        list.forEachElement { element in
            guard let text = element.string, let id = RequestID(text) else {
                wrong = element.string ?? ""
                return false
            }
            if seen.insert(id).inserted { ids.append(id) }
            return true
        }
        if let wrong { throw .invalid("'\(wrong.prefix(64))' is no id of a request.", param: "ids") }
        return ids
    }

    /// Of a filter, by name. A value that says nothing is an error: it would select everything.
    private static func values(
        _ filter: JSONValue,
        emptyIsAll: Bool
    ) throws(GatewayError) -> [(name: String, value: String)] {
        var values: [(name: String, value: String)] = []
        var wrong: String?
        func take(_ name: String, _ value: JSONValue) {
            // A name is never a number, a time may be.
            let number = name.hasSuffix("_ms") ? value.int.map { String($0) } : nil
            let maySayNothing = name == "q" && emptyIsAll
            guard let text = value.string ?? number, !text.isEmpty || maySayNothing, values.count < Self.maximumValues
            else {
                wrong = wrong ?? name
                return
            }
            values.append((name, text))
        }
        filter.forEachMember { name, value in
            if value.kind == .array {
                if value.count == 0 { wrong = wrong ?? name }
                value.forEachElement { element in
                    take(name, element)
                    return wrong == nil
                }
            } else if !value.isNull || !emptyIsAll {
                take(name, value)
            }
            return wrong == nil
        }
        guard let wrong else { return values }
        throw .invalid(
            "'\(wrong.prefix(64))' must be a text that is not empty, or a list of at most \(Self.maximumValues) such.",
            param: "filter"
        )
    }

    /// For the audit.
    static func audited(_ ids: [RequestID], most: Int) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.array("ids") { json in for id in ids.prefix(most) { json.value(id.description) } }
            if ids.count > most { json.field("more", ids.count - most) }
        }
        return json.bytes
    }
}
