extension ValkeyServerError {
    /// An error reply begins with a word in capitals that says of what kind it is.
    package init(line: String) {
        let word = line.prefix { $0 != " " }
        let kind: Kind =
            switch word {
            case "OOM": .oom
            case "MISCONF": .misconfigured
            // A pop that was waiting when its server became a replica is UNBLOCKED.
            case "READONLY", "UNBLOCKED": .readOnly
            case "LOADING": .loading
            case "MASTERDOWN": .masterDown
            case "CLUSTERDOWN": .clusterDown
            case "NOREPLICAS": .noReplicas
            case "BUSY": .busy
            case "NOAUTH", "WRONGPASS", "NOPERM": .authentication
            case "NOSCRIPT": .noScript
            case "WRONGTYPE": .wrongType
            default: Self.general(line)
            }
        self.init(kind: kind, message: Self.withoutArguments(line))
    }

    /// Of a command that a server does not know it repeats the arguments: a password, or the head of a prompt.
    private static func withoutArguments(_ line: String) -> String {
        guard let arguments = line.firstRange(of: ", with args beginning with") else { return line }
        return String(line[..<arguments.lowerBound])
    }

    /// Some kinds have no word of their own.
    private static func general(_ line: String) -> Kind {
        if line.hasPrefix("ERR unknown command") { return .unknownCommand }
        if line.hasPrefix("ERR invalid password") || line.contains("without any password configured") {
            return .authentication
        }
        // Before 7.0 what a script met stands in the middle.
        if line.contains(" -OOM ") { return .oom }
        if line.contains(" -READONLY ") { return .readOnly }
        if line.contains(" -MISCONF ") { return .misconfigured }
        return .other
    }
}
