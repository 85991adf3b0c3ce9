/// Takes big-endian numbers and pieces off the front of bytes.
struct ByteReader {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    var isEmpty: Bool { self.bytes.isEmpty }

    /// `nil`, and nothing taken, where fewer bytes are left.
    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= self.bytes.count else { return nil }
        let taken = self.bytes.prefix(count)
        self.bytes = self.bytes.dropFirst(count)
        return taken
    }

    mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Integer? {
        guard let bytes = self.take(Integer.bitWidth / 8) else { return nil }
        return bytes.reduce(0) { Integer(truncatingIfNeeded: UInt64(truncatingIfNeeded: $0) << 8 | UInt64($1)) }
    }
}

extension EventStreamHeader {
    /// All headers of a message: length of the name (8 bits), name, type, value.
    static func list(_ bytes: ArraySlice<UInt8>) throws(EventStreamError) -> [EventStreamHeader] {
        var reader = ByteReader(bytes)
        var headers: [EventStreamHeader] = []
        // Of few names each is compared with all before; a set pays for itself with many.
        var names: Set<String> = []
        while !reader.isEmpty {
            guard let size = reader.integer(UInt8.self) else { throw .truncatedHeader }
            guard size > 0 else { throw .emptyHeaderName }
            guard let nameBytes = reader.take(Int(size)) else { throw .truncatedHeader }
            guard let name = String(validating: nameBytes, as: UTF8.self) else { throw .invalidText }
            let value = try EventStreamValue(name, &reader)
            if headers.count >= 16 {
                if names.isEmpty { names = Set(headers.map(\.name)) }
                guard names.insert(name).inserted else { throw .duplicateHeader(name: name) }
            } else if headers.contains(where: { $0.name == name }) {
                throw .duplicateHeader(name: name)
            }
            headers.append(EventStreamHeader(name, value))
        }
        return headers
    }
}

extension EventStreamValue {
    fileprivate init(_ name: String, _ reader: inout ByteReader) throws(EventStreamError) {
        guard let type = reader.integer(UInt8.self) else { throw .truncatedHeader }
        let value: EventStreamValue? =
            switch type {
            case 0: .bool(true)
            case 1: .bool(false)
            case 2: reader.integer(Int8.self).map { .int8($0) }
            case 3: reader.integer(Int16.self).map { .int16($0) }
            case 4: reader.integer(Int32.self).map { .int32($0) }
            case 5: reader.integer(Int64.self).map { .int64($0) }
            case 6: Self.piece(&reader).map { .bytes(Array($0)) }
            case 7: try Self.text(&reader)
            case 8: reader.integer(Int64.self).map { .timestamp(milliseconds: $0) }
            case 9: Self.uuid(&reader)
            default: throw .unknownHeaderType(name: name, type: type)
            }
        guard let value else { throw .truncatedHeader }
        self = value
    }

    /// Length (16 bits) and as many bytes.
    private static func piece(_ reader: inout ByteReader) -> ArraySlice<UInt8>? {
        guard let size = reader.integer(UInt16.self) else { return nil }
        return reader.take(Int(size))
    }

    private static func text(_ reader: inout ByteReader) throws(EventStreamError) -> EventStreamValue? {
        guard let bytes = Self.piece(&reader) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalidText }
        return .string(text)
    }

    private static func uuid(_ reader: inout ByteReader) -> EventStreamValue? {
        guard let high = reader.integer(UInt64.self), let low = reader.integer(UInt64.self) else { return nil }
        return .uuid(high, low)
    }
}
