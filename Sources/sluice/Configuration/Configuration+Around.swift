import SluiceGateway

// What of caches and callbacks does not go together.
extension Configuration {
    func checkAround() -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        let keepsAnswers = self.names("pools").contains { self.toggle("pools.\($0).cache") }
        if keepsAnswers, self.text("cache.store") == "valkey", self.text("fabric.url") == nil {
            problems.append(self.problem("cache.store", "valkey needs fabric.url, which says where Valkey is"))
        }
        if let entry = self.integer("cache.max_entry"), let bytes = self.integer("cache.max_bytes"), entry > bytes {
            problems.append(self.problem("cache.max_entry", "is larger than cache.max_bytes"))
        }
        for name in self.names("callbacks") {
            let path = "callbacks.\(name)"
            for event in self.list("\(path).events") ?? [] where WebhookEvent(rawValue: event) == nil {
                let known = WebhookEvent.allCases.map(\.rawValue)
                let near = Nearest.match(event, in: known).map { "; did you mean '\($0)'?" } ?? ""
                problems.append(
                    self.problem(
                        "\(path).events",
                        "there is no event '\(event)', only \(known.joined(separator: ", "))\(near)"
                    )
                )
            }
            if let secret = self.text("\(path).secret"), WebhookConfiguration.key(secret) == nil {
                problems.append(self.problem("\(path).secret", "begins with whsec_ and is not base64 after it"))
            }
        }
        return problems
    }
}
