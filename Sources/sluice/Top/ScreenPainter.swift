/// Turns frames into the bytes that make a terminal show them. Writes only rows that changed.
struct ScreenPainter: Sendable {
    let hasColour: Bool
    private var shown: [Line]?

    init(hasColour: Bool) { self.hasColour = hasColour }

    /// The screen holds something else now; the next frame is written whole.
    mutating func forget() { self.shown = nil }

    /// - Parameter frame: one line for each row of the screen.
    mutating func paint(_ frame: [Line]) -> String {
        var output = ""
        let before = self.shown
        if before == nil || before?.count != frame.count { output += "\u{1B}[0m\u{1B}[2J" }
        let kept = before?.count == frame.count ? before : nil
        for (row, line) in frame.enumerated() {
            if let kept, kept[row] == line { continue }
            // Erased before it is written: behind a row that fills the screen, some terminals erase its last column.
            output += "\u{1B}[\(row + 1);1H\u{1B}[2K" + self.encode(line)
        }
        self.shown = frame
        return output
    }

    func encode(_ line: Line) -> String {
        guard self.hasColour else { return line.text }
        return line.pieces.map { piece in
            guard let code = Self.code(piece.look) else { return piece.text }
            return "\u{1B}[\(code)m\(piece.text)\u{1B}[0m"
        }.joined()
    }

    private static func code(_ look: Line.Look) -> String? {
        switch look {
        case .plain: nil
        case .bold: "1"
        case .dim: "2"
        case .good: "32"
        case .bad: "31"
        case .caution: "33"
        case .selected: "7"
        }
    }
}
