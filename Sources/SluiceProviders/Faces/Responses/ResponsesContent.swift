import SluiceWire

/// Parts of the Responses API's content ⇄ parts of a chat message.
enum ResponsesContent {
    /// - Parameter content: a string or a list of parts.
    static func read(_ content: JSONValue, at path: String) throws(InvalidRequest) -> [ContentPart] {
        if let text = content.string { return text.isEmpty ? [] : [.text(text)] }
        guard content.kind == .array else {
            throw InvalidRequest("The field '\(path)' must be a string or a list.", param: path, code: "invalid_type")
        }
        var parts: [ContentPart] = []
        for (index, element) in RequestFields.elements(of: content).enumerated() {
            let fields = try RequestFields(element, at: "\(path)[\(index)]")
            var part = try Self.part(fields)
            part.cacheMark = fields.cacheMark
            parts.append(part)
        }
        return parts
    }

    private static func part(_ fields: RequestFields) throws(InvalidRequest) -> ContentPart {
        let type = try fields.requiredString("type")
        switch type {
        case "input_text", "output_text", "text", "summary_text":
            return .text(try fields.requiredString("text"))
        case "refusal": return ContentPart(.refusal(try fields.requiredString("refusal")))
        case "input_image": return try Self.image(fields)
        case "input_file": return try Self.file(fields)
        case "input_audio":
            guard let audio = try fields.object("input_audio") else { throw fields.missing("input_audio") }
            return ContentPart(
                .audio(data: try audio.requiredString("data"), format: try audio.requiredString("format"))
            )
        default:
            throw InvalidRequest(
                "The field '\(fields.name("type"))' is '\(type.prefix(64))'; known here are input_text, input_image, "
                    + "input_file, input_audio, output_text, refusal.",
                param: fields.name("type"),
                code: "invalid_value"
            )
        }
    }

    private static func image(_ fields: RequestFields) throws(InvalidRequest) -> ContentPart {
        let detail = try fields.string("detail")
        if let url = try fields.string("image_url") { return .image(Self.media(url), detail: detail) }
        if let id = try fields.string("file_id") { return .image(.fileID(id), detail: detail) }
        throw fields.missing("image_url")
    }

    private static func file(_ fields: RequestFields) throws(InvalidRequest) -> ContentPart {
        let name = try fields.string("filename")
        if let data = try fields.string("file_data") {
            if data.hasPrefix("data:") { return .file(Self.media(data), name: name) }
            return .file(.base64(data, type: MediaType.named(name ?? "") ?? "application/octet-stream"), name: name)
        }
        if let url = try fields.string("file_url") { return .file(Self.media(url), name: name) }
        if let id = try fields.string("file_id") { return .file(.fileID(id), name: name) }
        throw fields.missing("file_data")
    }

    /// `data:image/png;base64,…` is taken apart, everything else is an address.
    private static func media(_ url: String) -> Media {
        guard let (type, data) = MediaType.dataURL(url) else { return .url(url) }
        return .base64(data, type: type)
    }
}
