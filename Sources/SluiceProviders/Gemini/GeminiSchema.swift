import SluiceWire

/// JSON Schema reduced to the subset of OpenAPI's that models before 2.5 take: references are written out, `null` among
/// types becomes `nullable`, what is not known there is left out.
struct GeminiSchema {
    /// Deeper schemas end in a plain object, and so do those that contain themselves.
    private static let maximumDepth = 24

    private let root: JSONValue
    /// Whose schema it is, for errors.
    private let owner: String
    private var budget: GeminiSchemaBudget
    /// What references stand for, and its length in bytes.
    private var targets: [String: (value: JSONValue, bytes: Int)] = [:]
    /// References that are being written out, outermost first.
    private var path = ["#"]

    private init(root: JSONValue, owner: String, budget: GeminiSchemaBudget) {
        self.root = root
        self.owner = owner
        self.budget = budget
    }

    /// - Returns: `nil` for an object without properties, which is refused there.
    static func reduced(_ schema: JSONText, of owner: String, _ budget: inout GeminiSchemaBudget) -> JSONText? {
        let bytes = try? JSON.read(schema.bytes) { root -> [UInt8]? in
            var schema = GeminiSchema(root: root, owner: owner, budget: budget)
            let members = schema.members(of: root, depth: 0)
            let hasProperties = members.contains { ($0["properties"]?.count ?? 0) > 0 }
            guard hasProperties || schema.first(members, "type")?.string != "object" else { return nil }
            var json = JSONWriter(reserving: 512)
            json.object { schema.write(members, to: &$0, depth: 0) }
            budget = schema.budget
            return json.bytes
        }
        return (bytes ?? nil).map { JSONText(trusted: $0) }
    }

    /// The objects that together are one schema: itself, what it refers to, all of `allOf`, and the only alternative
    /// besides `null`. What they refer to is added to the path; none of them for what is being written already.
    private mutating func members(of value: JSONValue, depth: Int) -> [JSONValue] {
        guard depth < Self.maximumDepth, self.budget.takeNode(for: self.owner) else { return [] }
        var members = [value]
        if let reference = value["$ref"]?.string {
            guard !self.path.contains(reference) else { return [] }
            if let target = self.target(reference) {
                self.path.append(reference)
                members += self.members(of: target, depth: depth + 1)
            }
        }
        value["allOf"]?.forEachElement { element in
            members += self.members(of: element, depth: depth + 1)
            return members.count < 64
        }
        let alternatives = self.alternatives([value])
        if alternatives.count == 1 { members += self.members(of: alternatives[0], depth: depth + 1) }
        return members
    }

    /// `#/$defs/name` and the like.
    private mutating func target(_ path: String) -> JSONValue? {
        if let known = self.targets[path] {
            return self.budget.take(bytes: known.bytes, for: self.owner) ? known.value : nil
        }
        guard path.hasPrefix("#") else { return nil }
        var value = self.root
        for segment in path.dropFirst().split(separator: "/") {
            // Members are looked for one by one.
            guard self.budget.take(bytes: value.count, for: self.owner) else { return nil }
            guard let next = value[named: String(segment)] else { return nil }
            value = next
        }
        let length = value.compactBytes.count
        self.targets[path] = (value, length)
        return self.budget.take(bytes: length, for: self.owner) ? value : nil
    }

    private func first(_ members: [JSONValue], _ name: StaticString) -> JSONValue? {
        for member in members { if let value = member[name] { return value } }
        return nil
    }

    /// The alternatives that are not `null`.
    private func alternatives(_ members: [JSONValue]) -> [JSONValue] {
        guard let list = self.first(members, "anyOf") ?? self.first(members, "oneOf") else { return [] }
        var found: [JSONValue] = []
        list.forEachElement { element in
            if element["type"]?.string != "null" { found.append(element) }
            return found.count < 64
        }
        return found
    }

