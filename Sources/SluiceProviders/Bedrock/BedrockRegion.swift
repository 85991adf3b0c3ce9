/// The addresses that AWS's regions have, and which of them a call is for.
enum BedrockRegion {
    /// Where a region's models are; `nil` where the name could not be a region's, and would lead elsewhere.
    static func baseURL(region: String) -> String? {
        guard Self.isRegion(region) else { return nil }
        let domain = Self.domains.first { region.hasPrefix($0.prefix) }?.domain ?? "amazonaws.com"
        return "https://bedrock-runtime.\(region).\(domain)"
    }

    /// Partitions that have names of their own.
    private static let domains: [(prefix: String, domain: String)] = [
        ("cn-", "amazonaws.com.cn"), ("us-iso-", "c2s.ic.gov"), ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"), ("eu-isoe-", "cloud.adc-e.uk"), ("eusc-", "amazonaws.eu"),
    ]

    private static func isRegion(_ name: some StringProtocol) -> Bool {
        let bytes = name.utf8
        return (1...32).contains(bytes.count) && bytes.first != UInt8(ascii: "-")
            && bytes.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-") }
    }

    /// The region that the address names, else that of the model's ARN, which no other region knows, else the one that
    /// is configured: a signature is for whoever reads it.
    static func region(_ endpoint: ProviderEndpoint, model: String) -> String? {
        if let region = Self.region(ofAddress: endpoint.baseURL) ?? Self.region(ofName: model) { return region }
        return endpoint.settings["region"].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func region(ofName model: String) -> String? {
        guard model.hasPrefix("arn:") else { return nil }
        let parts = model.split(separator: ":", maxSplits: 4, omittingEmptySubsequences: false)
        return parts.count > 3 && Self.isRegion(parts[3]) ? String(parts[3]) : nil
    }

    private static func region(ofAddress address: String) -> String? {
        guard Bytes.firstRange(of: ".amazonaws.com", in: address) != nil,
            let mark = Bytes.firstRange(of: "bedrock-runtime", in: address)
        else { return nil }
        let region = address[mark.upperBound...].drop { $0 != "." }.dropFirst().prefix { $0 != "." }
        return Self.isRegion(region) ? String(region) : nil
    }
}
