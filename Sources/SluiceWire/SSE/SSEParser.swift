/// One server-sent event.
package struct SSEEvent: Sendable, Equatable {
    /// Empty means `message`.
    package var name: String
    package var data: [UInt8]

    package init(name: String = "", data: [UInt8]) {
        self.name = name
        self.data = data
    }
}

package enum SSEError: Error, Sendable, Equatable {
    /// An event is larger than the parser was told to keep.
    case eventTooLarge(limit: Int)
}

/// Reads server-sent events from pieces of any size (WHATWG HTML, 9.2.6): lines end in CR, LF or CRLF, a byte order
/// mark and comments are skipped, several `data` lines are joined by LF.
package struct SSEParser: Sendable {
    private let maximumEventBytes: Int
    private var line: [UInt8] = []
    private var name = ""
    private var data: [UInt8] = []
    private var hasData = false
    private var sawReturn = false
    private var isFirstLine = true

    package init(maximumEventBytes: Int = 4 << 20) {
        self.maximumEventBytes = maximumEventBytes
    }

    /// Whether everything that came so far belonged to whole events.
    package var isAtRest: Bool { self.line.isEmpty && !self.hasData && self.name.isEmpty && !self.isFirstLine }

    /// Takes a piece and calls `body` with every event that it completes.
    package mutating func feed(_ bytes: [UInt8], _ body: (SSEEvent) -> Void) throws(SSEError) {
        for byte in bytes {
            if self.sawReturn {
                self.sawReturn = false
                if byte == 0x0A { continue }
            }
            switch byte {
            case 0x0A: self.endLine(body)
            case 0x0D:
                self.sawReturn = true
                self.endLine(body)
            default:
                guard self.line.count + self.data.count < self.maximumEventBytes else {
                    throw .eventTooLarge(limit: self.maximumEventBytes)
                }
                self.line.append(byte)
            }
        }
    }

    private mutating func endLine(_ body: (SSEEvent) -> Void) {
        if self.isFirstLine {
            self.isFirstLine = false
            if self.line.starts(with: [0xEF, 0xBB, 0xBF]) { self.line.removeFirst(3) }
        }
        defer { self.line.removeAll(keepingCapacity: true) }
        guard !self.line.isEmpty else { return self.dispatch(body) }
        guard let colon = self.line.firstIndex(of: UInt8(ascii: ":")) else {
            return self.field(self.line[...], [])
        }
        guard colon > 0 else { return }
        var value = self.line[(colon + 1)...]
        if value.first == 0x20 { value = value.dropFirst() }
        self.field(self.line[..<colon], value)
    }

    private mutating func field(_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
        if name.elementsEqual("data".utf8) {
            if self.hasData { self.data.append(0x0A) }
            self.hasData = true
            self.data.append(contentsOf: value)
        } else if name.elementsEqual("event".utf8) {
            self.name = String(decoding: value, as: UTF8.self)
        }
    }

    private mutating func dispatch(_ body: (SSEEvent) -> Void) {
        if self.hasData { body(SSEEvent(name: self.name, data: self.data)) }
        self.name = ""
        self.data.removeAll(keepingCapacity: true)
        self.hasData = false
    }
}

/// Writes server-sent events.
package enum SSEWriter {
    /// - Parameter data: must not contain line breaks; JSON does not.
    package static func event(name: String? = nil, data: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.count + 16)
        if let name { bytes.append(contentsOf: "event: \(name)\n".utf8) }
        bytes.append(contentsOf: "data: ".utf8)
        bytes.append(contentsOf: data)
        bytes.append(contentsOf: "\n\n".utf8)
        return bytes
    }

    package static func comment(_ text: String) -> [UInt8] { Array(": \(text)\n\n".utf8) }
}
