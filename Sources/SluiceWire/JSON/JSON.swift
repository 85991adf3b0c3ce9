import CSimdJSON

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Reads JSON with simdjson.
package enum JSON {
    /// Documents nested deeper are refused.
    package static let maximumDepth = 512
    /// Larger documents get a parser of their own, so that its memory is given back.
    private static let keptParserBytes = 1 << 20

    /// Parses `bytes` and calls `body` with the root. Values are good inside `body` only.
    package static func read<Result, Failure: Error>(
        _ bytes: [UInt8],
        maximumDepth: Int = Self.maximumDepth,
        _ body: (JSONValue) throws(Failure) -> Result
    ) throws -> Result {
        // A read inside another's `body` would pull the document from under its values: it gets a parser of its own.
        if bytes.count <= Self.keptParserBytes, maximumDepth == Self.maximumDepth, let kept = Self.keptParser(),
            !kept.pointee.isBusy
        {
            kept.pointee.isBusy = true
            defer { kept.pointee.isBusy = false }
            return try Self.read(bytes, kept.pointee.parser, maximumDepth, body)
        }
        guard let parser = sluice_json_parser_new(maximumDepth) else {
            throw JSONError(code: Int32(SLUICE_JSON_ERROR_MEMORY), in: bytes, maximumDepth: maximumDepth)
        }
        defer { sluice_json_parser_free(parser) }
        return try Self.read(bytes, parser, maximumDepth, body)
    }

    private static func read<Result, Failure: Error>(
        _ bytes: [UInt8],
        _ parser: OpaquePointer,
        _ maximumDepth: Int,
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
        guard code == 0 else { throw JSONError(code: code, in: bytes, maximumDepth: maximumDepth) }
        return try body(JSONValue(root))
    }

    /// A thread's parser, and whether a read is under way with it.
    private struct Kept {
        var parser: OpaquePointer
        var isBusy = false
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key) { context in
            guard let kept = context?.assumingMemoryBound(to: Kept.self) else { return }
            sluice_json_parser_free(kept.pointee.parser)
            kept.deallocate()
        }
        return key
    }()

    /// One parser per thread, kept for the thread's life.
    private static func keptParser() -> UnsafeMutablePointer<Kept>? {
        if let kept = pthread_getspecific(Self.key) { return kept.assumingMemoryBound(to: Kept.self) }
        guard let parser = sluice_json_parser_new(Self.maximumDepth) else { return nil }
        let kept = UnsafeMutablePointer<Kept>.allocate(capacity: 1)
        kept.initialize(to: Kept(parser: parser))
        pthread_setspecific(Self.key, kept)
        return kept
    }
}
