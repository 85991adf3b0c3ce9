import SluiceDoctor

/// Rows of cells that are fitted to a width: long columns shrink, then the least important ones go.
struct TopTable: Sendable {
    struct Column: Sendable {
        var title: String
        var alignsRight = false
        /// Columns that it keeps when there is little room.
        var minimum: Int
        /// Columns that it never needs more of.
        var maximum = 200
        /// The column with the highest goes first.
        var rank: Int
    }

    struct Cell: Sendable {
        var text: String
        var look = Line.Look.plain
    }

    static let gap = 2

    var columns: [Column]
    var rows: [[Cell]] = []

    /// Widths in the order of the columns; `nil`: not shown.
    func widths(_ room: Int) -> [Int?] {
        let natural = self.columns.enumerated().map { index, column in
            let longest = self.rows.reduce(0) { longest, row in
                index < row.count ? max(longest, DisplayText.width(row[index].text)) : longest
            }
            return max(DisplayText.width(column.title), min(longest, column.maximum))
        }
        var shown = Array(self.columns.indices)
        while true {
            let widths = self.shrunk(natural, shown, room)
            let total = widths.reduce(0) { $0 + ($1 ?? 0) } + Self.gap * max(0, shown.count - 1)
            guard total > room, shown.count > 1 else { return widths }
            // Without the least important one the others may be long again.
            let least = shown.max { self.columns[$0].rank < self.columns[$1].rank }
            shown.removeAll { $0 == least }
        }
    }

    /// Takes from the longest first.
    private func shrunk(_ natural: [Int], _ shown: [Int], _ room: Int) -> [Int?] {
        var widths: [Int?] = natural.map { _ in nil }
        for index in shown { widths[index] = natural[index] }
        var excess = shown.reduce(0) { $0 + natural[$1] } + Self.gap * max(0, shown.count - 1) - room
        while excess > 0 {
            let shrinkable = shown.filter { (widths[$0] ?? 0) > self.columns[$0].minimum }
            guard let widest = shrinkable.max(by: { (widths[$0] ?? 0) < (widths[$1] ?? 0) }), let width = widths[widest]
            else { break }
            let less = max(self.columns[widest].minimum, width - max(1, excess / shrinkable.count))
            excess -= width - less
            widths[widest] = less
        }
        return widths
    }

    func header(_ widths: [Int?], _ display: DisplayText) -> String {
        self.line(self.columns.map { Cell(text: $0.title) }, widths, display).text
    }

    func line(_ cells: [Cell], _ widths: [Int?], _ display: DisplayText) -> Line {
        var line = Line()
        var isFirst = true
        for (index, cell) in cells.enumerated() where index < widths.count {
            guard let width = widths[index] else { continue }
            if !isFirst { line.add(String(repeating: " ", count: Self.gap)) }
            isFirst = false
            let text = display.cut(cell.text, to: width)
            let space = String(repeating: " ", count: max(0, width - DisplayText.width(text)))
            if self.columns[index].alignsRight { line.add(space) }
            line.add(text, cell.look)
            if !self.columns[index].alignsRight { line.add(space) }
        }
        return line
    }
}
