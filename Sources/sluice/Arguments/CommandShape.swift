/// An option as it is declared: read, completed and explained from the same value.
struct OptionShape: Sendable {
    /// Without the dashes.
    var name: String
    var short: Character?
    /// What stands for the value in help; `nil`: a switch.
    var value: String?
    var help: String
    var repeats: Bool

    init(_ name: String, short: Character? = nil, value: String? = nil, repeats: Bool = false, _ help: String) {
        self.name = name
        self.short = short
        self.value = value
        self.help = help
        self.repeats = repeats
    }

    static let help = OptionShape("help", short: "h", "Show help information.")
    static let json = OptionShape("json", "Print JSON, for machines.")
}

/// A word without dashes.
struct ArgumentShape: Sendable {
    var name: String
    var help: String
    var isOptional: Bool
    var repeats: Bool

    init(_ name: String, isOptional: Bool = false, repeats: Bool = false, _ help: String) {
        self.name = name
        self.help = help
        self.isOptional = isOptional
        self.repeats = repeats
    }
}

struct Example: Sendable {
    var line: String
    var why: String

    init(_ line: String, _ why: String) {
        self.line = line
        self.why = why
    }
}

/// A command as it is declared. A command with subcommands may also run by itself.
struct CommandShape: Sendable {
    var name: String
    /// One sentence.
    var abstract: String
    var discussion: String = ""
    var arguments: [ArgumentShape] = []
    var options: [OptionShape] = []
    var examples: [Example] = []
    var subcommands: [CommandShape] = []
    /// Whether it does something when no subcommand follows.
    var runsAlone = true
}

/// What a command line asks for.
struct Invocation: Sendable {
    /// Names of the command and its subcommands, without the program's.
    var command: [String]
    var arguments: [String] = []
    /// In the order given; a switch has an empty value.
    private var options: [(name: String, value: String)] = []

    init(command: [String]) {
        self.command = command
    }

    mutating func add(option name: String, value: String) {
        self.options.append((name, value))
    }

    func has(_ name: String) -> Bool { self.options.contains { $0.name == name } }
    /// The last one given wins, as everywhere.
    func value(_ name: String) -> String? { self.options.last { $0.name == name }?.value }
    func values(_ name: String) -> [String] { self.options.filter { $0.name == name }.map(\.value) }
}

/// A command line that cannot be read; ends the program with status 2.
struct UsageError: Error, Equatable {
    var message: String
    /// How to get help for what was being typed.
    var command: [String]

    init(_ message: String, command: [String] = []) {
        self.message = message
        self.command = command
    }
}
