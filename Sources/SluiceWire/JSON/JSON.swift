import CSimdJSON

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

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

    package var description: String { self.message }

    /// Depth and the like as simdjson numbers them.
    init(code: Int32) {
        switch code {
        case 1, 2: (self.kind, self.message) = (.capacity, "The JSON document is too large.")
        case 4:
            self.kind = .depth
            self.message = "The JSON document is nested deeper than \(JSON.maximumDepth) levels."
        case 9: (self.kind, self.message) = (.number, "The JSON document contains a number that is not valid.")
        case 10: (self.kind, self.message) = (.utf8, "The JSON document is not valid UTF-8.")
        case 12: (self.kind, self.message) = (.empty, "The JSON document is empty.")
        default:
            self.kind = .syntax
            self.message = "The body is not valid JSON: " + String(cString: sluice_json_error_text(code))
        }
    }
}

/// Reads JSON with simdjson.
package enum JSON {
    /// Documents nested deeper are refused.
    package static let maximumDepth = 512
    /// Larger documents get a parser of their own, so that its memory is given back.
    private static let keptParserBytes = 1 << 20

    /// Parses `bytes` and calls `body` with the root. Values are good inside `body` only.
    package static func read<Result, Failure: Error>(
        _ bytes: [UInt8],
        _ body: (JSONValue) throws(Failure) -> Result
    ) throws -> Result {
        guard bytes.count <= Self.keptParserBytes, let kept = Self.keptParser() else {
            guard let parser = sluice_json_parser_new(Self.maximumDepth) else { throw JSONError(code: 2) }
            defer { sluice_json_parser_free(parser) }
            return try Self.read(bytes, parser, body)
        }
        return try Self.read(bytes, kept, body)
    }

    private static func read<Result, Failure: Error>(
        _ bytes: [UInt8],
        _ parser: OpaquePointer,
        _ body: (JSONValue) throws(Failure) -> Result
    ) throws -> Result {
        var root = sluice_json_value()
        let isPadded = bytes.capacity - bytes.count >= sluice_json_padding()
        let code = bytes.withUnsafeBytes { buffer in
            sluice_json_parse(
                parser,
                buffer.baseAddress?.assumingMemoryBound(to: CChar.self),
                buffer.count,
                isPadded,
                &root
            )
        }
        guard code == 0 else { throw JSONError(code: code) }
        return try body(JSONValue(root))
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key) { context in
            if let context { sluice_json_parser_free(OpaquePointer(context)) }
        }
        return key
    }()

    /// One parser per thread, kept for the thread's life.
    private static func keptParser() -> OpaquePointer? {
        if let kept = pthread_getspecific(Self.key) { return OpaquePointer(kept) }
        guard let parser = sluice_json_parser_new(Self.maximumDepth) else { return nil }
        pthread_setspecific(Self.key, UnsafeMutableRawPointer(parser))
        return parser
    }
}
