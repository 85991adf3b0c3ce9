import SluiceWire

/// A member that cannot be taken, and where it stands.
struct FieldFault: Error {
    /// As in `messages[3].content[0].image_url`, from the object that is read.
    var path: String
    /// The rest of a sentence that begins with the field.
    var problem: String
    var code: String

    init(_ path: String, _ problem: String, code: String = "invalid_type") {
        self.path = path
        self.problem = problem
        self.code = code
    }

    static func missing(_ path: String) -> FieldFault {
        FieldFault(path, "is missing", code: "missing_required_parameter")
    }

    func inside(_ name: String) -> FieldFault {
        let joint = self.path.isEmpty || self.path.hasPrefix("[") ? "" : "."
        return FieldFault("\(name)\(joint)\(self.path)", self.problem, code: self.code)
    }

    func inside(_ index: Int) -> FieldFault { self.inside("[\(index)]") }

    var invalidRequest: InvalidRequest {
        guard !self.path.isEmpty else { return InvalidRequest("The body \(self.problem).", code: self.code) }
        return InvalidRequest("The field '\(self.path)' \(self.problem).", param: self.path, code: self.code)
    }
}

extension JSONValue {
    func string(_ name: String) throws(FieldFault) -> String {
        guard let string = self.string else { throw FieldFault(name, "must be a string") }
        return string
    }

    /// A whole number, also when it is written as `10.0`.
    func int(_ name: String) throws(FieldFault) -> Int {
        if let int = self.int { return int }
        guard self.kind == .number, let double = self.double, let int = Int(exactly: double) else {
            throw FieldFault(name, "must be a whole number")
        }
        return int
    }

    func double(_ name: String) throws(FieldFault) -> Double {
        guard self.kind == .number, let double = self.double else { throw FieldFault(name, "must be a number") }
        return double
    }

    func bool(_ name: String) throws(FieldFault) -> Bool {
        guard let bool = self.bool else { throw FieldFault(name, "must be true or false") }
        return bool
    }

    func object(_ name: String) throws(FieldFault) -> JSONText {
        guard self.kind == .object else { throw FieldFault(name, "must be an object") }
        return self.text
    }

    /// Calls `body` with every member that is not null; what it throws is placed inside `name`.
    func members(
        _ name: String,
        _ body: (String, JSONValue) throws(FieldFault) -> Void
    ) throws(FieldFault) {
        guard self.kind == .object else { throw FieldFault(name, "must be an object") }
        var fault: FieldFault?
        self.forEachMember { key, value in
            guard !value.isNull else { return true }
            do throws(FieldFault) {
                try body(key, value)
                return true
            } catch {
                fault = error
                return false
            }
        }
        if let fault { throw name.isEmpty ? fault : fault.inside(name) }
    }

    /// Calls `body` with every element; what it throws is placed inside `name` and the element's index.
    func elements(_ name: String, _ body: (JSONValue) throws(FieldFault) -> Void) throws(FieldFault) {
        guard self.kind == .array else { throw FieldFault(name, "must be a list") }
        var fault: FieldFault?
        var index = 0
        self.forEachElement { value in
            do throws(FieldFault) {
                try body(value)
                index += 1
                return true
            } catch {
                fault = error.inside(index)
                return false
            }
        }
        if let fault { throw fault.inside(name) }
    }

    func strings(_ name: String) throws(FieldFault) -> [String] {
        var strings: [String] = []
        try self.elements(name) { value throws(FieldFault) in strings.append(try value.string("")) }
        return strings
    }
}
