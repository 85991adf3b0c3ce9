import Testing

@testable import sluice

/// Command lines as people type them, right and wrong.
@Suite struct ArgumentParserTests {
    private func parse(_ words: String...) throws(UsageError) -> Invocation? {
        guard case .run(let invocation) = try ArgumentParser(root: CommandTree.root).parse(words) else { return nil }
        return invocation
    }

    private func complaint(_ words: String...) -> String {
        do {
            _ = try ArgumentParser(root: CommandTree.root).parse(words)
            return ""
        } catch {
            return error.message
        }
    }

    @Test func `an option takes its value from the next word or behind an equals sign`() throws {
        let spaced = try #require(try self.parse("serve", "--listen", "127.0.0.1:1"))
        let joined = try #require(try self.parse("serve", "--listen=127.0.0.1:1"))
        #expect(spaced.value("listen") == "127.0.0.1:1")
        #expect(joined.value("listen") == "127.0.0.1:1")
        #expect(spaced.command == ["serve"])
    }

    @Test func `options stand before and after arguments, and two dashes end them`() throws {
        let mixed = try #require(try self.parse("cancel", "--json", "req_1", "--url", "http://h", "req_2"))
        #expect(mixed.arguments == ["req_1", "req_2"])
        #expect(mixed.has("json"))
        let ended = try #require(try self.parse("cancel", "--", "--json"))
        #expect(ended.arguments == ["--json"])
        #expect(!ended.has("json"))
    }

    @Test func `a repeatable option keeps all its values in order`() throws {
        let invocation = try #require(try self.parse("serve", "--set", "threads=1", "--set=drain=1s"))
        #expect(invocation.values("set") == ["threads=1", "drain=1s"])
    }

    @Test func `an unknown option names the nearest`() {
        #expect(self.complaint("serve", "--lisen", "x") == "Unknown option '--lisen'. Did you mean '--listen'?")
        #expect(self.complaint("ls", "--quixotic") == "Unknown option '--quixotic'.")
    }

    @Test func `an unknown command names the nearest, or all`() {
        #expect(self.complaint("srve") == "'sluice' has no command 'srve'. Did you mean 'serve'?")
        #expect(self.complaint("frobnicate").hasPrefix("'sluice' has no command 'frobnicate'; it has serve, gateway"))
    }

    @Test func `what is missing or too much is said`() {
        #expect(self.complaint("show").hasPrefix("Missing argument <id>"))
        #expect(self.complaint("show", "a", "b") == "Unexpected argument 'b'.")
        #expect(self.complaint("serve", "--listen") == "Option '--listen' needs a value: --listen <value>.")
        #expect(self.complaint("serve", "--listen", "--demo").contains("'--demo' follows"))
        #expect(self.complaint("serve", "--demo=1") == "Option '--demo' takes no value, but got '1'.")
        #expect(self.complaint("serve", "--drain", "1s", "--drain", "2s").contains("more than once"))
        #expect(self.complaint() == "A command is missing.")
    }

    @Test func `every command has help with examples`() throws {
        for command in CommandTree.root.subcommands {
            guard case .help(let path) = try ArgumentParser(root: CommandTree.root).parse([command.name, "--help"])
            else {
                Issue.record("no help for \(command.name)")
                continue
            }
            let text = HelpPage(root: CommandTree.root, path: path).text
            #expect(text.hasPrefix("OVERVIEW: "))
            #expect(text.contains("USAGE: sluice \(command.name)"))
            #expect(text.contains("-h, --help"))
            #expect(text.contains("EXAMPLES:") || command.name == "version")
            let longest = text.split(separator: "\n").filter { !$0.hasPrefix("  #") }.map(\.count).max() ?? 0
            #expect(longest <= 110, "\(command.name)")
        }
    }

    @Test func `help is also a command`() throws {
        guard case .help(let path) = try ArgumentParser(root: CommandTree.root).parse(["help", "ls"]) else {
            Issue.record("no help")
            return
        }
        #expect(path == ["ls"])
    }

    @Test(arguments: [("", "abc", 3), ("abc", "", 3), ("slots", "slots", 0), ("slosts", "slots", 1), ("ab", "ba", 1)])
    func `the distance counts edits`(left: String, right: String, edits: Int) {
        #expect(Nearest.distance(Array(left.utf8), Array(right.utf8)) == edits)
    }
}
