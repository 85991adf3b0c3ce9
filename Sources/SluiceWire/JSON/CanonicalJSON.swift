import CSimdJSON

/// Writes a JSON document so that two documents give the same bytes exactly when they mean the same: for keys of
/// caches.
///
/// Members are sorted by name, numbers written by their value (`1`, `1.0` and `1e0` agree), strings without their
/// escapes. Every part says its kind and its length, so no two documents with different meanings can give the same
/// bytes. The result is not JSON; it is there to be hashed.
///
/// One walk over the parsed document: the members of an object are sorted where they stand, and nothing but the result
/// is built.
package struct CanonicalJSON {
    /// Good while the document is: the names stay in its parser's memory.
    private struct Member {
        var name: UnsafeRawBufferPointer
        var value: sluice_json_value
    }

    package private(set) var bytes: [UInt8] = []
    /// Members and elements that are still to be written, those of inner values behind those of outer ones.
    private var pending: [Member] = []
    private let omitted: [StaticString]

    /// - Parameters:
    ///   - size: how many bytes to make room for.
    ///   - omitted: members of the document's root that do not count.
    package init(reserving size: Int = 0, omitting omitted: [StaticString] = []) {
        self.bytes.reserveCapacity(size)
        self.omitted = omitted
    }

    /// Appends a part that stands beside documents, told apart from its neighbours by its length.
    package mutating func append(part: some Collection<UInt8>) {
        self.append(length: part.count)
        self.bytes.append(contentsOf: part)
    }

    package mutating func append(part: String) { self.append(part: part.utf8) }

    /// Appends a document.
    ///
    /// At its root, and within the elements of `messages`, a member that is `null` counts as absent, because that is
    /// what it means to the interface. Deeper it stays: in a schema `"const": null` is no emptiness.
    ///
    /// - Throws: `JSONError` when it is not valid JSON.
    package mutating func append(document: [UInt8]) throws {
        try JSON.read(document) { root in self.write(root.value, .root) }
    }

    // MARK: Values

    private enum Place {
        case root
        /// The list of messages.
        case messages
        case message
        case elsewhere

        var dropsNulls: Bool { self == .root || self == .message }
    }

    private mutating func write(_ value: sluice_json_value, _ place: Place) {
        switch Int(sluice_json_kind(value)) {
        case SLUICE_JSON_BOOL:
            var flag = false
            _ = sluice_json_bool(value, &flag)
            self.bytes.append(flag ? UInt8(ascii: "t") : UInt8(ascii: "f"))
        case SLUICE_JSON_INTEGER:
            var number: Int64 = 0
            _ = sluice_json_int64(value, &number)
            self.write(UInt8(ascii: "i"), UInt64(bitPattern: number))
        case SLUICE_JSON_UNSIGNED:
            var number: UInt64 = 0
            _ = sluice_json_uint64(value, &number)
            self.write(UInt8(ascii: "u"), number)
        case SLUICE_JSON_DOUBLE: self.writeDouble(value)
        case SLUICE_JSON_STRING:
            var start: UnsafePointer<CChar>?
            var size = 0
            _ = sluice_json_string(value, &start, &size)
            self.bytes.append(UInt8(ascii: "s"))
            self.append(text: UnsafeRawBufferPointer(start: start, count: size))
        case SLUICE_JSON_ARRAY: self.writeArray(value, place)
        case SLUICE_JSON_OBJECT: self.writeObject(value, place)
        default: self.bytes.append(UInt8(ascii: "n"))
        }
    }

    /// A whole number is the same however it is written; zero has no sign.
    private mutating func writeDouble(_ value: sluice_json_value) {
        var number = 0.0
        _ = sluice_json_double(value, &number)
        if let whole = Int64(exactly: number) {
            self.write(UInt8(ascii: "i"), UInt64(bitPattern: whole))
        } else if let whole = UInt64(exactly: number) {
            self.write(UInt8(ascii: "u"), whole)
        } else {
            self.write(UInt8(ascii: "d"), number.bitPattern)
        }
    }

    private mutating func writeArray(_ value: sluice_json_value, _ place: Place) {
        let first = self.collect(value)
        let end = self.pending.count
        self.bytes.append(UInt8(ascii: "a"))
        self.append(length: end - first)
        let inner: Place = place == .messages ? .message : .elsewhere
        for index in first..<end { self.write(self.pending[index].value, inner) }
        self.pending.removeLast(end - first)
    }

    private mutating func writeObject(_ value: sluice_json_value, _ place: Place) {
        let first = self.collect(value)
        if place.dropsNulls {
            self.pending[first...].removeAll { Int(sluice_json_kind($0.value)) == SLUICE_JSON_NULL }
        }
        if place == .root {
            for name in self.omitted { self.pending[first...].removeAll { Self.equal($0.name, name) } }
        }
        let end = self.pending.count
        self.sort(first..<end)
        self.bytes.append(UInt8(ascii: "o"))
        self.append(length: end - first)
        for index in first..<end {
            let member = self.pending[index]
            self.append(text: member.name)
            let isMessages = place == .root && Self.equal(member.name, "messages")
            self.write(member.value, isMessages ? .messages : .elsewhere)
        }
        self.pending.removeLast(end - first)
    }

    /// Puts what is inside of a value on the stack; returns where it begins there.
    private mutating func collect(_ value: sluice_json_value) -> Int {
        let first = self.pending.count
        withUnsafeMutablePointer(to: &self.pending) { pending in
            _ = sluice_json_each(
                value,
                { context, name, size, value in
                    guard let context else { return false }
                    let pending = context.assumingMemoryBound(to: [Member].self)
                    pending.pointee.append(
                        Member(name: UnsafeRawBufferPointer(start: name, count: size), value: value)
                    )
                    return true
                },
                pending
            )
        }
        return first
    }

    /// By name, those of one name in the order in which they came. Most objects have few members and many are sorted
    /// already.
    private mutating func sort(_ range: Range<Int>) {
        guard range.count <= Self.fewMembers else {
            let sorted = self.pending[range].enumerated().sorted { left, right in
                let order = Self.compare(left.element.name, right.element.name)
                return order != 0 ? order < 0 : left.offset < right.offset
            }
            for (index, member) in zip(range, sorted) { self.pending[index] = member.element }
            return
        }
        for index in range.dropFirst() {
            let moving = self.pending[index]
            var place = index
            while place > range.lowerBound, Self.compare(moving.name, self.pending[place - 1].name) < 0 {
                self.pending[place] = self.pending[place - 1]
                place -= 1
            }
            if place != index { self.pending[place] = moving }
        }
    }

    private static let fewMembers = 24

    /// Below 0 when the first comes first, 0 when they are equal.
    private static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        var index = 0
        while index < left.count, index < right.count {
            if left[index] != right[index] { return Int(left[index]) - Int(right[index]) }
            index += 1
        }
        return left.count - right.count
    }

    private static func equal(_ name: UnsafeRawBufferPointer, _ wanted: StaticString) -> Bool {
        name.count == wanted.utf8CodeUnitCount && wanted.withUTF8Buffer { $0.elementsEqual(name) }
    }

    // MARK: Parts

    private mutating func write(_ kind: UInt8, _ number: UInt64) {
        self.bytes.append(kind)
        withUnsafeBytes(of: number.littleEndian) { self.bytes.append(contentsOf: $0) }
    }

    private mutating func append(text: UnsafeRawBufferPointer) {
        self.append(length: text.count)
        self.bytes.append(contentsOf: text)
    }

    /// Seven bits in each byte, the last below 128: no length is the beginning of another.
    private mutating func append(length: Int) {
        var rest = UInt(bitPattern: length)
        while rest >= 128 {
            self.bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        self.bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
