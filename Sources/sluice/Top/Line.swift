/// One row of the screen: clean text in pieces that look alike.
struct Line: Sendable, Equatable {
    enum Look: Sendable, Equatable {
        case plain
        case bold
        case dim
        case good
        case bad
        case caution
        case selected
    }

    struct Piece: Sendable, Equatable {
        var text: String
        var look: Look
    }

    var pieces: [Piece] = []

    init() {}

    init(_ text: String, _ look: Look = .plain) { self.pieces = [Piece(text: text, look: look)] }

    mutating func add(_ text: String, _ look: Look = .plain) {
        guard !text.isEmpty else { return }
        self.pieces.append(Piece(text: text, look: look))
    }

    var width: Int { self.pieces.reduce(0) { $0 + DisplayText.width($1.text) } }
    var text: String { self.pieces.map(\.text).joined() }

    /// Everything in this one look.
    func all(_ look: Look) -> Line { Line(self.text, look) }

    func cut(to columns: Int, _ display: DisplayText) -> Line {
        guard self.width > columns else { return self }
        var line = Line()
        var room = columns
        for piece in self.pieces {
            let width = DisplayText.width(piece.text)
            if width < room {
                line.add(piece.text, piece.look)
                room -= width
                continue
            }
            // Filled to the last column with more to come: the mark must still be made.
            let cut = width == room ? display.cut(piece.text + "  ", to: room) : display.cut(piece.text, to: room)
            line.add(cut, piece.look)
            break
        }
        return line
    }
}
