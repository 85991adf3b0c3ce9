/// Reads an event stream (`application/vnd.amazon.eventstream`) from pieces of any size.
///
/// A message is its length and that of its headers (32 bits each, big-endian), the checksum of these eight bytes, the
/// headers, the payload, and the checksum of all before. Lengths are believed only after their own checksum, and a
/// message is handed on only after its own.
package struct EventStreamDecoder: Sendable {
    private static let preludeBytes = 12
    private static let overheadBytes = 16
    /// What is kept of a buffer that a large message has needed.
    private static let keptBytes = 64 << 10

    private let limits: EventStreamLimits
    /// The beginning of a message whose end has not come yet.
    private var held: [UInt8] = []
    /// The length of the message that is held, once it is known.
    private var heldLength: Int?
    private var failure: EventStreamError?

    package init(limits: EventStreamLimits = EventStreamLimits()) {
        self.limits = limits
    }

    /// Whether everything that came so far belonged to whole messages.
    package var isAtRest: Bool { self.held.isEmpty && self.failure == nil }

    /// Takes a piece and calls `body` with every message that it completes, those before a fault included.
    ///
    /// - Throws: what is wrong, then and at every later call.
    package mutating func feed(
        _ bytes: [UInt8],
        _ body: (EventStreamMessage) -> Void
    ) throws(EventStreamError) {
        if let failure { throw failure }
        do throws(EventStreamError) {
            try self.take(bytes, body)
        } catch {
            self.failure = error
            self.held = []
            throw error
        }
    }

    /// To be called at the end of the bytes.
    package func finish() throws(EventStreamError) {
        if let failure { throw failure }
        guard self.held.isEmpty else { throw .endsWithinMessage(bytes: self.held.count) }
    }

    private mutating func take(
        _ bytes: [UInt8],
        _ body: (EventStreamMessage) -> Void
    ) throws(EventStreamError) {
        var start = 0
        while start < bytes.count {
            // A message that lies whole in one piece is not copied but for its payload.
            if self.held.isEmpty, bytes.count - start >= Self.preludeBytes {
                let length = try self.length(bytes[start..<(start + Self.preludeBytes)])
                if bytes.count - start >= length {
                    body(try Self.message(bytes[start..<(start + length)]))
                    start += length
                    continue
                }
            }
            let wanted = (self.heldLength ?? Self.preludeBytes) - self.held.count
            let end = start + min(wanted, bytes.count - start)
            self.held.append(contentsOf: bytes[start..<end])
            start = end
            guard let length = self.heldLength else {
                if self.held.count == Self.preludeBytes { self.heldLength = try self.length(self.held[...]) }
                continue
            }
            guard self.held.count == length else { continue }
            body(try Self.message(self.held[...]))
            self.held.removeAll(keepingCapacity: self.held.capacity <= Self.keptBytes)
            self.heldLength = nil
        }
    }

    /// The length of the message that begins so.
    private func length(_ prelude: ArraySlice<UInt8>) throws(EventStreamError) -> Int {
        var reader = ByteReader(prelude)
        guard let total = reader.integer(UInt32.self), let headers = reader.integer(UInt32.self),
            let expected = reader.integer(UInt32.self)
        else { throw .endsWithinMessage(bytes: prelude.count) }
        let found = CRC32.checksum(prelude.prefix(8))
        guard found == expected else { throw .preludeChecksum(expected: expected, found: found) }
        guard Int(total) <= self.limits.messageBytes else {
            throw .messageTooLarge(bytes: Int(total), limit: self.limits.messageBytes)
        }
        guard Int(headers) <= self.limits.headerBytes else {
            throw .headersTooLarge(bytes: Int(headers), limit: self.limits.headerBytes)
        }
        guard Int(total) >= Int(headers) + Self.overheadBytes else {
            throw .inconsistentLengths(message: Int(total), headers: Int(headers))
        }
        return Int(total)
    }

    /// - Parameter bytes: a whole message, whose prelude has been checked.
    private static func message(_ bytes: ArraySlice<UInt8>) throws(EventStreamError) -> EventStreamMessage {
        var trailer = ByteReader(bytes.suffix(4))
        var prelude = ByteReader(bytes.dropFirst(4).prefix(4))
        guard let expected = trailer.integer(UInt32.self), let headerBytes = prelude.integer(UInt32.self) else {
            throw .endsWithinMessage(bytes: bytes.count)
        }
        let found = CRC32.checksum(bytes.dropLast(4))
        guard found == expected else { throw .messageChecksum(expected: expected, found: found) }
        let content = bytes.dropFirst(Self.preludeBytes).dropLast(4)
        let headers = try EventStreamHeader.list(content.prefix(Int(headerBytes)))
        return EventStreamMessage(headers: headers, payload: Array(content.dropFirst(Int(headerBytes))))
    }
}
