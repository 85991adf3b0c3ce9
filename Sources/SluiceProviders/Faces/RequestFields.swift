import SluiceWire

/// An object of a client's request, read with errors that name the field at fault. Good only inside `JSON.read`.
struct RequestFields {
    let value: JSONValue
    /// Where it stands, e.g. `input[2]`; empty: it is the body.
    let path: String

    init(_ value: JSONValue, at path: String = "") throws(InvalidRequest) {
        guard value.kind == .object else {
            let what = path.isEmpty ? "The body" : "The field '\(path)'"
            throw InvalidRequest("\(what) must be an object.", param: path.isEmpty ? nil : path, code: "invalid_type")
        }
        self.value = value
        self.path = path
    }

    /// The member, unless it is absent or null.
    subscript(_ name: StaticString) -> JSONValue? {
        guard let member = self.value[name], !member.isNull else { return nil }
        return member
    }

    /// The member's full name.
    func name(_ name: StaticString) -> String { self.path.isEmpty ? "\(name)" : "\(self.path).\(name)" }

    func string(_ name: StaticString) throws(InvalidRequest) -> String? {
        guard let member = self[name] else { return nil }
        guard let string = member.string else { throw self.invalidType(name, "a string") }
        return string
    }

    func requiredString(_ name: StaticString) throws(InvalidRequest) -> String {
        guard let string = try self.string(name) else { throw self.missing(name) }
        return string
    }

    func bool(_ name: StaticString) throws(InvalidRequest) -> Bool? {
        guard let member = self[name] else { return nil }
        guard let bool = member.bool else { throw self.invalidType(name, "true or false") }
        return bool
    }

    /// 10 and 10.0 alike: clients in languages without integers send the second.
    func int(_ name: StaticString) throws(InvalidRequest) -> Int? {
        guard let member = self[name] else { return nil }
        guard let int = member.int ?? member.double.flatMap({ Int(exactly: $0) }) else {
            throw self.invalidType(name, "a whole number")
        }
        return int
    }

    func double(_ name: StaticString) throws(InvalidRequest) -> Double? {
        guard let member = self[name] else { return nil }
        guard let double = member.double else { throw self.invalidType(name, "a number") }
        return double
    }

    /// An object within, unread.
    func object(_ name: StaticString) throws(InvalidRequest) -> RequestFields? {
        guard let member = self[name] else { return nil }
        return try RequestFields(member, at: self.name(name))
    }

    /// The elements of a list; empty when there is none.
    func elements(_ name: StaticString) throws(InvalidRequest) -> [JSONValue] {
        guard let member = self[name] else { return [] }
        guard member.kind == .array else { throw self.invalidType(name, "a list") }
        return Self.elements(of: member)
    }

    static func elements(of list: JSONValue) -> [JSONValue] {
        var elements: [JSONValue] = []
        elements.reserveCapacity(list.count)
        list.forEachElement {
            elements.append($0)
            return true
        }
        return elements
    }

    /// The mark for prompt caching of a part or a tool: Anthropic's `cache_control`, OpenAI's breakpoint.
    var cacheMark: CacheMark? {
        if let mark = self["cache_control"] { return CacheMark(timeToLive: mark["ttl"]?.string) }
        // OpenAI's spans of time are not those of the providers that read this mark.
        return self["prompt_cache_breakpoint"] == nil ? nil : CacheMark()
    }

    func missing(_ name: StaticString) -> InvalidRequest {
        InvalidRequest(
            "The field '\(self.name(name))' is missing.",
            param: self.name(name),
            code: "missing_required_parameter"
        )
    }

    func invalidType(_ name: StaticString, _ expected: String) -> InvalidRequest {
        InvalidRequest(
            "The field '\(self.name(name))' must be \(expected).",
            param: self.name(name),
            code: "invalid_type"
        )
    }

    /// - Parameter why: a clause with its full stop, and what to do instead.
    func unsupported(_ name: StaticString, _ why: String) -> InvalidRequest {
        InvalidRequest(
            "The field '\(self.name(name))' is not supported here: \(why)",
            param: self.name(name),
            code: "unsupported_parameter"
        )
    }

    /// Reads a body.
    static func read<Result>(
        _ body: [UInt8],
        _ read: (RequestFields) throws(InvalidRequest) -> Result
    ) throws(InvalidRequest) -> Result {
        do {
            return try JSON.read(body) { root throws(InvalidRequest) in try read(RequestFields(root)) }
        } catch let error as InvalidRequest {
            throw error
        } catch let error as JSONError {
            throw InvalidRequest(error.message, code: "invalid_json")
        } catch {
            throw InvalidRequest("The body could not be read.", code: "invalid_json")
        }
    }
}
