import CHiredis
import SluiceWire

/// hiredis' reader: bytes in, whole replies out.
final class ValkeyReplyReader {
    private let reader: UnsafeMutablePointer<redisReader>
    private let maximumBytes: Int
    /// Of the reply that is not whole yet. The reader itself forgets what it has made elements of.
    private var partBytes = 0

    init?(maximumBytes: Int) {
        guard let reader = redisReaderCreate() else { return nil }
        self.reader = reader
        self.maximumBytes = maximumBytes
    }

    deinit { redisReaderFree(self.reader) }

    /// Calls `body` with each reply that has become whole.
    func feed(_ bytes: UnsafeRawBufferPointer, _ body: (RESPValue) -> Void) throws(ValkeyError) {
        guard redisReaderFeed(self.reader, bytes.baseAddress, bytes.count) == REDIS_OK else {
            throw .protocolViolation("the reader is out of memory")
        }
        self.partBytes += bytes.count
        while true {
            var failed: Int32 = 0
            guard let reply = sluice_reader_next(self.reader, &failed) else {
                guard failed == 0 else { throw .protocolViolation("a reply does not begin with a known type") }
                break
            }
            let value = Self.value(reply.pointee)
            sluice_reply_free(reply)
            self.partBytes = sluice_reader_held(self.reader)
            body(value)
        }
        guard self.partBytes <= self.maximumBytes else {
            throw .replyTooLarge(limit: self.maximumBytes)
        }
    }

    /// hiredis bounds the depth itself.
    private static func value(_ reply: redisReply) -> RESPValue {
        switch reply.type {
        case REDIS_REPLY_INTEGER: .integer(Int(reply.integer))
        case REDIS_REPLY_STATUS: .status(String(decoding: Self.bytes(reply), as: UTF8.self))
        case REDIS_REPLY_STRING: .bytes(Array(Self.bytes(reply)))
        case REDIS_REPLY_ERROR: .error(ValkeyServerError(line: String(decoding: Self.bytes(reply), as: UTF8.self)))
        case REDIS_REPLY_ARRAY:
            .array(
                (0..<Int(reply.elements)).map { index in
                    guard let element = reply.element?[index] else { return .null }
                    return Self.value(element.pointee)
                }
            )
        default: .null
        }
    }

    private static func bytes(_ reply: redisReply) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: reply.str, count: Int(reply.len))
    }
}
