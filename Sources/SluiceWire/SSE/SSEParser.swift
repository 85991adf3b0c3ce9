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
/// mark
/// and comments are skipped, several `data` lines are joined by LF, what follows the last blank line is dropped.
///
/// Ends of lines are searched for rather than walked to, and a line that lies whole in one piece is not copied but for
/// its data.
package struct SSEParser: Sendable {
    private let maximumEventBytes: Int
    /// The beginning of a line whose end has not come yet.
    private var held: [UInt8] = []
    private var name = ""
    private var data: [UInt8] = []
    private var hasData = false
    private var sawReturn = false
    private var isFirstLine = true

    package init(maximumEventBytes: Int = 4 << 20) {
        self.maximumEventBytes = maximumEventBytes
    }

    /// Whether everything that came so far belonged to whole events.
    package var isAtRest: Bool {
        self.held.isEmpty && !self.hasData && self.name.isEmpty && !self.sawReturn && !self.isFirstLine
    }

    /// Takes a piece and calls `body` with every event that it completes. Once it has thrown, the parser is of no
    /// more use.
    package mutating func feed(_ bytes: [UInt8], _ body: (SSEEvent) -> Void) throws(SSEError) {
        guard let first = bytes.first else { return }
        var start = 0
        if self.sawReturn {
            self.sawReturn = false
            if first == 0x0A { start = 1 }
        }
        var nextReturn = ByteSearch.firstIndex(of: 0x0D, in: bytes, from: start) ?? bytes.count
        while start < bytes.count {
            if nextReturn < start {
                nextReturn = ByteSearch.firstIndex(of: 0x0D, in: bytes, from: start) ?? bytes.count
            }
            let nextFeed = ByteSearch.firstIndex(of: 0x0A, in: bytes, from: start) ?? bytes.count
            let end = min(nextFeed, nextReturn)
            guard end < bytes.count else { return try self.hold(bytes[start...]) }
            try self.endLine(bytes[start..<end], body)
            start = end + 1
            guard end == nextReturn else { continue }
            if start == bytes.count {
                self.sawReturn = true
            } else if bytes[start] == 0x0A {
                start += 1
            }
        }
    }

    private mutating func hold(_ part: ArraySlice<UInt8>) throws(SSEError) {
        guard self.held.count + part.count + self.data.count <= self.maximumEventBytes else {
            throw .eventTooLarge(limit: self.maximumEventBytes)
        }
        self.held.append(contentsOf: part)
    }

    private mutating func endLine(_ part: ArraySlice<UInt8>, _ body: (SSEEvent) -> Void) throws(SSEError) {
        guard !self.held.isEmpty else {
            guard part.count + self.data.count <= self.maximumEventBytes else {
                throw .eventTooLarge(limit: self.maximumEventBytes)
            }
            return self.line(part, body)
        }
        try self.hold(part)
        var whole: [UInt8] = []
        swap(&whole, &self.held)
        self.line(whole[...], body)
        whole.removeAll(keepingCapacity: true)
        swap(&whole, &self.held)
    }

    private mutating func line(_ text: ArraySlice<UInt8>, _ body: (SSEEvent) -> Void) {
        var text = text
        if self.isFirstLine {
            self.isFirstLine = false
            if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
        }
        guard let first = text.first else { return self.dispatch(body) }
        guard first != UInt8(ascii: ":") else { return }
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return self.field(text, []) }
        var value = text[(colon + 1)...]
        if value.first == 0x20 { value = value.dropFirst() }
        self.field(text[..<colon], value)
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
        if self.hasData {
            var event = SSEEvent(name: self.name, data: [])
            swap(&event.data, &self.data)
            body(event)
        }
        self.name = ""
        self.hasData = false
    }
}

/// Writes server-sent events.
package enum SSEWriter {
    /// Data with line breaks becomes several `data` lines, as the format asks; compact JSON has none.
    ///
    /// - Parameter name: of the program's own making, without line breaks.
    package static func event(name: String? = nil, data: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.count + 32)
        if let name { bytes.append(contentsOf: "event: \(name)\n".utf8) }
        bytes.append(contentsOf: "data: ".utf8)
        var start = 0
        while let end = Self.lineBreak(in: data, from: start) {
            bytes.append(contentsOf: data[start..<end])
            bytes.append(contentsOf: "\ndata: ".utf8)
            let isPair = data[end] == 0x0D && end + 1 < data.count && data[end + 1] == 0x0A
            start = end + (isPair ? 2 : 1)
        }
        bytes.append(contentsOf: data[start...])
        bytes.append(contentsOf: "\n\n".utf8)
        return bytes
    }

    private static func lineBreak(in data: [UInt8], from start: Int) -> Int? {
        let feed = ByteSearch.firstIndex(of: 0x0A, in: data, from: start)
        let carriageReturn = ByteSearch.firstIndex(of: 0x0D, in: data, from: start)
        guard let feed, let carriageReturn else { return feed ?? carriageReturn }
        return min(feed, carriageReturn)
    }

    package static func comment(_ text: String) -> [UInt8] { Array(": \(text)\n\n".utf8) }
}
