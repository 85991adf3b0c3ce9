import SluiceWire

/// Reads the parts of a message.
enum OpenAIPartReader {
    /// The types of parts that no other API has.
    static let ownTypes: Set<String> = ["file", "image_url", "input_audio", "input_text", "refusal"]

    static func part(_ value: JSONValue) throws(FieldFault) -> ContentPart {
        guard value.kind == .object else { throw FieldFault("", "must be an object") }
        guard let type = value["type"]?.string else { throw .missing("type") }
        switch type {
        case "text", "input_text":
            guard let text = value["text"]?.string else { throw FieldFault("text", "must be a string") }
            return Self.part(.text(text), value, "text")
        case "image_url":
            guard let image = value["image_url"] else { throw .missing("image_url") }
            var part = Self.part(try Self.image(image), value, "image_url")
            part.mediaAdditional = Self.rest(image, beside: ["url", "detail", "file_id"])
            return part
        case "input_audio":
            guard let audio = value["input_audio"] else { throw .missing("input_audio") }
            guard let data = audio["data"]?.string else { throw FieldFault("input_audio.data", "must be a string") }
            let format = audio["format"]?.string ?? "wav"
            var part = Self.part(.audio(data: data, format: format), value, "input_audio")
            part.mediaAdditional = Self.rest(audio, beside: ["data", "format"])
            return part
        case "file":
            guard let file = value["file"] else { throw .missing("file") }
            var part = Self.part(try Self.file(file), value, "file")
            part.mediaAdditional = Self.rest(file, beside: ["filename", "file_id", "file_url", "file_data", "format"])
            return part
        case "refusal":
            guard let refusal = value["refusal"]?.string else { throw FieldFault("refusal", "must be a string") }
            return Self.part(.refusal(refusal), value, "refusal")
        default:
            return ContentPart(.other(value.text), cacheMark: value["cache_control"].flatMap(CacheMark.init(openAI:)))
        }
    }

    private static func part(_ kind: ContentPart.Kind, _ value: JSONValue, _ known: StaticString) -> ContentPart {
        var part = ContentPart(kind)
        guard value.count > 2 else { return part }
        value.forEachMember { name, value in
            switch name {
            case "type", known.description: break
            case "cache_control": part.cacheMark = CacheMark(openAI: value)
            default: part.additional.append(JSONField(name, value.text))
            }
            return true
        }
        return part
    }

    /// The members that have no name here.
    private static func rest(_ value: JSONValue, beside known: [String]) -> [JSONField] {
        var fields: [JSONField] = []
        value.forEachMember { name, value in
            if !value.isNull, !known.contains(name) { fields.append(JSONField(name, value.text)) }
            return true
        }
        return fields
    }

    /// An object, or, of some clients, the address alone.
    private static func image(_ value: JSONValue) throws(FieldFault) -> ContentPart.Kind {
        let detail = value["detail"]?.string
        if let id = value["file_id"]?.string { return .image(.fileID(id), detail: detail) }
        guard let address = value.string ?? value["url"]?.string else {
            throw FieldFault(value.kind == .object ? "image_url.url" : "image_url", "must be a string")
        }
        guard address.utf8.count >= 5,
            address.utf8.prefix(5).elementsEqual("data:".utf8, by: { $0 | 0x20 == $1 | 0x20 })
        else { return .image(.url(address), detail: detail) }
        guard let data = MediaType.dataURL(address) else {
            let path = value.kind == .object ? "image_url.url" : "image_url"
            throw FieldFault(path, "is not a data: URL with a comma", code: "invalid_value")
        }
        return .image(.base64(data.base64, type: data.type), detail: detail)
    }

    private static func file(_ value: JSONValue) throws(FieldFault) -> ContentPart.Kind {
        guard value.kind == .object else { throw FieldFault("file", "must be an object") }
        let name = value["filename"]?.string
        if let id = value["file_id"]?.string {
            return .file(Self.isAddress(id) ? .url(id) : .fileID(id), name: name)
        }
        if let address = value["file_url"]?.string { return .file(.url(address), name: name) }
        guard let data = value["file_data"]?.string else { throw .missing("file.file_data") }
        if Self.isAddress(data) { return .file(.url(data), name: name) }
        if let found = MediaType.dataURL(data) { return .file(.base64(found.base64, type: found.type), name: name) }
        // Without a data: URL around it the data itself, its name or `format` tells what it is.
        let type = value["format"]?.string ?? MediaType.detect(base64: data[...]) ?? name.flatMap(MediaType.named)
        return .file(.base64(data, type: type ?? "application/octet-stream"), name: name)
    }

    private static func isAddress(_ text: String) -> Bool {
        text.hasPrefix("https://") || text.hasPrefix("http://") || text.hasPrefix("gs://") || text.hasPrefix("s3://")
    }
}
