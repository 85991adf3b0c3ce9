import SluiceWire

/// Puts together members that come in pieces.
enum JSONDelta {
    /// Strings go on, lists get longer, objects are merged member by member; of all else the last counts.
    static func merge(_ field: JSONField, into fields: inout [JSONField]) {
        guard let slot = fields.firstIndex(where: { $0.name == field.name }) else { return fields.append(field) }
        fields[slot].value = Self.merged(fields[slot].value, field.value, name: field.name)
    }

    static func replace(_ field: JSONField, in fields: inout [JSONField]) {
        guard let slot = fields.firstIndex(where: { $0.name == field.name }) else { return fields.append(field) }
        fields[slot].value = field.value
    }

    private static func merged(_ old: JSONText, _ new: JSONText, name: String) -> JSONText {
        switch (old.bytes.first, new.bytes.first) {
        case (UInt8(ascii: "\""), UInt8(ascii: "\"")):
            // Names and kinds are repeated whole.
            guard name != "id", name != "type", name != "format" else { return new }
            return JSONText(trusted: old.bytes.dropLast() + new.bytes.dropFirst())
        case (UInt8(ascii: "["), UInt8(ascii: "[")): return Self.joined([old, new])
        case (UInt8(ascii: "{"), UInt8(ascii: "{")):
            var members = Self.members(old)
            for member in Self.members(new) { Self.merge(member, into: &members) }
            var json = JSONWriter(reserving: old.bytes.count + new.bytes.count)
            json.object { json in for member in members { json.field(member.name, member.value) } }
            return JSONText(trusted: json.bytes)
        default: return new
        }
    }

    private static func members(_ object: JSONText) -> [JSONField] {
        JSONMembers.scan(object.bytes).map { JSONField($0.name, JSONText(trusted: Array($0.value))) }
    }

    private static func joined(_ lists: [JSONText]) -> JSONText {
        var json = JSONWriter()
        json.array { json in
            for list in lists {
                for element in JSONMembers.elements(list.bytes[...]) { json.rawValue(element) }
            }
        }
        return JSONText(trusted: json.bytes)
    }

    /// `{"content": […], "refusal": […]}` of several chunks.
    static func logprobs(_ pieces: [JSONText]) -> JSONText? {
        guard let first = pieces.first else { return nil }
        guard pieces.count > 1 else { return first }
        var fields: [JSONField] = []
        for piece in pieces {
            for member in Self.members(piece)
            where member.value != .null || !fields.contains(where: { $0.name == member.name }) {
                Self.merge(member, into: &fields)
            }
        }
        var json = JSONWriter()
        json.object { json in for field in fields { json.field(field.name, field.value) } }
        return JSONText(trusted: json.bytes)
    }
}
