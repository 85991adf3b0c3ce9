import SluiceWire

extension BedrockBody {
    private enum Block: String {
        case image
        case document
        case audio
        case video
    }

    mutating func write(_ part: ContentPart, _ json: inout JSONWriter) {
        switch part.kind {
        case .text(let text), .refusal(let text): self.writeText(text, &json)
        case .image(let media, _): self.write(media, name: nil, part, &json)
        case .file(let media, let name): self.write(media, name: name, part, &json)
        case .audio(let data, let format): self.writeAudio(data, format, &json)
        case .other(let own): self.writeOwn(own, &json)
        }
        if let mark = part.cacheMark { self.writeCachePoint(mark, &json) }
    }

    private mutating func write(_ media: Media, name: String?, _ part: ContentPart, _ json: inout JSONWriter) {
        switch media {
        case .base64(let data, let stated):
            let type = MediaType.corrected(Self.type(stated, name), base64: data[...])
            self.write(type, name: name, part, &json) { $0.field("bytes", data) }
        case .url(let address) where address.hasPrefix("s3://"):
            let type = name.flatMap { MediaType.named($0) } ?? MediaType.named(address) ?? ""
            self.write(type, name: name ?? Self.lastSegment(address), part, &json) { json in
                json.object("s3Location") { $0.field("uri", address) }
            }
        case .url:
            self.fail(
                "Bedrock fetches no addresses: send the image or file as base64 in a data: URL, or as s3://bucket/key",
                parameter: "messages"
            )
        case .fileID:
            self.fail(
                "Bedrock keeps no uploaded files: send the file as base64 in file_data",
                parameter: "messages"
            )
        }
    }

    /// The stated type, or what the file's name tells.
    private static func type(_ stated: String, _ name: String?) -> String {
        let isVague = stated.isEmpty || stated == "application/octet-stream"
        return isVague ? name.flatMap { MediaType.named($0) } ?? stated : stated
    }

    private static func lastSegment(_ address: String) -> String? {
        address.split(separator: "/").last.map { String($0) }
    }

    private mutating func write(
        _ type: String,
        name: String?,
        _ part: ContentPart,
        _ json: inout JSONWriter,
        source: (inout JSONWriter) -> Void
    ) {
        let type = type.lowercased()
        guard let (block, format) = Self.block(type) else {
            let what = type.isEmpty ? "of an unknown type" : "of type \(type)"
            return self.fail("Bedrock takes no content \(what)", parameter: "messages")
        }
        let documentName = block == .document ? self.names.document(name) : nil
        json.object { json in
            json.object(block.rawValue) { json in
                json.field("format", format)
                if let documentName { json.field("name", documentName) }
                json.object("source", source)
                guard block == .document else { return }
                for field in part.additional where field.name == "citations" || field.name == "context" {
                    json.field(field.name, field.value)
                }
            }
        }
    }

    private mutating func writeAudio(_ data: String, _ format: String, _ json: inout JSONWriter) {
        let format = format.lowercased()
        guard Self.audioFormats.contains(format) else {
            return self.fail("Bedrock takes no audio in the format '\(format)'", parameter: "messages")
        }
        json.object { json in
            json.object("audio") { json in
                json.field("format", format)
                json.object("source") { $0.field("bytes", data) }
            }
        }
    }

    /// A block in Converse's own words, `{"type": "video", "video": {…}}`, or a text for the guardrail.
    private mutating func writeOwn(_ own: JSONText, _ json: inout JSONWriter) {
        let members = JSONMembers.scan(own.bytes)
        let type = members.first { $0.name == "type" }.flatMap { JSONMembers.string($0.value) } ?? ""
        if Self.ownBlocks.contains(type), let block = members.first(where: { $0.name == type }) {
            return json.object { $0.rawField(type, block.value) }
        }
        if type == "guarded_text", let text = members.first(where: { $0.name == "text" }),
            let text = JSONMembers.string(text.value), !text.isEmpty
        {
            return Self.writeGuarded(text, &json)
        }
        self.fail("Bedrock takes no content part of type '\(type)'", parameter: "messages")
    }

    private static let ownBlocks: Set<String> = [
        "audio", "cachePoint", "citationsContent", "document", "guardContent", "image", "json", "searchResult", "text",
        "toolAddition", "toolRemoval", "video",
    ]

    private static let audioFormats: Set<String> = [
        "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm",
    ]

    private static func block(_ type: String) -> (Block, String)? {
        if let row = Self.types.first(where: { $0.type == type }) { return (row.block, row.format) }
        return type.hasPrefix("text/") || type == "application/json" || type == "application/xml"
            ? (.document, "txt") : nil
    }

    private static let types: [(type: String, block: Block, format: String)] = [
        ("image/png", .image, "png"),
        ("image/jpeg", .image, "jpeg"),
        ("image/jpg", .image, "jpeg"),
        ("image/gif", .image, "gif"),
        ("image/webp", .image, "webp"),
        ("application/pdf", .document, "pdf"),
        ("text/csv", .document, "csv"),
        ("text/html", .document, "html"),
        ("text/markdown", .document, "md"),
        ("application/msword", .document, "doc"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", .document, "docx"),
        ("application/vnd.ms-excel", .document, "xls"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", .document, "xlsx"),
        ("audio/mpeg", .audio, "mp3"),
        ("audio/mp3", .audio, "mp3"),
        ("audio/wav", .audio, "wav"),
        ("audio/x-wav", .audio, "wav"),
        ("audio/flac", .audio, "flac"),
        ("audio/ogg", .audio, "ogg"),
        ("audio/aac", .audio, "aac"),
        ("audio/mp4", .audio, "m4a"),
        ("audio/webm", .audio, "webm"),
        ("video/mp4", .video, "mp4"),
        ("video/quicktime", .video, "mov"),
        ("video/x-matroska", .video, "mkv"),
        ("video/webm", .video, "webm"),
        ("video/x-flv", .video, "flv"),
        ("video/mpeg", .video, "mpeg"),
        ("video/x-ms-wmv", .video, "wmv"),
        ("video/3gpp", .video, "three_gp"),
    ]
}
