/// One value of Valkey's protocol (RESP 2).
package enum RESPValue: Sendable, Equatable {
    case null
    case integer(Int)
    case status(String)
    case bytes([UInt8])
    case array([RESPValue])
    case error(ValkeyServerError)

    /// A status or a string as text; invalid UTF-8 is replaced.
    package var text: String? {
        switch self {
        case .status(let text): text
        case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// An integer, or a string that is one.
    package var int: Int? {
        switch self {
        case .integer(let number): number
        case .bytes, .status: self.text.flatMap { Int($0) }
        default: nil
        }
    }

    package var bytes: [UInt8]? {
        if case .bytes(let bytes) = self { bytes } else { nil }
    }

    package var array: [RESPValue]? {
        if case .array(let values) = self { values } else { nil }
    }
}
