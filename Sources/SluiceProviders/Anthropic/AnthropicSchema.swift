import SluiceWire

/// JSON Schema as Anthropic's grammars take it: every object closed, without bounds and patterns.
///
/// What cannot be enforced is told to the model in the description instead.
enum AnthropicSchema {
    /// Deeper schemas are passed on as they are from there.
    private static let maximumDepth = 64

    static func reduced(_ schema: JSONText) -> JSONText {
        var json = JSONWriter(reserving: schema.bytes.count + 256)
        let isWritten = try? JSON.read(schema.bytes) { root in
            guard root.kind == .object else { return false }
            Self.write(root, depth: 0, &json) { json, body in json.object(body) }
            return true
        }
        return isWritten == true ? JSONText(trusted: json.bytes) : schema
    }

    private typealias Enclose = (inout JSONWriter, (inout JSONWriter) -> Void) -> Void

    /// - Parameter enclose: begins the object, as an element or as a member.
    private static func write(_ schema: JSONValue, depth: Int, _ json: inout JSONWriter, _ enclose: Enclose) {
        enclose(&json) { json in
            if let reference = schema["$ref"] {
                json.field("$ref", reference.text)
                Self.writeDefinitions(schema, depth: depth, &json)
                return
            }
            let types = Self.types(schema)
            if let type = schema["type"], schema["enum"] == nil, schema["const"] == nil {
                json.field("type", type.text)
            }
            for name in ["enum", "const", "title"] {
                if let value = schema[named: name] { json.field(name, value.text) }
            }
            Self.writeAlternatives(schema, depth: depth, &json)
            if types.contains("object") || schema["properties"] != nil {
                Self.writeObject(schema, depth: depth, &json)
            }
            if let items = schema["items"], items.kind == .object, depth < Self.maximumDepth {
                Self.write(items, depth: depth + 1, &json) { json, body in json.object("items", body) }
            }
            if let least = schema["minItems"]?.int, least <= 1 { json.field("minItems", least) }
            if let format = schema["format"]?.string, Self.formats.contains(format) { json.field("format", format) }
            Self.writeDefinitions(schema, depth: depth, &json)
            Self.writeDescription(schema, &json)
        }
    }

    private static func types(_ schema: JSONValue) -> [String] {
        guard let type = schema["type"] else { return [] }
        if let one = type.string { return [one] }
        var types: [String] = []
        type.forEachElement { element in
            if let name = element.string { types.append(name) }
            return true
        }
        return types
    }

    /// `oneOf` becomes `anyOf`.
    private static func writeAlternatives(_ schema: JSONValue, depth: Int, _ json: inout JSONWriter) {
        let isAll = schema["anyOf"] == nil && schema["oneOf"] == nil
        guard let list = schema["anyOf"] ?? schema["oneOf"] ?? schema["allOf"], depth < Self.maximumDepth else {
            return
        }
        json.array(isAll ? "allOf" : "anyOf") { json in
            list.forEachElement { variant in
                if variant.kind == .object {
                    Self.write(variant, depth: depth + 1, &json) { json, body in json.object(body) }
                } else {
                    json.value(variant.text)
                }
                return true
            }
        }
    }

    private static func writeObject(_ schema: JSONValue, depth: Int, _ json: inout JSONWriter) {
        json.object("properties") { json in
            schema["properties"]?.forEachMember { name, property in
                Self.writeMember(name, property, depth: depth, &json)
                return true
            }
        }
        if let required = schema["required"] { json.field("required", required.text) }
        json.field("additionalProperties", false)
    }

    private static func writeMember(_ name: String, _ schema: JSONValue, depth: Int, _ json: inout JSONWriter) {
        guard schema.kind == .object, depth < Self.maximumDepth else { return json.field(name, schema.text) }
        Self.write(schema, depth: depth + 1, &json) { json, body in json.object(name, body) }
    }

    private static func writeDefinitions(_ schema: JSONValue, depth: Int, _ json: inout JSONWriter) {
        for name in ["$defs", "definitions"] {
            guard let definitions = schema[named: name], definitions.kind == .object else { continue }
            json.object(name) { json in
                definitions.forEachMember { name, definition in
                    Self.writeMember(name, definition, depth: depth, &json)
                    return true
                }
            }
        }
    }

    private static func writeDescription(_ schema: JSONValue, _ json: inout JSONWriter) {
        var rest: [String] = []
        schema.forEachMember { name, value in
            switch name {
            case "type", "enum", "const", "title", "description", "anyOf", "oneOf", "allOf", "properties", "required",
                "additionalProperties", "items", "$defs", "definitions", "$schema", "$id", "$ref":
                break
            case "minItems" where (value.int ?? 2) <= 1: break
            case "format" where value.string.map { Self.formats.contains($0) } ?? false: break
            default: rest.append("\(name): \(value.string ?? value.text.text)")
            }
            return true
        }
        let description = schema["description"]?.string
        guard !rest.isEmpty else {
            if let description { json.field("description", description) }
            return
        }
        let bounds = "{" + rest.joined(separator: ", ") + "}"
        json.field("description", description.map { $0 + "\n\n" + bounds } ?? bounds)
    }

    private static let formats: Set<String> = [
        "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
    ]
}
