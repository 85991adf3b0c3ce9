/// Names of tools as Anthropic takes them, `[a-zA-Z0-9_-]{1,128}`, and ids of calls, of the same letters.
struct AnthropicToolNames: Sendable {
    private static let maximumLength = 128

    /// What the client says → what is sent; only names that differ.
    private var sent: [String: String] = [:]
    /// What the provider says → what the client said.
    private(set) var original: [String: String] = [:]

    init(_ tools: [ChatTool]) {
        guard tools.contains(where: { !Self.isFit($0.name) }) else { return }
        let taken = Set(tools.lazy.map(\.name).filter { Self.isFit($0) })
        var names = DistinctNames(taken, maximumLength: Self.maximumLength)
        for tool in tools where !Self.isFit(tool.name) && self.sent[tool.name] == nil {
            if case .other = tool.kind { continue }
            let name = names.make(Self.fit(tool.name))
            self.sent[tool.name] = name
            self.original[name] = tool.name
        }
    }

    /// Also for tools that the history calls and the request does not offer.
    func sent(_ name: String) -> String {
        if Self.isFit(name) { return name }
        return self.sent[name] ?? Self.fit(name)
    }

    static func isFit(_ name: String) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= Self.maximumLength && bytes.allSatisfy { Self.isFit($0) }
    }

    private static func isFit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }

    private static func fit(_ name: String) -> String {
        let bytes = name.utf8.prefix(Self.maximumLength).map { Self.isFit($0) ? $0 : UInt8(ascii: "_") }
        return bytes.isEmpty ? "_" : String(decoding: bytes, as: UTF8.self)
    }

    /// The same for the same id, so that call and result still meet; different for different ids.
    static func id(_ id: String) -> String {
        let bytes = id.utf8
        // Ids of other providers may carry half a kilobyte of proof, of which Anthropic knows nothing.
        if Self.isFit(id) { return id }
        // FNV-1a keeps apart what the replacement would make equal.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let readable = bytes.prefix(64).map { Self.isFit($0) ? $0 : UInt8(ascii: "_") }
        return String(decoding: readable, as: UTF8.self) + "_" + String(hash, radix: 16)
    }
}
