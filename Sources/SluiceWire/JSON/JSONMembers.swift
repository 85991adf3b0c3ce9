import CSimdJSON

/// A member of an object as it stands in its document: the value is JSON, byte for byte.
package struct RawMember: Sendable, Equatable {
    package var name: String
    package var value: ArraySlice<UInt8>

    package init(name: String, value: ArraySlice<UInt8>) {
        self.name = name
        self.value = value
    }
}

/// Finds where the members of an object stand, so that values can be passed on without being encoded again.
///
/// What is found means something only if the document has been parsed successfully: this tells strings and nesting
/// apart and checks nothing. It never traps, though, and of a broken document it finds what lies before the break.
package enum JSONMembers {
    /// The members of the object that is the whole document, in order, duplicates included.
    package static func scan(_ document: [UInt8]) -> [RawMember] { Self.scan(document[...]) }

    /// The members of the object that is all of `object`. Not to be called inside `JSON.read`.
    package static func scan(_ object: ArraySlice<UInt8>) -> [RawMember] {
        let found = object.withUnsafeBytes { buffer in
            var cursor = Cursor(bytes: buffer)
            return cursor.members()
        }
        let start = object.startIndex
        return found.map { member in
            let name = object[(start + member.name.lowerBound)..<(start + member.name.upperBound)]
            return RawMember(
                name: Self.text(name),
                value: object[(start + member.value.lowerBound)..<(start + member.value.upperBound)]
            )
        }
    }

    /// The elements of the list that is all of `list`. Not to be called inside `JSON.read`.
    package static func elements(_ list: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        let found = list.withUnsafeBytes { buffer in
            var cursor = Cursor(bytes: buffer)
            return cursor.elements()
        }
        let start = list.startIndex
        return found.map { list[(start + $0.lowerBound)..<(start + $0.upperBound)] }
    }

    /// The first value of each of these names, without making strings of all the others. Not to be called inside
    /// `JSON.read`.
    package static func values(
        of names: [StaticString],
        in object: ArraySlice<UInt8>
    ) -> [ArraySlice<UInt8>?] {
        var values = [ArraySlice<UInt8>?](repeating: nil, count: names.count)
        let found = object.withUnsafeBytes { buffer in
            var cursor = Cursor(bytes: buffer)
            return cursor.members()
        }
        let start = object.startIndex
        for member in found {
            let name = object[(start + member.name.lowerBound)..<(start + member.name.upperBound)]
            let index = names.indices.first { values[$0] == nil && Self.matches(name, names[$0]) }
            guard let index else { continue }
            values[index] = object[(start + member.value.lowerBound)..<(start + member.value.upperBound)]
        }
        return values
    }

    private static func matches(_ name: ArraySlice<UInt8>, _ wanted: StaticString) -> Bool {
        if name.count == wanted.utf8CodeUnitCount {
            return wanted.withUTF8Buffer { $0.elementsEqual(name) }
        }
        guard name.count > wanted.utf8CodeUnitCount, name.contains(UInt8(ascii: "\\")) else { return false }
        return Self.text(name) == "\(wanted)"
    }

    /// The members whose names have not come before.
    package static func unique(_ members: [RawMember]) -> [RawMember] {
        guard members.count > 24 else {
            return members.indices.compactMap { index in
                let name = members[index].name
                return members[..<index].contains { $0.name == name } ? nil : members[index]
            }
        }
        var seen: Set<String> = []
        return members.filter { seen.insert($0.name).inserted }
    }

    /// The string that a raw value is; `nil` for anything else.
    package static func string(_ value: ArraySlice<UInt8>) -> String? {
        try? JSON.read(Array(value)) { $0.string }
    }

    /// The whole number that a raw value is; `nil` for anything else.
    package static func integer(_ value: ArraySlice<UInt8>) -> Int? {
        try? JSON.read(Array(value)) { $0.int }
    }

    /// The finite number that a raw value is; `nil` for anything else.
    package static func number(_ value: ArraySlice<UInt8>) -> Double? {
        try? JSON.read(Array(value)) { $0.double }
    }

    package static func isNull(_ value: ArraySlice<UInt8>) -> Bool { value.first == UInt8(ascii: "n") }

    private static func text(_ name: ArraySlice<UInt8>) -> String {
        if name.contains(UInt8(ascii: "\\")), let text = Self.string([0x22] + name + [0x22]) { return text }
        return String(decoding: name, as: UTF8.self)
    }

    private struct Cursor {
        let bytes: UnsafeRawBufferPointer
        var index = 0

        /// Names without their quotes, and values.
        mutating func members() -> [(name: Range<Int>, value: Range<Int>)] {
            var found: [(name: Range<Int>, value: Range<Int>)] = []
            guard self.take(UInt8(ascii: "{")) else { return found }
            while let name = self.string(), self.take(UInt8(ascii: ":")), let value = self.value() {
                found.append((name.lowerBound + 1..<name.upperBound - 1, value))
                guard self.take(UInt8(ascii: ",")) else { break }
            }
            return found
        }

        mutating func elements() -> [Range<Int>] {
            var found: [Range<Int>] = []
            guard self.take(UInt8(ascii: "[")) else { return found }
            while let value = self.value() {
                found.append(value)
                guard self.take(UInt8(ascii: ",")) else { break }
            }
            return found
        }

        private mutating func skipSpace() {
            while self.index < self.bytes.count, Self.isSpace(self.bytes[self.index]) { self.index += 1 }
        }

        private static func isSpace(_ byte: UInt8) -> Bool {
            byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
        }

        private mutating func take(_ byte: UInt8) -> Bool {
            self.skipSpace()
            guard self.index < self.bytes.count, self.bytes[self.index] == byte else { return false }
            self.index += 1
            return true
        }

        /// With its quotes.
        private mutating func string() -> Range<Int>? {
            let isString = self.take(UInt8(ascii: "\""))
            guard isString else { return nil }
            let start = self.index - 1
            let base = self.bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            let end = sluice_json_string_end(base, self.index, self.bytes.count)
            guard end > self.index else { return nil }
            self.index = end
            return start..<end
        }

        private mutating func value() -> Range<Int>? {
            self.skipSpace()
            let start = self.index
            var depth = 0
            scanning: while self.index < self.bytes.count {
                switch self.bytes[self.index] {
                case UInt8(ascii: "\""):
                    guard self.string() != nil else { return nil }
                    if depth == 0 { break scanning }
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { break scanning }
                    depth -= 1
                    if depth == 0 {
                        self.index += 1
                        break scanning
                    }
                case UInt8(ascii: ","), 0x20, 0x0A, 0x0D, 0x09:
                    if depth == 0 { break scanning }
                default: break
                }
                self.index += 1
            }
            return depth == 0 && self.index > start ? start..<self.index : nil
        }
    }
}
