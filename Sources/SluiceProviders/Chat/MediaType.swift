/// What kind of data a text in base64 is.
package enum MediaType {
    /// Longer beginnings of a `data:` URL are not searched for the comma.
    private static let maximumHeadBytes = 512

    /// The parts of a `data:` URL (RFC 2397): its media type without parameters, corrected by what the data is, and
    /// its data in base64. `nil` when it is none.
    package static func dataURL(_ text: String) -> (type: String, base64: String)? {
        let bytes = text.utf8
        guard bytes.count >= 5, bytes.prefix(5).elementsEqual("data:".utf8, by: { ($0 | 0x20) == $1 || $0 == $1 })
        else { return nil }
        let start = bytes.index(bytes.startIndex, offsetBy: 5)
        guard let comma = bytes[start...].prefix(Self.maximumHeadBytes).firstIndex(of: UInt8(ascii: ",")) else {
            return nil
        }
        let head = text[start..<comma].split(separator: ";", omittingEmptySubsequences: false)
        let stated = head.first.map { $0.lowercased() } ?? ""
        let data = text[text.utf8.index(after: comma)...]
        guard head.dropFirst().contains(where: { $0.lowercased() == "base64" }) else {
            let plain = Base64.encode(Self.percentDecoded(data))
            return (stated.isEmpty ? "text/plain" : stated, plain)
        }
        return (Self.corrected(stated, base64: data), String(data))
    }

    /// The stated type, unless the data shows that it is another: providers refuse an image whose type is wrong.
    package static func corrected(_ stated: String, base64: Substring) -> String {
        let isVague = stated.isEmpty || stated == "application/octet-stream"
        guard isVague || stated.hasPrefix("image/") else { return stated }
        guard let detected = Self.detect(base64: base64) else {
            return stated.isEmpty ? "application/octet-stream" : stated
        }
        return isVague || detected.hasPrefix("image/") ? detected : stated
    }

    /// The type that the data's first bytes show.
    package static func detect(base64: Substring) -> String? {
        guard let head = Base64.decode(base64.utf8.prefix(24)) else { return nil }
        return Self.detect(head)
    }

    package static func detect(_ head: [UInt8]) -> String? {
        if let found = Self.magic.first(where: { head.starts(with: $0.bytes) }) { return found.type }
        guard head.count >= 12 else { return nil }
        let brand = head[8..<12]
        if head.starts(with: Array("RIFF".utf8)) {
            if brand.elementsEqual("WEBP".utf8) { return "image/webp" }
            if brand.elementsEqual("WAVE".utf8) { return "audio/wav" }
        }
        guard head[4..<8].elementsEqual("ftyp".utf8) else { return nil }
        switch String(decoding: brand, as: UTF8.self) {
        case "heic", "heix": return "image/heic"
        case "mif1", "heif": return "image/heif"
        case "avif": return "image/avif"
        case "M4A ": return "audio/mp4"
        default: return "video/mp4"
        }
    }

    private static let magic: [(bytes: [UInt8], type: String)] = [
        ([0x89, 0x50, 0x4E, 0x47], "image/png"),
        ([0xFF, 0xD8, 0xFF], "image/jpeg"),
        (Array("GIF8".utf8), "image/gif"),
        (Array("%PDF".utf8), "application/pdf"),
        (Array("OggS".utf8), "audio/ogg"),
        (Array("fLaC".utf8), "audio/flac"),
        (Array("ID3".utf8), "audio/mpeg"),
        ([0xFF, 0xFB], "audio/mpeg"),
        (Array("BM".utf8), "image/bmp"),
        ([0x49, 0x49, 0x2A, 0x00], "image/tiff"),
        ([0x4D, 0x4D, 0x00, 0x2A], "image/tiff"),
    ]

    /// By a file's name, for data that says nothing of itself.
    package static func named(_ name: String) -> String? {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        switch name[name.index(after: dot)...].lowercased() {
        case "pdf": return "application/pdf"
        case "png": return "image/png"
        case "jpg", "jpeg": return "image/jpeg"
        case "gif": return "image/gif"
        case "webp": return "image/webp"
        case "txt": return "text/plain"
        case "md": return "text/markdown"
        case "csv": return "text/csv"
        case "html", "htm": return "text/html"
        case "json": return "application/json"
        case "xml": return "text/xml"
        case "doc": return "application/msword"
        case "docx": return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        case "xls": return "application/vnd.ms-excel"
        case "xlsx": return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        case "mp3": return "audio/mpeg"
        case "wav": return "audio/wav"
        case "mp4": return "video/mp4"
        default: return nil
        }
    }

    private static func percentDecoded(_ text: Substring) -> [UInt8] {
        var result: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            guard byte == UInt8(ascii: "%"), digits.count == 2,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            else {
                result.append(byte)
                continue
            }
            result.append(value)
            rest = rest.dropFirst(2)
        }
        return result
    }
}
