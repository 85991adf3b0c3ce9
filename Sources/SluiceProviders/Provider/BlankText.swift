/// White space as Unicode has it: providers refuse texts of nothing else, and turns of the assistant that end in it.
///
/// Nearly every text begins and ends with a visible ASCII character; Unicode's tables are asked for the others only.
enum BlankText {
    static func isBlank(_ text: String) -> Bool {
        if let first = text.utf8.first, self.isVisible(first) { return false }
        return text.unicodeScalars.allSatisfy(\.properties.isWhitespace)
    }

    static func withoutTrailingSpace(_ text: String) -> String {
        if let last = text.utf8.last, self.isVisible(last) { return text }
        let scalars = text.unicodeScalars
        guard let end = scalars.lastIndex(where: { !$0.properties.isWhitespace }) else { return "" }
        return String(scalars[...end])
    }

    private static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F }
}
