/// Reads a command line against the declared commands.
///
/// `--name value`, `--name=value`, `-n value`, `-nvalue`; `--` ends the options; options may stand before or after
/// arguments. Every command has `--help`.
struct ArgumentParser {
    enum Result {
        case run(Invocation)
        case help([String])
        case version
    }

    let root: CommandShape

    func parse(_ words: [String]) throws(UsageError) -> Result {
        var shape = self.root
        var path: [String] = []
        var rest = words[...]
        if rest.first == "help" {
            return try self.helpFor(Array(rest.dropFirst()))
        }
        while let word = rest.first, !shape.subcommands.isEmpty {
            guard let next = shape.subcommands.first(where: { $0.name == word }) else {
                if word.hasPrefix("-") { break }
                throw Self.unknownCommand(word, in: shape, path: path)
            }
            shape = next
            path.append(word)
            rest = rest.dropFirst()
        }
        return try self.read(rest, shape: shape, path: path)
    }

    private func helpFor(_ words: [String]) throws(UsageError) -> Result {
        var shape = self.root
        var path: [String] = []
        for word in words {
            guard let next = shape.subcommands.first(where: { $0.name == word }) else {
                throw Self.unknownCommand(word, in: shape, path: path)
            }
            shape = next
            path.append(word)
        }
        return .help(path)
    }

    private static func unknownCommand(_ word: String, in shape: CommandShape, path: [String]) -> UsageError {
        let names = shape.subcommands.map(\.name)
        let whole = (["sluice"] + path).joined(separator: " ")
        guard let near = Nearest.match(word, in: names) else {
            return UsageError(
                "'\(whole)' has no command '\(word)'; it has \(names.joined(separator: ", ")).",
                command: path
            )
        }
        return UsageError("'\(whole)' has no command '\(word)'. Did you mean '\(near)'?", command: path)
    }

    private func read(_ words: ArraySlice<String>, shape: CommandShape, path: [String]) throws(UsageError) -> Result {
        var invocation = Invocation(command: path)
        var rest = words
        while let word = rest.popFirst() {
            if word == "--" {
                invocation.arguments.append(contentsOf: rest)
                break
            }
            guard word.hasPrefix("-"), word != "-" else {
                invocation.arguments.append(word)
                continue
            }
            if word == "--help" || word == "-h" { return .help(path) }
            if word == "--version", path.isEmpty { return .version }
            try Self.readOption(word, rest: &rest, shape: shape, into: &invocation)
        }
        try Self.check(invocation, shape: shape)
        return .run(invocation)
    }

    private static func readOption(
        _ word: String,
        rest: inout ArraySlice<String>,
        shape: CommandShape,
        into invocation: inout Invocation
    ) throws(UsageError) {
        let path = invocation.command
        let (option, attached) = try self.match(word, shape: shape, path: path)
        guard let placeholder = option.value else {
            if let attached {
                throw UsageError("Option '--\(option.name)' takes no value, but got '\(attached)'.", command: path)
            }
            invocation.add(option: option.name, value: "")
            return
        }
        guard let value = attached ?? rest.popFirst() else {
            throw UsageError(
                "Option '--\(option.name)' needs a value: --\(option.name) <\(placeholder)>.",
                command: path
            )
        }
        if attached == nil, value.hasPrefix("--") {
            throw UsageError(
                "Option '--\(option.name)' needs a value, but '\(value)' follows. "
                    + "Write --\(option.name)=\(value) if that is the value.",
                command: path
            )
        }
        if !option.repeats, invocation.has(option.name) {
            throw UsageError("Option '--\(option.name)' was given more than once.", command: path)
        }
        invocation.add(option: option.name, value: value)
    }

    /// The declared option and the value that is part of the same word.
    private static func match(
        _ word: String,
        shape: CommandShape,
        path: [String]
    ) throws(UsageError) -> (OptionShape, attached: String?) {
        if word.hasPrefix("--") {
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts.first ?? "")
            if let option = shape.options.first(where: { $0.name == name }) {
                return (option, parts.count > 1 ? String(parts[1]) : nil)
            }
            throw Self.unknownOption("--\(name)", in: shape, path: path)
        }
        let letter = word.dropFirst().first
        guard let option = shape.options.first(where: { $0.short == letter }) else {
            throw Self.unknownOption(word, in: shape, path: path)
        }
        let tail = word.dropFirst(2)
        return (option, tail.isEmpty ? nil : String(tail))
    }

    private static func unknownOption(_ word: String, in shape: CommandShape, path: [String]) -> UsageError {
        let names = shape.options.map { "--\($0.name)" } + ["--help"]
        guard let near = Nearest.match(word, in: names) else {
            return UsageError("Unknown option '\(word)'.", command: path)
        }
        return UsageError("Unknown option '\(word)'. Did you mean '\(near)'?", command: path)
    }

    private static func check(_ invocation: Invocation, shape: CommandShape) throws(UsageError) {
        let path = invocation.command
        if !shape.subcommands.isEmpty, !shape.runsAlone {
            throw UsageError("A command is missing.", command: path)
        }
        let given = invocation.arguments.count
        if let missing = shape.arguments.dropFirst(given).first(where: { !$0.isOptional }) {
            throw UsageError("Missing argument <\(missing.name)>: \(missing.help)", command: path)
        }
        let takesAll = shape.arguments.last?.repeats ?? false
        if !takesAll, given > shape.arguments.count {
            let extra = invocation.arguments[shape.arguments.count]
            throw UsageError("Unexpected argument '\(extra)'.", command: path)
        }
    }
}
