/// Signatures of thoughts on their way through a conversation.
///
/// Google wants the signature of a function call back with the call. OpenAI's JSON has no place for it and clients drop
/// members that they do not know, but every client gives back a call's id: so the signature rides in it as well.
enum GeminiSignature {
    /// What Google documents for calls that it has not signed, as those of another provider's model.
    static let bypass = "skip_thought_signature_validator"

    /// Before a signature that stands as it is.
    private static let marker = Array("__thought__".utf8)
    /// Before a signature in base64 that is spelled for URLs and without padding, because some providers allow nothing
    /// but letters, digits, `_` and `-` in an id.
    private static let spelledMarker = Array("__thought64__".utf8)

    static func join(_ id: String, _ signature: String) -> String {
        let bytes = Array(signature.utf8)
        guard Self.isBase64(bytes) else { return id + "__thought__" + signature }
        var spelled = bytes
        while spelled.last == UInt8(ascii: "=") { spelled.removeLast() }
        for index in spelled.indices {
            switch spelled[index] {
            case UInt8(ascii: "+"): spelled[index] = UInt8(ascii: "-")
            case UInt8(ascii: "/"): spelled[index] = UInt8(ascii: "_")
            default: break
            }
        }
        return id + "__thought64__" + String(decoding: spelled, as: UTF8.self)
    }

    /// The id as the provider knows it, and the signature that came with it.
    static func split(_ id: String) -> (id: String, signature: String?) {
        guard id.utf8.count > Self.marker.count else { return (id, nil) }
        let bytes = Array(id.utf8)
        if let start = Self.firstIndex(of: Self.spelledMarker, in: bytes) {
            var signature = Array(bytes[(start + Self.spelledMarker.count)...])
            for index in signature.indices {
                switch signature[index] {
                case UInt8(ascii: "-"): signature[index] = UInt8(ascii: "+")
                case UInt8(ascii: "_"): signature[index] = UInt8(ascii: "/")
                default: break
                }
            }
            while !signature.count.isMultiple(of: 4) { signature.append(UInt8(ascii: "=")) }
            return (Self.text(bytes[..<start]), Self.text(signature[...]))
        }
        guard let start = Self.firstIndex(of: Self.marker, in: bytes) else { return (id, nil) }
        return (Self.text(bytes[..<start]), Self.text(bytes[(start + Self.marker.count)...]))
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Whether it is base64 in the standard alphabet, padded.
    private static func isBase64(_ bytes: [UInt8]) -> Bool {
        guard !bytes.isEmpty, bytes.count.isMultiple(of: 4) else { return false }
        var padding = 0
        for byte in bytes {
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            let isLetter = (byte | 0x20) &- 97 < 26
            let isOther = byte &- 48 < 10 || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
            guard padding == 0, isLetter || isOther else { return false }
        }
        return padding <= 2
    }

    private static func firstIndex(of wanted: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count > wanted.count else { return nil }
        for start in 0...(bytes.count - wanted.count) where bytes[start] == wanted[0] {
            if bytes[start..<(start + wanted.count)].elementsEqual(wanted) { return start }
        }
        return nil
    }
}
