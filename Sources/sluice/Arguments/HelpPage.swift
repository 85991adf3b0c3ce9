/// The text of `--help`, in the layout that Swift's own commands have.
struct HelpPage {
    let root: CommandShape
    let path: [String]
    var width = 80
    var style = TextStyle(isEnabled: false)

    private static let column = 26

    var text: String {
        var shape = self.root
        for name in self.path {
            guard let next = shape.subcommands.first(where: { $0.name == name }) else { break }
            shape = next
        }
        let whole = ([self.root.name] + self.path).joined(separator: " ")
        var sections = ["\(self.title("OVERVIEW:")) \(shape.abstract)"]
        if !shape.discussion.isEmpty {
            sections.append(Self.wrap(shape.discussion, width: self.width).joined(separator: "\n"))
        }
        sections.append("\(self.title("USAGE:")) \(self.usage(shape, whole: whole))")
        let arguments = shape.arguments.map { (label: "<\($0.name)>", help: $0.help) }
        self.add("ARGUMENTS:", arguments, to: &sections)
        let options = (shape.options + [.help]).map { (label: self.label($0), help: $0.help) }
        self.add("OPTIONS:", options, to: &sections)
        let commands = shape.subcommands.map { (label: $0.name, help: $0.abstract) }
        self.add("SUBCOMMANDS:", commands, to: &sections)
        if !shape.examples.isEmpty {
            let lines = shape.examples.flatMap { ["  " + self.style.dim("# \($0.why)"), "  \($0.line)"] }
            sections.append(([self.title("EXAMPLES:")] + lines).joined(separator: "\n"))
        }
        if !shape.subcommands.isEmpty {
            sections.append("  See '\(whole) <subcommand> --help' for detailed help.")
        }
        return sections.joined(separator: "\n\n") + "\n"
    }

    /// The one line that errors repeat.
    func usage(_ shape: CommandShape, whole: String) -> String {
        var words = [whole]
        if shape.options.count > 4 {
            words.append("[<options>]")
        } else {
            for option in shape.options {
                let value = option.value.map { " <\($0)>" } ?? ""
                words.append("[--\(option.name)\(value)]\(option.repeats ? " ..." : "")")
            }
        }
        for argument in shape.arguments {
            let name = "<\(argument.name)>" + (argument.repeats ? " ..." : "")
            words.append(argument.isOptional ? "[\(name)]" : name)
        }
        if !shape.subcommands.isEmpty { words.append(shape.runsAlone ? "[<subcommand>]" : "<subcommand>") }
        return words.joined(separator: " ")
    }

    private func title(_ text: String) -> String { self.style.bold(text) }

    private func label(_ option: OptionShape) -> String {
        let short = option.short.map { "-\($0), " } ?? ""
        return "\(short)--\(option.name)" + (option.value.map { " <\($0)>" } ?? "")
    }

    private func add(_ title: String, _ rows: [(label: String, help: String)], to sections: inout [String]) {
        guard !rows.isEmpty else { return }
        var lines = [self.title(title)]
        for row in rows {
            let indent = String(repeating: " ", count: Self.column)
            let help = Self.wrap(row.help, width: max(24, self.width - Self.column))
            var head = "  \(row.label)"
            if head.count < Self.column {
                head += String(repeating: " ", count: Self.column - head.count) + (help.first ?? "")
                lines.append(head)
                lines.append(contentsOf: help.dropFirst().map { indent + $0 })
            } else {
                lines.append(head)
                lines.append(contentsOf: help.map { indent + $0 })
            }
        }
        sections.append(lines.joined(separator: "\n"))
    }

    /// Breaks at spaces; line ends in the text stay.
    static func wrap(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
            var line = ""
            for word in paragraph.split(separator: " ") {
                if !line.isEmpty, line.count + 1 + word.count > width {
                    lines.append(line)
                    line = ""
                }
                line += (line.isEmpty ? "" : " ") + word
            }
            lines.append(line)
        }
        return lines
    }
}
