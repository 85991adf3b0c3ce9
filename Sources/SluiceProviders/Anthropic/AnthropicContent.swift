import SluiceWire

/// Parts of messages as Anthropic's blocks.
extension AnthropicBody {
    private static let fileBeta = "files-api-2025-04-14"

    /// Members of documents and images that OpenAI does not know.
    static let mediaMembers = ["citations", "context", "transformations"]

    static func write(_ mark: CacheMark?, _ json: inout JSONWriter) {
        guard let mark else { return }
        json.object("cache_control") { json in
            json.field("type", "ephemeral")
            if let time = mark.timeToLive { json.field("ttl", time) }
        }
    }

    static func writeText(_ text: String, _ mark: CacheMark?, _ json: inout JSONWriter) {
        json.object { json in
            json.field("type", "text")
            json.field("text", text)
            Self.write(mark, &json)
        }
    }

    /// - Parameter place: the message and the part, for errors.
    mutating func writePart(_ part: ContentPart, _ mark: CacheMark?, at place: (Int, Int), _ json: inout JSONWriter) {
        let name = "messages[\(place.0)].content[\(place.1)]"
        switch part.kind {
        case .text(let text), .refusal(let text): Self.writeText(text, mark, &json)
        case .image(let media, _): self.writeMedia(media, "image", part, mark, name, &json)
        case .file(let media, _): self.writeMedia(media, "document", part, mark, name, &json)
        case .audio: self.fail("Anthropic's models do not listen: a message may hold no audio.", name)
        case .other(let block): json.value(block)
        }
    }

    private mutating func writeMedia(
        _ media: Media,
        _ block: String,
        _ part: ContentPart,
        _ mark: CacheMark?,
        _ name: String,
        _ json: inout JSONWriter
    ) {
        var kind = block
        var type = ""
        var text: String?
        if case .base64(let data, let stated) = media {
            type = MediaType.corrected(stated == "image/jpg" ? "image/jpeg" : stated, base64: data[...])
            if type.hasPrefix("image/") {
                kind = "image"
            } else if type == "application/pdf" {
                kind = "document"
            } else if type.hasPrefix("text/") || type == "application/json" || type == "application/xml" {
                kind = "document"
                text = Base64.decode(data.utf8).map { String(decoding: $0, as: UTF8.self) }
            }
            guard type.hasPrefix("image/") || type == "application/pdf" || text != nil else {
                return self.fail("Anthropic's models read no '\(type)'; they read images, PDF and texts.", name)
            }
        }
        if case .fileID = media { self.betas.append(Self.fileBeta) }
        json.object { json in
            json.field("type", kind)
            json.object("source") { json in
                switch media {
                case .url(let url):
                    json.field("type", "url")
                    json.field("url", url)
                case .fileID(let id):
                    json.field("type", "file")
                    json.field("file_id", id)
                case .base64(let data, _):
                    json.field("type", text == nil ? "base64" : "text")
                    json.field("media_type", text == nil ? type : "text/plain")
                    json.field("data", text ?? data)
                }
            }
            if kind == "document", case .file(_, let title?) = part.kind { json.field("title", title) }
            for field in part.additional where Self.mediaMembers.contains(field.name) {
                json.field(field.name, field.value)
            }
            Self.write(mark, &json)
        }
    }
}
