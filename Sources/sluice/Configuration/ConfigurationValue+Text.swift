import SluiceBasics

extension ConfigurationValue {
    /// As it could be written in the file; empty for nothing.
    var shown: String {
        switch self {
        case .none: ""
        case .text(let value): value
        case .toggle(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .ratio(let value): "\(value)"
        case .duration(let value): DurationText.format(value)
        case .address(let value): value.text
        case .list(let items): items.joined(separator: ",")
        case .table(let pairs): pairs.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
        }
    }
}

extension Setting {
    /// For people: secrets masked, also those within a URL; sizes with their unit; `-` for nothing.
    var shown: String {
        guard self.value != .none else { return "-" }
        if self.key.isSecret {
            guard case .table(let pairs) = self.value else { return "********" }
            return pairs.isEmpty ? "-" : pairs.map { "\($0.name)=********" }.joined(separator: ",")
        }
        if case .size = self.key.kind, case .integer(let bytes) = self.value { return SizeText.format(bytes) }
        let text = self.value.shown
        guard case .url = self.key.kind, let at = text.lastIndex(of: "@"), let scheme = text.firstRange(of: "://")
        else {
            return text.isEmpty ? "-" : text
        }
        return "\(text[..<scheme.upperBound])********\(text[at...])"
    }
}
