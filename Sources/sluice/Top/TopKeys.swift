/// What was pressed.
enum TopKey: Sendable, Equatable {
    case character(Character)
    case up
    case down
    case pageUp
    case pageDown
    case home
    case end
    case tab
    case backTab
    case enter
    case escape
    case backspace
    case interrupt
    case suspend
    case redraw
}

/// Reads keys from a terminal's bytes, which may arrive in any portions.
struct TopKeyReader: Sendable {
    private var pending: [UInt8] = []
    /// A sequence that is longer is none.
    private static let maximumSequence = 32

    /// Whether bytes are held of which it is not known yet what they mean: a lone escape, or the start of a sequence.
    var isWaiting: Bool { !self.pending.isEmpty }

    mutating func feed(_ bytes: [UInt8]) -> [TopKey] {
        self.pending += bytes
        var keys: [TopKey] = []
        while let (key, size) = self.next() {
            self.pending.removeFirst(size)
            if let key { keys.append(key) }
        }
        return keys
    }

    /// Nothing followed in time: an escape was the key, and half a sequence was noise.
    mutating func settle() -> [TopKey] {
        defer { self.pending = [] }
        return self.pending == [0x1B] ? [.escape] : []
    }

    /// The next key and how many bytes it took; `nil` when more bytes are needed.
    private func next() -> (TopKey?, Int)? {
        guard let first = self.pending.first else { return nil }
        if first == 0x1B { return self.sequence() }
        if let key = Self.controls[first] { return (key, 1) }
        if first < 0x20 { return (nil, 1) }
        let size = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        guard self.pending.count >= size else { return nil }
        let text = String(decoding: self.pending[..<size], as: UTF8.self)
        guard text.unicodeScalars.count == 1, let character = text.first, character != "\u{FFFD}" else {
            return (nil, 1)
        }
        return (.character(character), size)
    }

    private static let controls: [UInt8: TopKey] = [
        0x03: .interrupt, 0x08: .backspace, 0x09: .tab, 0x0A: .enter, 0x0C: .redraw, 0x0D: .enter, 0x1A: .suspend,
        0x1C: .interrupt, 0x7F: .backspace,
    ]

    /// `ESC [ parameters final` and `ESC O final`.
    private func sequence() -> (TopKey?, Int)? {
        guard self.pending.count > 1 else { return nil }
        let second = self.pending[1]
        guard second == UInt8(ascii: "[") || second == UInt8(ascii: "O") else { return (.escape, 1) }
        for (index, byte) in self.pending.enumerated().dropFirst(2) {
            if index > Self.maximumSequence { return (nil, index) }
            guard (0x40...0x7E).contains(byte) else { continue }
            let name = String(decoding: self.pending[2...index], as: UTF8.self)
            return (Self.sequences[name], index + 1)
        }
        return nil
    }

    private static let sequences: [String: TopKey] = [
        "A": .up, "B": .down, "H": .home, "F": .end, "1~": .home, "7~": .home, "4~": .end, "8~": .end, "5~": .pageUp,
        "6~": .pageDown, "Z": .backTab,
    ]
}
