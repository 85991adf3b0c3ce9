import SluiceCore
import SluiceGateway
import Testing

@testable import sluice

@Suite struct SpendingKeysTests {
    private func load(_ text: String) throws -> Configuration {
        var loader = ConfigurationLoader()
        loader.file = "s.yaml"
        loader.readFile = { _, _ in Array(text.utf8) }
        return try loader.load()
    }

    private func problems(_ text: String) -> [String] {
        do {
            _ = try self.load(text)
            return []
        } catch let problems as ConfigurationProblems {
            return problems.problems.map { "\($0.key): \($0.message)" }
        } catch {
            return ["\(error)"]
        }
    }

    @Test func `budgets become rules`() throws {
        let text =
            "api_keys: {ci: {key: secret-of-ci}}\nbudgets: {a: {limit: 2.5, period: day, key: ci}, b: {limit: 0}}"
        let rules = SpendingWiring(configuration: try self.load(text)).rules()
        #expect(rules.map(\.name) == ["a", "b"])
        #expect(rules.map(\.limit.amount) == [Money(nanodollars: 2_500_000_000), .zero])
        #expect(rules.first?.key == "ci")
    }

    @Test func `a budget needs its limit`() {
        let message = "budgets.a.limit: is needed: the US dollars that may be spent"
        #expect(self.problems("budgets: {a: {period: day}}") == [message])
        #expect(self.problems("budgets: {a: {limit: 0}}").isEmpty)
    }

    @Test func `a budget of an API key that there is not covers nothing, and that is said`() {
        let text = "api_keys: {ci: {key: secret-of-ci}}\nbudgets: {a: {limit: 1, key: cii}}"
        #expect(self.problems(text) == ["budgets.a.key: there is no API key 'cii'; did you mean 'ci'?"])
        #expect(self.problems("budgets: {a: {limit: 1, key: ci}}") == ["budgets.a.key: there is no API key 'ci'"])
    }
}