    private func isNullable(_ members: [JSONValue]) -> Bool {
        for member in members {
            if member["nullable"]?.bool == true { return true }
            for list in [member["type"], member["enum"]] {
                var found = false
                list?.forEachElement { element in
                    found = element.isNull || element.stringByteCount == 4 && element.string == "null"
                    return !found
                }
                if found { return true }
            }
            for list in [member["anyOf"], member["oneOf"]] {
                var found = false
                list?.forEachElement { element in
                    found = element["type"]?.string == "null"
                    return !found
                }
                if found { return true }
            }
        }
        return false
    }

    private func types(_ members: [JSONValue]) -> [String] {
        guard let type = self.first(members, "type") else {
            return members.contains { $0["properties"] != nil } ? ["object"] : []
        }
        if let name = type.string { return [name] }
        var names: [String] = []
        type.forEachElement { element in
            if let name = element.string, name != "null" { names.append(name) }
            return true
        }
        return names
    }

    /// Writes what is within the braces.
    private mutating func write(_ value: JSONValue, to json: inout JSONWriter, depth: Int) {
        let length = self.path.count
        let members = self.members(of: value, depth: depth)
        if members.isEmpty {
            json.field("type", "object")
        } else {
            self.write(members, to: &json, depth: depth)
        }
        self.path.removeLast(self.path.count - length)
    }

    private mutating func write(_ members: [JSONValue], to json: inout JSONWriter, depth: Int) {
        let types = self.types(members)
        if let description = self.first(members, "description")?.string { json.field("description", description) }
        if self.isNullable(members) { json.field("nullable", true) }
        let alternatives = self.alternatives(members)
        if alternatives.count > 1 {
            return json.array("anyOf") { json in
                for alternative in alternatives { json.object { self.write(alternative, to: &$0, depth: depth + 1) } }
            }
        }
        guard types.count <= 1 else {
            return json.array("anyOf") { json in for type in types { json.object { $0.field("type", type) } } }
        }
        let type = types.first ?? "string"
        json.field("type", type)
        switch type {
        case "object": self.writeProperties(members, to: &json, depth: depth)
        case "array":
            self.writeNumbers(members, ["minItems", "maxItems"], to: &json)
            guard let items = self.first(members, "items"), items.kind == .object else {
                return json.object("items") { $0.field("type", "string") }
            }
            json.object("items") { self.write(items, to: &$0, depth: depth + 1) }
        case "string": self.writeString(members, to: &json)
        default: self.writeNumbers(members, ["minimum", "maximum"], to: &json)
        }
    }

    private mutating func writeProperties(_ members: [JSONValue], to json: inout JSONWriter, depth: Int) {
        var names: Set<String> = []
        guard members.contains(where: { ($0["properties"]?.count ?? 0) > 0 }) else { return }
        json.object("properties") { json in
            for member in members {
                member["properties"]?.forEachMember { name, value in
                    guard names.insert(name).inserted else { return true }
                    json.object(name) { self.write(value, to: &$0, depth: depth + 1) }
                    return !self.budget.isExhausted
                }
            }
        }
        var required: [String] = []
        for member in members {
            member["required"]?.forEachElement { element in
                if let name = element.string, names.remove(name) != nil { required.append(name) }
                return true
            }
        }
        guard !required.isEmpty else { return }
        json.array("required") { json in for name in required { json.value(name) } }
    }

    private func writeString(_ members: [JSONValue], to json: inout JSONWriter) {
        var values: [String] = []
        self.first(members, "enum")?.forEachElement { element in
            if let text = element.string { values.append(text) }
            return true
        }
        if let constant = self.first(members, "const")?.string { values = [constant] }
        if !values.isEmpty {
            json.field("format", "enum")
            json.array("enum") { json in for value in values { json.value(value) } }
        } else if self.first(members, "format")?.string == "date-time" {
            json.field("format", "date-time")
        }
        self.writeNumbers(members, ["minLength", "maxLength"], to: &json)
        if let pattern = self.first(members, "pattern")?.string { json.field("pattern", pattern) }
    }

    private func writeNumbers(_ members: [JSONValue], _ names: [StaticString], to json: inout JSONWriter) {
        for name in names {
            if let number = self.first(members, name)?.double { json.field("\(name)", number) }
        }
    }
}
