import SluiceWire

/// Headers of a call: ours, and in place of those of the same name the configured ones.
package enum CallHeaders {
    package static func make(_ own: [(String, String)], _ endpoint: ProviderEndpoint) -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in own where !endpoint.headers.contains(where: { Self.isSame($0.0, name) }) {
            fields.append(name, value)
        }
        for (name, value) in endpoint.headers { fields.append(name, value) }
        return fields
    }

    /// Names of headers are compared without regard to case.
    private static func isSame(_ one: String, _ other: String) -> Bool {
        guard one.utf8.count == other.utf8.count else { return false }
        return zip(one.utf8, other.utf8).allSatisfy { Self.lowercase($0) == Self.lowercase($1) }
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 0x20 : byte }
}
