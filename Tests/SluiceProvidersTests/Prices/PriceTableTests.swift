import SluiceCore
import SluiceProviders
import Testing

@Suite("Price tables")
struct PriceTableTests {
    private func table(_ text: String) throws(PriceTableFault) -> PriceTable { try .parse(Array(text.utf8)) }

    @Test("models are found by name, without provider, without date and version, and never by another model's name")
    func names() throws {
        let table = try self.table(
            #"{"models":{"claude-sonnet-4-5":{"input":3,"output":15},"gpt-4o":{"input":2.5,"output":10},"#
                + #""gpt-4o-mini":{"input":0.15,"output":0.6},"azure/gpt-4o":{"input":9,"output":9}}}"#
        )
        #expect(table.entry("claude-sonnet-4-5-20250929")?.prices?.input == 3)
        #expect(table.entry("anthropic/claude-sonnet-4-5@20250929")?.prices?.input == 3)
        #expect(table.entry("gpt-4o-2024-08-06")?.prices?.input == 2.5)
        #expect(table.entry("gpt-4o-mini-2024-07-18")?.prices?.input == 0.15)
        #expect(table.entry("azure/gpt-4o")?.prices?.input == 9)
        #expect(table.entry("eu.anthropic.claude-sonnet-4-5-20250929-v1:0")?.prices?.input == 3)
        #expect(table.entry("claude-sonnet-4-5-7") == nil)
        #expect(table.entry("gpt-4o-realtime") == nil)
        #expect(table.entry("") == nil)
        #expect(table.entry("---///") == nil)
    }

    @Test(
        "what is wrong with a table is named",
        arguments: [
            (#"{"models":[]}"#, "'models'"), (#"{"models":{"m":{"inptu":1}}}"#, "models.m.inptu"),
            (#"{"models":{"m":{"input":-1}}}"#, "models.m.input"),
            (#"{"models":{"m":{"output":1}}}"#, "none for input"),
            (#"{"models":{"m":{"context":0}}}"#, "models.m.context"), ("{", "not valid JSON"),
        ]
    )
    func faults(text: String, names: String) {
        do throws(PriceTableFault) {
            _ = try self.table(text)
            Issue.record("taken: \(text)")
        } catch {
            #expect(error.description.contains(names))
        }
    }

    @Test("a user's table wins over the one that comes with the program")
    func layers() throws {
        let own = try self.table(#"{"models":{"gpt-4o":{"input":1,"output":1}}}"#)
        #expect(own.over(.builtIn).entry("gpt-4o")?.prices?.input == 1)
        #expect(own.over(.builtIn).entry("gpt-4o-mini") == PriceTable.builtIn.entry("gpt-4o-mini"))
        #expect(PriceTable.builtIn.entries.count > 40)
    }
}
