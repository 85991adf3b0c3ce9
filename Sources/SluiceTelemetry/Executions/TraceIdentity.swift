import SluiceCore

/// Which trace and span a request is, by W3C Trace Context (Level 2).
///
/// Both follow from the request alone, so that whoever holds it can name them without keeping anything: the trace is
/// the caller's, or the request's own 128 bits; the span is a mix of those.
package struct TraceIdentity: Sendable, Equatable {
    package let traceHigh: UInt64
    package let traceLow: UInt64
    package let span: UInt64
    /// The caller's span; `nil`: the trace begins here.
    package let parent: UInt64?
    /// The caller's decision; a trace that begins here is sampled.
    package let isSampled: Bool

    package init(_ submission: Submission) {
        let isRemote = submission.remote != nil
        self.init(request: submission.id, traceparent: submission.traceparent, isRemote: isRemote)
    }

    /// - Parameters:
    ///   - traceparent: what the caller sent.
    ///   - isRemote: whether it came from a list. A gateway and the dispatcher behind it may call a request the same;
    ///     their spans are two.
    package init(request id: RequestID, traceparent: String?, isRemote: Bool = false) {
        let place: UInt64 = isRemote ? 0xA5A5_A5A5_A5A5_A5A5 : 0
        self.span = Self.mixed(id.low ^ (id.high << 17 | id.high >> 47) ^ place)
        guard let caller = traceparent.flatMap({ Self.parse($0) }) else {
            self.traceHigh = id.high
            self.traceLow = id.low == 0 ? 1 : id.low
            self.parent = nil
            self.isSampled = true
            return
        }
        self.traceHigh = caller.high
        self.traceLow = caller.low
        self.parent = caller.span
        self.isSampled = caller.flags & 1 == 1
    }

    /// The span of one call of a backend; `number` counts from 1.
    package func attempt(_ number: Int) -> UInt64 { Self.attempt(number, of: self.span) }

    /// As the other, for who has only the request's span.
    package static func attempt(_ number: Int, of span: UInt64) -> UInt64 {
        Self.mixed(span &+ UInt64(truncatingIfNeeded: number))
    }

    /// `traceparent` for what is called as part of this request.
    ///
    /// - Parameter span: the caller's, as those who are called see it.
    package func traceparent(span: UInt64) -> String { self.traceparent(span: span, isSampled: self.isSampled) }

    /// - Parameter isSampled: what is decided here, as those who are called see it.
    package func traceparent(span: UInt64, isSampled: Bool) -> String {
        var text = ByteWriter(reserving: 55)
        text.text("00-")
        text.hex(self.traceHigh)
        text.hex(self.traceLow)
        text.text("-")
        text.hex(span)
        text.text(isSampled ? "-01" : "-00")
        return String(decoding: text.bytes, as: UTF8.self)
    }

    /// 32 hexadecimal digits.
    package var traceText: String { Self.hex(self.traceHigh) + Self.hex(self.traceLow) }
    /// 16 hexadecimal digits.
    package var spanText: String { Self.hex(self.span) }

    package static func hex(_ value: UInt64) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(16)
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift) & 15)
            text.append(digit < 10 ? 48 + digit : 87 + digit)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// SplitMix64's finaliser: a bijection, so different requests keep different spans. Zero is no valid span.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var mix = value &+ 0x9E37_79B9_7F4A_7C15
        mix = (mix ^ (mix >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mix = (mix ^ (mix >> 27)) &* 0x94D0_49BB_1331_11EB
        mix ^= mix >> 31
        return mix == 0 ? 1 : mix
    }

    /// `nil` unless it is a valid `traceparent` of version 00, or the beginning of a later one.
    private static func parse(_ text: String) -> (high: UInt64, low: UInt64, span: UInt64, flags: UInt64)? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 55, bytes[2] == 45, bytes[35] == 45, bytes[52] == 45,
            let version = Self.number(bytes[0..<2]), version != 0xFF, bytes.count == 55 || version != 0,
            let high = Self.number(bytes[3..<19]), let low = Self.number(bytes[19..<35]), high | low != 0,
            let span = Self.number(bytes[36..<52]), span != 0,
            let flags = Self.number(bytes[53..<55])
        else { return nil }
        return (high, low, span, flags)
    }

    /// At most 16 lowercase hexadecimal digits, as the specification wants them.
    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for digit in digits {
            switch digit {
            case 48...57: value = value << 4 | UInt64(digit - 48)
            case 97...102: value = value << 4 | UInt64(digit - 87)
            default: return nil
            }
        }
        return value
    }
}
