import Testing

@testable import sluice

/// What is read of YAML, and where errors are said to be.
@Suite struct YAMLReaderTests {
    private func read(_ text: String) throws(YAMLError) -> YAMLNode? { try YAMLReader.read(Array(text.utf8)) }

    private func failure(_ text: String) -> YAMLError? {
        do {
            _ = try self.read(text)
            return nil
        } catch {
            return error
        }
    }

    @Test func `values remember where they stand`() throws {
        let root = try #require(try self.read("a:\n  b: 1\n  c: [x, 'y']\n"))
        guard case .mapping(let members) = root.content, case .mapping(let inner) = members[0].node.content else {
            Issue.record("no mapping")
            return
        }
        #expect(inner[0].node == YAMLNode(content: .scalar("1"), position: .init(line: 2, column: 6)))
        #expect(inner[1].position == .init(line: 3, column: 3))
        guard case .sequence(let items) = inner[1].node.content else {
            Issue.record("no sequence")
            return
        }
        #expect(items.map(\.content) == [.scalar("x"), .scalar("y")])
    }

    @Test func `nothing is nothing, unless it is quoted`() throws {
        let root = try #require(try self.read("a: ~\nb: null\nc:\nd: 'null'\n"))
        guard case .mapping(let members) = root.content else { return }
        #expect(members.map(\.node.content) == [.nothing, .nothing, .nothing, .scalar("null")])
        #expect(try self.read("# only a comment\n") == nil)
        #expect(try self.read("") == nil)
    }

    @Test func `errors have a line and a column`() {
        #expect(
            self.failure("a: 1\na: 2\n")
                == YAMLError(position: .init(line: 2, column: 1), message: "'a' was already given in line 1")
        )
        #expect(self.failure("a: [1, 2\nb: 3\n")?.position.line == 2)
        #expect(self.failure("a: &x 1\n")?.message.hasPrefix("anchors") == true)
        #expect(self.failure("a: *x\n")?.message.hasPrefix("aliases") == true)
        #expect(self.failure("a: !!binary x\n")?.message.hasPrefix("tags") == true)
        #expect(self.failure("[a, b]: 1\n")?.message == "a key must be a plain word")
        #expect(self.failure("a: 1\n---\nb: 2\n")?.message.hasPrefix("a second document") == true)
        #expect(self.failure("\u{1}\u{2}") != nil)
    }

    @Test func `depth, number and size are bounded`() {
        #expect(self.failure(String(repeating: "[", count: 100_000))?.message.contains("deeper") == true)
        let many = "[" + String(repeating: "1,", count: YAMLReader.maximumNodes + 1) + "]"
        #expect(self.failure(many)?.message.contains("more than") == true)
        let large = [UInt8](repeating: UInt8(ascii: " "), count: YAMLReader.maximumBytes + 1)
        #expect(throws: YAMLError.self) { try YAMLReader.read(large) }
    }
}
