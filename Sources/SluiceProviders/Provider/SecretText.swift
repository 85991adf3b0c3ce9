/// Keys of providers in texts that are shown to others: messages sometimes quote what was sent.
package enum SecretText {
    /// What keys and tokens begin with, and how long they are at least, the beginning included.
    private static let beginnings: [(text: [UInt8], minimum: Int)] = [
        ("AIza", 30), ("sk-", 20), ("ya29.", 20), ("gsk_", 20), ("xai-", 20), ("AQ.", 30), ("Bearer ", 20),
    ].map { (Array($0.0.utf8), $0.1) }

    package static func scrubbed(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var copied = 0
        var index = 0
        while index < bytes.count {
            guard let end = Self.endOfSecret(bytes, from: index) else {
                index += 1
                continue
            }
            result.append(contentsOf: bytes[copied..<index])
            result.append(contentsOf: "[redacted]".utf8)
            index = end
            copied = end
        }
        guard copied > 0 else { return text }
        result.append(contentsOf: bytes[copied...])
        return String(decoding: result, as: UTF8.self)
    }

    private static func endOfSecret(_ bytes: [UInt8], from start: Int) -> Int? {
        // Not in the middle of a word, as in `task-…`.
        if start > 0, Self.isPart(bytes[start - 1]) { return nil }
        for beginning in Self.beginnings where bytes[start] == beginning.text[0] {
            let body = start + beginning.text.count
            guard body <= bytes.count, bytes[start..<body].elementsEqual(beginning.text) else { continue }
            let end = bytes[body...].firstIndex { !Self.isPart($0) && $0 != UInt8(ascii: ".") } ?? bytes.count
            if end - start >= beginning.minimum { return end }
        }
        return nil
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 97 < 26 || byte &- 48 < 10 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}
