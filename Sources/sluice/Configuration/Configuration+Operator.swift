// What of the operator's surface does not go together.
extension Configuration {
    func checkOperators() -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        if let prefix = self.text("http.path_prefix"), !Self.isPrefix(prefix) {
            let message = "is not a path such as /sluice: a slash, then parts of letters, digits, '.', '_' and '-'"
            problems.append(self.problem("http.path_prefix", message))
        }
        if let url = self.text("console.trace_url"), !url.contains("{trace_id}") {
            problems.append(self.problem("console.trace_url", "does not say where {trace_id} goes"))
        }
        for fabric in self.table("console.fabrics")
        where !["http://", "https://"].contains(where: { fabric.value.hasPrefix($0) }) {
            problems.append(
                self.problem("console.fabrics", "\(fabric.name) needs a URL that begins with http:// or https://")
            )
        }
        return problems
    }

    private static func isPrefix(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 1, parts[0].isEmpty, text.utf8.count <= 256 else { return false }
        return parts.dropFirst().allSatisfy { part in
            !part.isEmpty && part != "." && part != ".."
                && part.utf8.allSatisfy { byte in
                    switch byte {
                    case 48...57, 65...90, 97...122, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
                    default: false
                    }
                }
        }
    }
}
