import SluiceWire

/// A whole, successful answer as it is kept.
package struct CacheEntry: Sendable, Equatable {
    /// In OpenAI's form, not a stream.
    package var body: [UInt8]
    /// Milliseconds since 1970.
    package var storedAt: Int64
    /// Tokens that the answer cost when it was made; 0 when nobody counted.
    package var promptTokens: Int
    package var completionTokens: Int
    /// Whether nobody counted, because nobody had asked: clients that expect the count need another answer.
    package var lacksUsage: Bool
    /// Headers that belong to the answer: names and values of visible ASCII.
    package var headers: [Header]

    package struct Header: Sendable, Equatable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(
        body: [UInt8],
        storedAt: Int64,
        promptTokens: Int = 0,
        completionTokens: Int = 0,
        lacksUsage: Bool = false,
        headers: [Header] = []
    ) {
        self.body = body
        self.storedAt = storedAt
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.lacksUsage = lacksUsage
        self.headers = headers
    }

    /// What it takes in memory or on the wire, or a few bytes more.
    package var size: Int {
        self.headers.reduce(self.body.count + 64) { $0 + $1.name.utf8.count + $1.value.utf8.count + 48 }
    }

    /// Seconds since it was stored; 0 where clocks of several machines disagree.
    package func age(at milliseconds: Int64) -> Int {
        let (age, overflow) = milliseconds.subtractingReportingOverflow(self.storedAt)
        return overflow ? 0 : Int(max(0, age) / 1000)
    }
}

// As bytes, for stores outside of this process: a version, the numbers, the headers, then the body.
extension CacheEntry {
    private static let version: UInt8 = 1
    private static let maximumHeaders = 16

    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(self.size)
        bytes.append(Self.version)
        Self.append(UInt64(bitPattern: self.storedAt), 8, to: &bytes)
        Self.append(UInt64(clamping: self.promptTokens), 8, to: &bytes)
        Self.append(UInt64(clamping: self.completionTokens), 8, to: &bytes)
        bytes.append(self.lacksUsage ? 1 : 0)
        let headers = self.headers.prefix(Self.maximumHeaders)
        bytes.append(UInt8(headers.count))
        for header in headers {
            for text in [header.name, header.value] {
                Self.append(UInt64(text.utf8.count), 4, to: &bytes)
                bytes.append(contentsOf: text.utf8)
            }
        }
        bytes.append(contentsOf: self.body)
        return bytes
    }

    /// `nil` for what this version did not write: it is then no more than a miss.
    package init?(encoded bytes: [UInt8]) {
        var reader = Reader(bytes: bytes[...])
        guard reader.number(1) == UInt64(Self.version), let storedAt = reader.number(8),
            let prompt = reader.number(8), let completion = reader.number(8), let lacksUsage = reader.number(1),
            let count = reader.number(1),
            count <= UInt64(Self.maximumHeaders)
        else { return nil }
        var headers: [Header] = []
        for _ in 0..<count {
            guard let name = reader.text(), let value = reader.text(), Self.isHeaderText(name),
                Self.isHeaderText(value)
            else { return nil }
            headers.append(Header(name, value))
        }
        self.init(
            body: Array(reader.bytes),
            storedAt: Int64(bitPattern: storedAt),
            promptTokens: Int(clamping: prompt),
            completionTokens: Int(clamping: completion),
            lacksUsage: lacksUsage != 0,
            headers: headers
        )
    }

    /// Whoever can write to the store must not be able to write header lines.
    private static func isHeaderText(_ text: String) -> Bool { text.utf8.allSatisfy { (0x20...0x7E).contains($0) } }

    private static func append(_ number: UInt64, _ width: Int, to bytes: inout [UInt8]) {
        for place in 0..<width { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * place))) }
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func number(_ width: Int) -> UInt64? {
            guard self.bytes.count >= width else { return nil }
            var number: UInt64 = 0
            for byte in self.bytes.prefix(width).reversed() { number = number << 8 | UInt64(byte) }
            self.bytes = self.bytes.dropFirst(width)
            return number
        }

        mutating func text() -> String? {
            guard let length = self.number(4), length <= UInt64(self.bytes.count) else { return nil }
            let text = String(decoding: self.bytes.prefix(Int(length)), as: UTF8.self)
            self.bytes = self.bytes.dropFirst(Int(length))
            return text
        }
    }
}
