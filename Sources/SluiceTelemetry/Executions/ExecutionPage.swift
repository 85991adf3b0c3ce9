import SluiceWire

/// Some rows of a list, in its order.
package struct ExecutionPage: Sendable, Equatable {
    package var rows: [ExecutionRow]
    /// Where the list goes on; `nil` at its end.
    package var next: ExecutionPosition?

    package init(rows: [ExecutionRow], next: ExecutionPosition?) {
        self.rows = rows
        self.next = next
    }

    /// - Parameter rows: those that were found when one more than the page holds was asked for.
    package init(_ query: ExecutionQuery, found rows: [ExecutionRow]) {
        let page = Array(rows.prefix(query.limit))
        self.rows = page
        self.next = rows.count > query.limit ? page.last.map { ExecutionPosition($0, in: query.sort) } : nil
    }
}

/// A page's `next_cursor`: the place where it goes on, the times that the list is about and a mix of its filters.
///
/// Times that were said relative to now (`-15m`) stay as they were for the first page, so that all pages are of one
/// list, and a cursor is refused beside other filters than those it was given with.
package struct ExecutionCursor: Sendable, Equatable {
    package var position: ExecutionPosition
    package var from: Int64?
    package var to: Int64?
    package var fingerprint: UInt64

    private static let version = "1"
    private static let maximumLength = 400

    package init(_ position: ExecutionPosition, of query: ExecutionQuery) {
        self.position = position
        self.from = query.from
        self.to = query.to
        self.fingerprint = query.fingerprint
    }

    /// Letters, digits, `-`, `_` and `~` only.
    package var text: String {
        let id = self.position.id.utf8.map { TraceIdentity.hex(UInt64($0)).suffix(2) }.joined()
        let parts = [
            Self.version, String(self.fingerprint, radix: 36), Self.number(self.from), Self.number(self.to),
            Self.number(self.position.value), Self.number(self.position.endedAt), id,
        ]
        return parts.joined(separator: "~")
    }

    /// `nil` for anything that no list gave.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumLength else { return nil }
        let parts = text.split(separator: "~", omittingEmptySubsequences: false)
        guard parts.count == 7, parts[0] == Self.version, let fingerprint = UInt64(parts[1], radix: 36),
            let from = Self.optional(parts[2]), let to = Self.optional(parts[3]),
            let value = Int64(parts[4], radix: 36), let endedAt = Int64(parts[5], radix: 36),
            let id = Self.id(parts[6]),
            // Whoever goes on from there counts with these.
            [from, to, endedAt].allSatisfy({ $0.map { WallTime.range.contains($0) } ?? true })
        else { return nil }
        self.position = ExecutionPosition(value: value, endedAt: endedAt, id: id)
        self.from = from
        self.to = to
        self.fingerprint = fingerprint
    }

    private static func number(_ value: Int64?) -> String { value.map { String($0, radix: 36) } ?? "" }

    private static func optional(_ text: Substring) -> Int64?? {
        text.isEmpty ? .some(nil) : Int64(text, radix: 36).map { .some($0) }
    }

    private static func id(_ digits: Substring) -> String? {
        let digits = Array(digits)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(digits[index...index + 1]), radix: 16) else { return nil }
            bytes.append(byte)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
