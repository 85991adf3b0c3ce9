import SluiceBasics

/// Spans of time as people write them: `250ms`, `10s`, `1h30m`.
enum DurationText {
    /// Longest first, so that `ms` is not read as `m`.
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]

    /// `nil` when the text is not a span; a bare number is none, except zero.
    static func parse(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        var total: Int64 = 0
        var rest = Array(text.utf8)[...]
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let number = rest.prefix { Self.isDigit($0) || $0 == UInt8(ascii: ".") }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { !Self.isDigit($0) && $0 != UInt8(ascii: ".") }
            rest = rest.dropFirst(unit.count)
            let name = String(decoding: unit, as: UTF8.self)
            guard let scale = Self.units.first(where: { $0.name == name })?.nanoseconds,
                let part = Self.scaled(number, by: scale)
            else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !overflow else { return nil }
            total = sum
        }
        return .nanoseconds(total)
    }

    /// The shortest exact form: `1m30s`, `250ms`, `0s`.
    static func format(_ span: Duration) -> String {
        var rest = span.wholeNanoseconds
        guard rest != 0 else { return "0s" }
        var text = rest < 0 ? "-" : ""
        rest = abs(rest)
        for unit in Self.units.reversed() where unit.name != "d" {
            let count = rest / unit.nanoseconds
            if count > 0 { text += "\(count)\(unit.name)" }
            rest %= unit.nanoseconds
        }
        return text
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte &- 48 < 10 }

    private static func scaled(_ digits: ArraySlice<UInt8>, by scale: Int64) -> Int64? {
        let text = String(decoding: digits, as: UTF8.self)
        if let whole = Int64(text) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: scale)
            return overflow ? nil : product
        }
        guard text.utf8.count < 20, let first = text.utf8.first, Self.isDigit(first), let value = Double(text),
            value * Double(scale) < 9e18
        else { return nil }
        return Int64(value * Double(scale))
    }
}

/// Numbers of bytes as people write them: `512`, `64KiB`, `16MiB`, `1GB`.
enum SizeText {
    private static let units: [(name: String, bytes: Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000),
        ("KB", 1000), ("B", 1), ("", 1),
    ]

    static func parse(_ text: String) -> Int? {
        let digits = text.utf8.prefix { $0 &- 48 < 10 }
        guard let number = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
        let unit = String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self)
        guard let scale = Self.units.first(where: { $0.name == unit })?.bytes else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: scale)
        return overflow ? nil : product
    }

    /// The largest binary unit that says it exactly.
    static func format(_ bytes: Int) -> String {
        for unit in Self.units.prefix(3) where bytes >= unit.bytes && bytes % unit.bytes == 0 {
            return "\(bytes / unit.bytes)\(unit.name)"
        }
        return "\(bytes)"
    }
}

/// Where a server listens: `host:port`, `[v6]:port` or a port alone (loopback).
struct ListenAddress: Equatable, Sendable {
    var host: String
    var port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    init?(_ text: String) {
        if let port = Int(text) {
            self.init(host: "127.0.0.1", port: port)
        } else if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]"), text[end...].hasPrefix("]:"),
                let port = Int(text[end...].dropFirst(2))
            else { return nil }
            self.init(host: String(text[..<end].dropFirst()), port: port)
        } else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let port = Int(parts[1]) else { return nil }
            self.init(host: parts[0].isEmpty ? "0.0.0.0" : String(parts[0]), port: port)
        }
        guard (0...65535).contains(self.port), !self.host.isEmpty, !self.host.contains(" ") else { return nil }
    }

    var isLoopback: Bool {
        self.host == "localhost" || self.host == "::1" || self.host.hasPrefix("127.")
    }

    var text: String { self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)" }
    /// An address that a client on the same machine can open.
    var reachable: String {
        switch self.host {
        case "0.0.0.0": "127.0.0.1:\(self.port)"
        case "::": "[::1]:\(self.port)"
        default: self.text
        }
    }
}
