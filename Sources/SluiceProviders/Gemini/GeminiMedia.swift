import SluiceWire

/// Parts of a message that are not text.
///
/// Nothing is downloaded here: what Google can read itself is handed on as an address, anything else is refused.
struct GeminiMedia {
    let provider: String
    let isVertex: Bool
    let model: GeminiModel

    /// What becomes of a part.
    enum Form: Equatable {
        case inline(type: String, data: String)
        case file(type: String?, uri: String)
    }

    func form(_ part: ContentPart) throws(ProviderError) -> Form? {
        switch part.kind {
        case .text, .refusal: return nil
        case .image(let media, _): return try self.form(media, name: nil, kind: "image")
        case .file(let media, let name): return try self.form(media, name: name, kind: "file")
        case .audio(let data, let format): return .inline(type: Self.audioType(format), data: data)
        case .other(let value): throw self.refused("a content part of an unknown type: \(value.text.prefix(80))")
        }
    }

    private func form(_ media: Media, name: String?, kind: String) throws(ProviderError) -> Form {
        switch media {
        case .base64(let data, let type):
            let isKnown = !type.isEmpty && type != "application/octet-stream"
            guard let type = isKnown ? type : MediaType.detect(base64: data[...]) ?? name.flatMap(Self.typeOfName)
            else {
                throw self.refused("the media type of a \(kind) is missing")
            }
            return .inline(type: type, data: data)
        case .fileID(let id):
            if id.contains("://") { return try self.form(.url(id), name: name, kind: kind) }
            guard id.hasPrefix("files/") else {
                throw self.refused("file id '\(id)': use one of Google's Files API, as 'files/abc', or its address")
            }
            return .file(type: name.flatMap(Self.typeOfName), uri: "\(GeminiAddress.keyBase)/\(id)")
        case .url(let url):
            return try self.form(url: url, name: name, kind: kind)
        }
    }

    private func form(url: String, name: String?, kind: String) throws(ProviderError) -> Form {
        let type = Self.typeOfName(url) ?? name.flatMap(Self.typeOfName)
        if url.hasPrefix("gs://") || Self.isGoogles(url) {
            return .file(type: type ?? (Self.isVideo(url) ? "video/mp4" : nil), uri: url)
        }
        guard url.hasPrefix("https://") else {
            throw self.refused("an address of a \(kind) must begin with https: or gs:; send the data in base64 instead")
        }
        guard self.model.readsAddresses else {
            throw self.refused("model '\(self.model.name)' does not read addresses; send the \(kind) in base64 instead")
        }
        guard type != nil || !self.isVertex else {
            throw self.refused(
                "the media type of a \(kind) cannot be told from its address, which Vertex needs; "
                    + "send the data in base64 instead"
            )
        }
        return .file(type: type, uri: url)
    }

    private static func isGoogles(_ url: String) -> Bool {
        url.hasPrefix("https://generativelanguage.googleapis.com/") || Self.isVideo(url)
    }

    /// Videos on YouTube, which every generation reads.
    private static func isVideo(_ url: String) -> Bool {
        url.hasPrefix("https://www.youtube.com/") || url.hasPrefix("https://youtube.com/")
            || url.hasPrefix("https://youtu.be/")
    }

    private func refused(_ what: String) -> ProviderError {
        ProviderError(.badRequest, what, provider: self.provider, code: "unsupported_content", parameter: "messages")
    }

    static func audioType(_ format: String) -> String {
        switch format {
        case "pcm16": "audio/pcm"
        case "m4a": "audio/mp4"
        default: format.contains("/") ? format : "audio/\(format)"
        }
    }

    private static let types: [(ending: String, type: String)] = [
        ("png", "image/png"), ("jpg", "image/jpeg"), ("jpeg", "image/jpeg"), ("webp", "image/webp"),
        ("gif", "image/gif"), ("heic", "image/heic"), ("heif", "image/heif"), ("pdf", "application/pdf"),
        ("txt", "text/plain"), ("md", "text/markdown"), ("html", "text/html"), ("csv", "text/csv"),
        ("json", "application/json"), ("xml", "text/xml"), ("mp3", "audio/mp3"), ("wav", "audio/wav"),
        ("flac", "audio/flac"), ("ogg", "audio/ogg"), ("aac", "audio/aac"), ("aiff", "audio/aiff"),
        ("m4a", "audio/mp4"), ("mp4", "video/mp4"), ("mov", "video/quicktime"), ("webm", "video/webm"),
        ("mpeg", "video/mpeg"), ("mpg", "video/mpeg"), ("avi", "video/avi"), ("wmv", "video/wmv"),
        ("flv", "video/x-flv"), ("3gp", "video/3gpp"),
    ]

    /// By the ending of a file's name or an address; `nil`: it has none that is known.
    static func typeOfName(_ name: String) -> String? {
        let path = name.prefix { $0 != "?" && $0 != "#" }
        let last = path.split(separator: "/").last ?? ""
        guard let dot = last.lastIndex(of: ".") else { return nil }
        let ending = last[last.index(after: dot)...].lowercased()
        return Self.types.first { $0.ending == ending }?.type
    }
}

extension GeminiMedia.Form {
    func write(to json: inout JSONWriter) {
        switch self {
        case .inline(let type, let data):
            json.object("inlineData") { json in
                json.field("mimeType", type)
                json.field("data", data)
            }
        case .file(let type, let uri):
            json.object("fileData") { json in
                if let type { json.field("mimeType", type) }
                json.field("fileUri", uri)
            }
        }
    }
}
