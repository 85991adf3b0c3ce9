import SluiceGateway

// What of budgets cannot be meant.
extension Configuration {
    func checkSpending() -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        for name in self.names("budgets") {
            let path = "budgets.\(name)"
            if (self.setting("\(path).limit")?.value ?? ConfigurationValue.none) == ConfigurationValue.none {
                problems.append(self.problem("\(path).limit", "is needed: the US dollars that may be spent"))
            }
        }
        // The names in a keys file show when it is read.
        guard self.text("api_keys_file") == nil else { return problems }
        return problems + self.budgetsWithoutKey(self.names("api_keys"))
    }

    /// - Parameter keys: the names of all API keys.
    func budgetsWithoutKey(_ keys: [String]) -> [ConfigurationProblem] {
        self.names("budgets").compactMap { name in
            let path = "budgets.\(name).key"
            guard let key = self.text(path), !keys.contains(key) else { return nil }
            let near = Nearest.match(key, in: keys).map { "; did you mean '\($0)'?" } ?? ""
            return self.problem(path, "there is no API key '\(key)'\(near)")
        }
    }
}
