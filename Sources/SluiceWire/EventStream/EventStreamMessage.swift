/// One message of an event stream (`application/vnd.amazon.eventstream`).
package struct EventStreamMessage: Sendable, Equatable {
    /// In the order they came; no name twice.
    package var headers: [EventStreamHeader]
    package var payload: [UInt8]

    package init(headers: [EventStreamHeader] = [], payload: [UInt8] = []) {
        self.headers = headers
        self.payload = payload
    }

    /// The value of the header of this name, which is case-sensitive.
    package subscript(_ name: String) -> EventStreamValue? {
        self.headers.first { $0.name == name }?.value
    }

    /// The text of the header of this name; `nil` where there is none or it is of another type.
    package func text(_ name: String) -> String? {
        guard case .string(let text) = self[name] else { return nil }
        return text
    }
}

package struct EventStreamHeader: Sendable, Equatable {
    /// 1 to 255 bytes of UTF-8.
    package var name: String
    package var value: EventStreamValue

    package init(_ name: String, _ value: EventStreamValue) {
        self.name = name
        self.value = value
    }
}

/// What a header says, in each of the format's types.
package enum EventStreamValue: Sendable, Equatable {
    case bool(Bool)
    case int8(Int8)
    case int16(Int16)
    case int32(Int32)
    case int64(Int64)
    /// Up to 65,535 bytes.
    case bytes([UInt8])
    /// Up to 65,535 bytes of UTF-8.
    case string(String)
    /// Milliseconds since the beginning of 1970, UTC.
    case timestamp(milliseconds: Int64)
    /// Two halves of 64 bits, the first one first on the wire.
    case uuid(UInt64, UInt64)
}

/// How large the parts of a message may be.
package struct EventStreamLimits: Sendable, Equatable {
    /// Bytes of a whole message. Twenty-five mebibytes hold the format's largest payload and its headers.
    package var messageBytes: Int
    /// Bytes of all headers of a message; the format's own limit is 128 KiB.
    package var headerBytes: Int

    package init(messageBytes: Int = 25 << 20, headerBytes: Int = 128 << 10) {
        self.messageBytes = messageBytes
        self.headerBytes = headerBytes
    }
}

/// Why bytes are no event stream, or a message cannot be one.
package enum EventStreamError: Error, Sendable, Equatable {
    /// The checksum of a message's first eight bytes is wrong.
    case preludeChecksum(expected: UInt32, found: UInt32)
    /// The checksum of a whole message is wrong.
    case messageChecksum(expected: UInt32, found: UInt32)
    case messageTooLarge(bytes: Int, limit: Int)
    case headersTooLarge(bytes: Int, limit: Int)
    /// The message's length leaves no room for its headers and checksums.
    case inconsistentLengths(message: Int, headers: Int)
    /// A header reaches beyond the headers' end.
    case truncatedHeader
    case emptyHeaderName
    case headerNameTooLong(bytes: Int)
    case headerValueTooLong(name: String, bytes: Int)
    case duplicateHeader(name: String)
    /// A name or a text value is not UTF-8.
    case invalidText
    case unknownHeaderType(name: String, type: UInt8)
    /// The stream ended within a message.
    case endsWithinMessage(bytes: Int)
}

extension EventStreamError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .preludeChecksum(let expected, let found):
            "an event-stream message's head has checksum \(found), not \(expected) as it says"
        case .messageChecksum(let expected, let found):
            "an event-stream message has checksum \(found), not \(expected) as it says"
        case .messageTooLarge(let bytes, let limit):
            "an event-stream message of \(bytes) bytes is larger than the limit of \(limit)"
        case .headersTooLarge(let bytes, let limit):
            "an event-stream message's headers of \(bytes) bytes are larger than the limit of \(limit)"
        case .inconsistentLengths(let message, let headers):
            "an event-stream message of \(message) bytes cannot hold headers of \(headers) bytes"
        case .truncatedHeader: "an event-stream header reaches beyond the end of the headers"
        case .emptyHeaderName: "an event-stream header has no name"
        case .headerNameTooLong(let bytes): "an event-stream header's name of \(bytes) bytes is longer than 255"
        case .headerValueTooLong(let name, let bytes):
            "the event-stream header \(name) of \(bytes) bytes is longer than 65535"
        case .duplicateHeader(let name): "the event-stream header \(name) comes twice in one message"
        case .invalidText: "an event-stream header is not UTF-8"
        case .unknownHeaderType(let name, let type): "the event-stream header \(name) has the unknown type \(type)"
        case .endsWithinMessage(let bytes): "the event stream ended \(bytes) bytes into a message"
        }
    }
}
