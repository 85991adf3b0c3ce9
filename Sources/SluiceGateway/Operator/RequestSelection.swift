import SluiceBasics
import SluiceCore
import SluiceWire

/// Which requests an action is for, as its body says: `{"ids": [...]}` or `{"filter": {...}}`, and `"dry_run": true`
/// when it shall only be said which they are.
struct RequestSelection {
    enum Which {
        case ids([RequestID])
        /// Names and values; a name may come several times.
        case filter([(name: String, value: String)])
    }

    /// Requests of one action.
    static let maximumAtOnce = 1_000
    /// Requests that an entry of the audit names in memory; all of them go to the file.
    static let auditedInMemory = 100
    /// Values of one filter.
    private static let maximumValues = 128

    let which: Which
    /// In words, for the audit.
    let words: String
    let isDryRun: Bool

    init(_ body: [UInt8]) throws(GatewayError) {
        do {
            self = try JSON.read(body) { root throws(GatewayError) in try Self(root) }
        } catch let error as GatewayError {
            throw error
        } catch {
            throw .invalid(
                "The body must be an object with 'ids', a list, or 'filter', an object.",
                code: "invalid_json"
            )
        }
    }

    private init(_ root: JSONValue) throws(GatewayError) {
        self.isDryRun = root["dry_run"]?.bool ?? false
        if let list = root["ids"], list.kind == .array {
            let ids = try Self.ids(list)
            self.which = .ids(ids)
            self.words = ids.count == 1 ? ids[0].description : "\(ids.count) ids"
            return
        }
        guard let value = root["filter"], value.kind == .object else {
            throw .invalid("The body must have 'ids', a list, or 'filter', an object.", param: "filter")
        }
        let values = try Self.values(value)
        let words = values.sorted { $0.name < $1.name }.map { "\($0.name)=\($0.value)" }
        self.which = .filter(values)
        self.words = words.isEmpty ? "all" : words.joined(separator: " ")
    }

    private static func ids(_ list: JSONValue) throws(GatewayError) -> [RequestID] {
        guard list.count <= Self.maximumAtOnce else {
            throw .invalid("At most \(Self.maximumAtOnce) ids can be named at once.", param: "ids")
        }
        var ids: [RequestID] = []
        var wrong: String?
        list.forEachElement { element in
            guard let text = element.string, let id = RequestID(text) else {
                wrong = element.string ?? ""
                return false
            }
            ids.append(id)
            return true
        }
        if let wrong { throw .invalid("'\(wrong.prefix(64))' is no id of a request.", param: "ids") }
        return ids
    }

    /// Of a filter, by name. One that says nothing is an error: it would select everything.
    private static func values(_ filter: JSONValue) throws(GatewayError) -> [(name: String, value: String)] {
        var values: [(name: String, value: String)] = []
        var wrong: String?
        func take(_ name: String, _ value: JSONValue) {
            // A name is never a number, a time may be.
            let number = name.hasSuffix("_ms") ? value.int.map { String($0) } : nil
            guard let text = value.string ?? number, !text.isEmpty || name == "q", values.count < Self.maximumValues
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
            } else if !value.isNull {
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
