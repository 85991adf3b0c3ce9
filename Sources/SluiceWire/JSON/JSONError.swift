import CSimdJSON

/// Why a text is not JSON, or not JSON that we take.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable {
        case empty
        case syntax
        case depth
        case utf8
        case number
        case capacity
    }

    package let kind: Kind
    /// A sentence for the client.
    package let message: String
    /// Bytes before the fault; `nil` when it is not known.
    package let offset: Int?

    package var description: String { self.message }

    /// - Parameter code: as simdjson numbers its errors.
    init(code: Int32, in bytes: [UInt8], maximumDepth: Int) {
        let kind = Self.kind(code)
        let offset: Int? =
            switch kind {
            case .empty, .capacity: nil
            default: JSONFault.offset(in: bytes, maximumDepth: maximumDepth)
            }
        let place = offset.map { " The fault is at byte offset \($0) of \(bytes.count)." } ?? ""
        self.kind = kind
        self.offset = offset
        self.message =
            switch kind {
            case .capacity: "The JSON document is too large."
            case .depth: "The JSON document is nested deeper than \(maximumDepth) levels." + place
            case .number: "The JSON document contains a number that is not valid." + place
            case .utf8: "The JSON document is not valid UTF-8." + place
            case .empty: "The JSON document is empty."
            case .syntax: "The body is not valid JSON: " + Self.text(code) + place
            }
    }

    private static func kind(_ code: Int32) -> Kind {
        switch Int(code) {
        case SLUICE_JSON_ERROR_CAPACITY, SLUICE_JSON_ERROR_MEMORY: .capacity
        case SLUICE_JSON_ERROR_DEPTH: .depth
        case SLUICE_JSON_ERROR_NUMBER: .number
        case SLUICE_JSON_ERROR_UTF8: .utf8
        case SLUICE_JSON_ERROR_EMPTY: .empty
        default: .syntax
        }
    }

    /// The library's sentence, with a full stop.
    private static func text(_ code: Int32) -> String {
        let text = String(cString: sluice_json_error_text(code))
        return text.hasSuffix(".") ? text : text + "."
    }
}
