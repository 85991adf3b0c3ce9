/// Rows of aligned cells, separated by two spaces.
struct TextTable {
    struct Cell {
        var text: String
        var paint: (String) -> String

        init(_ text: String, _ paint: @escaping (String) -> String = { $0 }) {
            self.text = text
            self.paint = paint
        }
    }

    enum Alignment {
        case left
        case right
    }

    private let header: [(title: String, alignment: Alignment)]
    private var rows: [[Cell]] = []

    init(_ header: [(title: String, alignment: Alignment)]) {
        self.header = header
    }

    mutating func add(_ cells: [Cell]) {
        self.rows.append(cells)
    }

    func render(style: TextStyle) -> String {
        var widths = self.header.map(\.title.count)
        for row in self.rows {
            for (column, cell) in row.enumerated() where column < widths.count {
                widths[column] = max(widths[column], cell.text.count)
            }
        }
        let title = self.header.map { Cell($0.title, style.dim) }
        return ([title] + self.rows).map { self.line($0, widths: widths) + "\n" }.joined()
    }

    private func line(_ row: [Cell], widths: [Int]) -> String {
        var line = ""
        for (column, cell) in row.enumerated() where column < widths.count {
            if column > 0 { line += "  " }
            let space = String(repeating: " ", count: max(0, widths[column] - cell.text.count))
            switch self.header[column].alignment {
            case .right: line += space + cell.paint(cell.text)
            case .left where column == row.count - 1: line += cell.paint(cell.text)
            case .left: line += cell.paint(cell.text) + space
            }
        }
        return line
    }
}
