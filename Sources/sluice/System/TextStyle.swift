/// Colour for people; nothing at all when output is not a terminal.
struct TextStyle: Sendable {
    var isEnabled: Bool

    func bold(_ text: String) -> String { self.apply("1", text) }
    func dim(_ text: String) -> String { self.apply("2", text) }
    func red(_ text: String) -> String { self.apply("31", text) }
    func green(_ text: String) -> String { self.apply("32", text) }
    func yellow(_ text: String) -> String { self.apply("33", text) }
    func cyan(_ text: String) -> String { self.apply("36", text) }

    private func apply(_ code: String, _ text: String) -> String {
        guard self.isEnabled, !text.isEmpty else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
}
