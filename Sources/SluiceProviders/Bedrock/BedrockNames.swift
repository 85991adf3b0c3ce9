import SluiceWire

/// Names as Converse takes them: of tools, of their calls, of documents.
struct BedrockNames: Sendable {
    private static let maximumLength = 64
    private static let maximumDocumentLength = 190

    /// What the client says → what is sent; only names that differ.
    private var sent: [String: String] = [:]
    /// What the model says → what the client said.
    private(set) var original: [String: String] = [:]
    private var documents = DistinctNames(maximumLength: Self.maximumDocumentLength + 8, separator: " ")

    init(_ tools: [ChatTool]) {
        guard tools.contains(where: { !Self.isFit($0.name, Self.isNameByte) }) else { return }
        let taken = Set(tools.lazy.map(\.name).filter { Self.isFit($0, Self.isNameByte) })
        var names = DistinctNames(taken, maximumLength: Self.maximumLength)
        for tool in tools where !Self.isFit(tool.name, Self.isNameByte) && self.sent[tool.name] == nil {
            if case .other = tool.kind { continue }
            let name = names.make(Self.fit(tool.name, Self.isNameByte))
            self.sent[tool.name] = name
            self.original[name] = tool.name
        }
    }

    /// The name of a tool, also of one that the history calls and the request does not offer.
    func tool(_ name: String) -> String {
        if Self.isFit(name, Self.isNameByte) { return name }
        return self.sent[name] ?? Self.fit(name, Self.isNameByte)
    }

    /// The id of a call: the same for the same, so that call and result still meet; different for different ones.
    static func call(_ id: String) -> String {
        Self.isFit(id, Self.isCallByte) ? id : Self.fit(id, Self.isCallByte)
    }

    private static func isFit(_ name: String, _ isAllowed: (UInt8) -> Bool) -> Bool {
        let bytes = name.utf8
        return !bytes.isEmpty && bytes.count <= Self.maximumLength && bytes.allSatisfy(isAllowed)
    }

    /// With a hash of all of it where letters were replaced or cut off.
    private static func fit(_ name: String, _ isAllowed: (UInt8) -> Bool) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let readable = name.utf8.prefix(40).map { isAllowed($0) ? $0 : UInt8(ascii: "_") }
        return "\(String(decoding: readable, as: UTF8.self))_\(String(hash, radix: 16))"
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122, UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }

    private static func isCallByte(_ byte: UInt8) -> Bool {
        Self.isNameByte(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":")
    }

    /// Letters, digits, single blanks, hyphens and brackets; no name twice in one request.
    mutating func document(_ fileName: String?) -> String {
        var text: [UInt8] = []
        for byte in Self.withoutExtension(fileName ?? "").utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "-"), UInt8(ascii: "("), UInt8(ascii: ")"),
                UInt8(ascii: "["), UInt8(ascii: "]"):
                text.append(byte)
            default:
                if text.last != 0x20, !text.isEmpty { text.append(0x20) }
            }
            if text.count == Self.maximumDocumentLength { break }
        }
        if text.last == 0x20 { text.removeLast() }
        return self.documents.make(text.isEmpty ? "document" : String(decoding: text, as: UTF8.self))
    }

    private static func withoutExtension(_ name: String) -> Substring {
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return name[...] }
        return name[..<dot]
    }
}
