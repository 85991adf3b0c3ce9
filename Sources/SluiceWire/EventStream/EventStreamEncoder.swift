extension EventStreamMessage {
    /// The message as it goes over the wire, both checksums included.
    ///
    /// - Throws: where a part is larger than the format or the limits allow, or a name is empty or comes twice.
    package func encoded(limits: EventStreamLimits = EventStreamLimits()) throws(EventStreamError) -> [UInt8] {
        var headers: [UInt8] = []
        var names: Set<String> = []
        for header in self.headers {
            guard names.insert(header.name).inserted else { throw .duplicateHeader(name: header.name) }
            try header.write(to: &headers)
        }
        guard headers.count <= limits.headerBytes, let headerBytes = UInt32(exactly: headers.count) else {
            throw .headersTooLarge(bytes: headers.count, limit: limits.headerBytes)
        }
        let total = headers.count + self.payload.count + 16
        guard total <= limits.messageBytes, let totalBytes = UInt32(exactly: total) else {
            throw .messageTooLarge(bytes: total, limit: limits.messageBytes)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(total)
        bytes.appendBigEndian(totalBytes)
        bytes.appendBigEndian(headerBytes)
        bytes.appendBigEndian(CRC32.checksum(bytes[...]))
        bytes.append(contentsOf: headers)
        bytes.append(contentsOf: self.payload)
        bytes.appendBigEndian(CRC32.checksum(bytes[...]))
        return bytes
    }
}

extension EventStreamHeader {
    fileprivate func write(to bytes: inout [UInt8]) throws(EventStreamError) {
        guard !self.name.isEmpty else { throw .emptyHeaderName }
        let name = self.name.utf8
        guard let size = UInt8(exactly: name.count) else { throw .headerNameTooLong(bytes: name.count) }
        bytes.append(size)
        bytes.append(contentsOf: name)
        switch self.value {
        case .bool(let value): bytes.append(value ? 0 : 1)
        case .int8(let value): bytes += [2, UInt8(bitPattern: value)]
        case .int16(let value): bytes.appendBigEndian(value, type: 3)
        case .int32(let value): bytes.appendBigEndian(value, type: 4)
        case .int64(let value): bytes.appendBigEndian(value, type: 5)
        case .bytes(let value): try self.write(value, type: 6, to: &bytes)
        case .string(let value): try self.write(Array(value.utf8), type: 7, to: &bytes)
        case .timestamp(let milliseconds): bytes.appendBigEndian(milliseconds, type: 8)
        case .uuid(let high, let low):
            bytes.appendBigEndian(high, type: 9)
            bytes.appendBigEndian(low)
        }
    }

    private func write(_ value: [UInt8], type: UInt8, to bytes: inout [UInt8]) throws(EventStreamError) {
        guard let size = UInt16(exactly: value.count) else {
            throw .headerValueTooLong(name: self.name, bytes: value.count)
        }
        bytes.appendBigEndian(size, type: type)
        bytes.append(contentsOf: value)
    }
}

extension [UInt8] {
    fileprivate mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self.append(contentsOf: $0) }
    }

    fileprivate mutating func appendBigEndian(_ value: some FixedWidthInteger, type: UInt8) {
        self.append(type)
        self.appendBigEndian(value)
    }
}
