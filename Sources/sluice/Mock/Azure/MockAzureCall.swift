/// What the path of an Azure OpenAI request says.
struct MockAzureCall: Sendable {
    /// `nil` where the body names the model.
    var deployment: String?

    init?(path: String) {
        if path == "/openai/v1/chat/completions" { return }
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count == 5, parts[0] == "openai", parts[1] == "deployments", parts[3] == "chat",
            parts[4] == "completions"
        else { return nil }
        self.deployment = parts[2]
    }

    /// What the paths of other operations mean: the operation's name with OpenAI.
    static func operation(path: String) -> String? {
        let parts = path.split(separator: "/").map(String.init)
        if parts.count == 3, parts[0] == "openai", parts[1] == "v1" {
            return ["embeddings", "completions", "responses"].first { $0 == parts[2] }
        }
        guard parts.count == 4, parts[0] == "openai", parts[1] == "deployments" else { return nil }
        return ["embeddings", "completions"].first { $0 == parts[3] }
    }
}
