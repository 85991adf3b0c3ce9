/// Reads the fields of one object and says which one is wrong. Good only inside the closure of `JSON.read`.
struct EnvelopeFields {
    /// Where an object stands. Text is only made of it for an error.
    private struct Path {
        var outer: StaticString?
        var inner: StaticString?
        var index: Int?

        func label(_ name: StaticString) -> String {
            var text = ""
            if let outer = self.outer { text += "\(outer)." }
            if let inner = self.inner { text += "\(inner)" }
            if let index = self.index { text += "[\(index)]" }
            return self.inner == nil ? "\(name)" : "\(text).\(name)"
        }
    }

    private let object: JSONValue
    private let path: Path

    init(_ object: JSONValue) { self.init(object, Path()) }

    private init(_ object: JSONValue, _ path: Path) {
        self.object = object
        self.path = path
    }

    private func label(_ name: StaticString) -> String { self.path.label(name) }

    /// `nil` when missing or null.
    subscript(_ name: StaticString) -> JSONValue? {
        guard let value = self.object[name], !value.isNull else { return nil }
        return value
    }

    func refuse(_ name: StaticString, _ rule: String) -> EnvelopeError {
        .notAllowed(field: self.label(name), rule: rule)
    }

    func wrong(_ name: StaticString, _ expected: String) -> EnvelopeError {
        .wrongType(field: self.label(name), expected: expected)
    }

    func missing(_ name: StaticString) -> EnvelopeError { .missing(field: self.label(name)) }

    private func required<Value>(_ name: StaticString, _ value: Value?) throws(EnvelopeError) -> Value {
        guard let value else { throw self.missing(name) }
        return value
    }

    // MARK: Strings

    func optionalString(_ name: StaticString, maximumBytes: Int) throws(EnvelopeError) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string else { throw self.wrong(name, "a string") }
        guard text.utf8.count <= maximumBytes else {
            throw self.refuse(name, "may have at most \(maximumBytes) bytes")
        }
        return text
    }

    func optionalIdentifier(_ name: StaticString) throws(EnvelopeError) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string else { throw self.wrong(name, "a string") }
        guard EnvelopeLimits.isIdentifier(text) else {
            throw self.refuse(
                name,
                "must have 1 to \(EnvelopeLimits.identifierBytes) bytes and no control characters"
            )
        }
        return text
    }

    func identifier(_ name: StaticString) throws(EnvelopeError) -> String {
        try self.required(name, try self.optionalIdentifier(name))
    }

    // MARK: Numbers

    func optionalNumber(_ name: StaticString, in range: ClosedRange<Double>) throws(EnvelopeError) -> Double? {
        guard let value = self[name] else { return nil }
        guard let number = value.double else { throw self.wrong(name, "a number") }
        guard number.isFinite, range.contains(number) else {
            throw self.refuse(name, "must lie between \(range.lowerBound) and \(range.upperBound)")
        }
        return number
    }

    func number(_ name: StaticString, in range: ClosedRange<Double>) throws(EnvelopeError) -> Double {
        try self.required(name, try self.optionalNumber(name, in: range))
    }

    /// 10 and 10.0 alike: producers in languages without integers send the second.
    func optionalInteger(_ name: StaticString, in range: ClosedRange<Int>) throws(EnvelopeError) -> Int? {
        guard let value = self[name] else { return nil }
        guard let number = value.int ?? value.double.flatMap({ Int(exactly: $0) }) else {
            throw self.wrong(name, "a whole number")
        }
        guard range.contains(number) else {
            throw self.refuse(name, "must lie between \(range.lowerBound) and \(range.upperBound)")
        }
        return number
    }

    func integer(_ name: StaticString, in range: ClosedRange<Int>) throws(EnvelopeError) -> Int {
        try self.required(name, try self.optionalInteger(name, in: range))
    }

    // MARK: Others

    func flag(_ name: StaticString) throws(EnvelopeError) -> Bool {
        guard let value = self[name] else { return false }
        guard let flag = value.bool else { throw self.wrong(name, "true or false") }
        return flag
    }

    /// Missing and null are `nil`.
    func optionalObject(_ name: StaticString) throws(EnvelopeError) -> EnvelopeFields? {
        guard let value = self[name] else { return nil }
        guard value.kind == .object else { throw self.wrong(name, "an object") }
        return EnvelopeFields(value, Path(outer: self.path.inner, inner: name))
    }

    func object(_ name: StaticString) throws(EnvelopeError) -> EnvelopeFields {
        try self.required(name, try self.optionalObject(name))
    }

    /// A list of objects; missing and null are empty.
    func list<Element>(
        _ name: StaticString,
        maximum: Int,
        _ read: (EnvelopeFields) throws(EnvelopeError) -> Element
    ) throws(EnvelopeError) -> [Element] {
        guard let value = self[name] else { return [] }
        guard value.kind == .array else { throw self.wrong(name, "a list") }
        guard value.count <= maximum else { throw self.refuse(name, "may have at most \(maximum) elements") }
        var objects: [EnvelopeFields] = []
        value.forEachElement { element in
            objects.append(EnvelopeFields(element, Path(outer: self.path.inner, inner: name, index: objects.count)))
            return element.kind == .object
        }
        var elements: [Element] = []
        for fields in objects {
            guard fields.object.kind == .object else { throw self.wrong(name, "a list of objects") }
            elements.append(try read(fields))
        }
        return elements
    }

    func check(
        _ name: StaticString,
        _ kinds: [JSONValue.Kind],
        _ expected: String
    ) throws(EnvelopeError) {
        guard let value = self[name] else { return }
        guard kinds.contains(value.kind) else { throw self.wrong(name, expected) }
    }

    var memberCount: Int { self.object.count }

    func checkVersion() throws(EnvelopeError) {
        let version = self["contract_version"]?.string
        guard version == DispatchContract.version else {
            throw .unsupportedVersion(version.map { String($0.filter { $0.isLetter || $0.isNumber }.prefix(16)) })
        }
    }
}

extension EnvelopeFields {
    /// Seconds since 1970 that an envelope may name: to the year 9999. Milliseconds by mistake fall outside.
    static let epochSeconds = 0.0...253_402_300_799.0
    static let spanSeconds = 0.0...315_360_000.0

    /// Parses an element and reads it with `body`; every way to fail becomes an `EnvelopeError`.
    static func read<Result>(
        _ element: [UInt8],
        limit: Int,
        _ body: (EnvelopeFields) throws(EnvelopeError) -> Result
    ) throws(EnvelopeError) -> Result {
        guard element.count <= limit else { throw .tooLarge(bytes: element.count, limit: limit) }
        do {
            return try JSON.read(element) { root throws(EnvelopeError) in
                guard root.kind == .object else { throw .notAnObject }
                return try body(EnvelopeFields(root))
            }
        } catch let error as EnvelopeError {
            throw error
        } catch let error as JSONError {
            throw .notJSON(error.kind)
        } catch {
            throw .notJSON(.syntax)
        }
    }
}
