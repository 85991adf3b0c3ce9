import SluiceCore
import SluiceWire

/// Gathers what a request's prompt is made of, to estimate its tokens.
///
/// DESIGN. On the way of every request: reads texts where the parser has put them, makes no strings but for the names
/// in tools. Bounded: of a text beyond 32 KiB samples are read, after `allowance` bytes nothing is; what was read
/// stands for the rest.
struct PromptCensus {
    /// Bytes of text that one request may have read.
    private static let allowance = 262_144
    /// Values within tools that are looked at.
    private static let maximumNodes = 4_096
    private static let maximumDepth = 24

    private let model: String
    private var census = TextCensus()
    /// Of all that is no text.
    private var otherTokens = 0
    private var allowance = Self.allowance
    private var nodes = Self.maximumNodes

    init(model: String) { self.model = model }

    var tokens: Int { self.census.tokens(TokenizerFamily(model: self.model)) + self.otherTokens }

    mutating func addText(_ value: JSONValue) {
        _ = value.withUTF8 { self.addText($0) }
    }

    private mutating func addText(_ text: Span<UInt8>) {
        guard self.allowance > 0 else { return self.census.addUnread(text.count) }
        self.census.add(text)
        self.allowance -= min(text.count, TextCensus.exactBytes)
    }

    private mutating func add(tokens: Int) {
        self.otherTokens = min(TokenEstimate.maximum, self.otherTokens + min(max(0, tokens), TokenEstimate.maximum))
    }

    // MARK: Messages

    /// A message, or an item of the Responses API.
    mutating func addMessage(_ message: JSONValue) {
        self.add(tokens: FrameTokens.message)
        if let content = message["content"] { self.addContent(content) }
        if let name = message["name"] {
            self.addText(name)
            self.add(tokens: FrameTokens.name)
        }
        if let calls = message["tool_calls"] { self.addSchema(calls) }
        if let arguments = message["arguments"] { self.addText(arguments) }
        if let output = message["output"] { self.addContent(output) }
    }

    private mutating func addContent(_ content: JSONValue) {
        switch content.kind {
        case .string: self.addText(content)
        case .array:
            content.forEachElement { part in
                self.addPart(part)
                return true
            }
        default: break
        }
    }

    private mutating func addPart(_ part: JSONValue) {
        if part.kind == .string {
            self.addText(part)
        } else if let text = part["text"] ?? part["refusal"] {
            self.addText(text)
        } else if let image = part["image_url"] ?? part["image"] {
            self.addImage(image, in: part)
        } else if let audio = part["input_audio"] {
            self.add(tokens: audio["data"]?.withUTF8 { MediaTokens.audio(base64: $0) } ?? MediaTokens.unknownAudio)
        } else if let file = part["file"] {
            self.addFile(file["file_data"])
        } else if part["type"]?.string == "input_file" {
            self.addFile(part["file_data"])
        } else if let source = part["source"] {
            // Anthropic's form: `{"type": "base64", "data": …}`.
            let size = source["data"]?.withUTF8 { ImageSize(base64: $0) } ?? nil
            self.add(tokens: ImageRule(model: self.model).tokens(size))
        } else {
            // Something new, or a picture by its number.
            self.add(tokens: ImageRule(model: self.model).tokens(nil))
        }
    }

    /// An address, or an object with one in `url`.
    private mutating func addImage(_ image: JSONValue, in part: JSONValue) {
        let address = image.kind == .object ? image["url"] : image
        let detail = (image["detail"] ?? part["detail"])?.string.flatMap { ImageRule.Detail(rawValue: $0) } ?? .auto
        let size = address?.withUTF8 { ImageSize(dataURL: $0) } ?? nil
        self.add(tokens: ImageRule(model: self.model).tokens(size, detail: detail))
    }

    private mutating func addFile(_ data: JSONValue?) {
        let tokens = data?.withUTF8 { text in
            let start = text.startOfDataURL ?? 0
            return MediaTokens.file(base64: text.extracting(start..<text.count))
        }
        self.add(tokens: tokens ?? MediaTokens.unknownFile)
    }

    // MARK: Around messages

    /// What stands beside the messages and is read by the model: tools, schemas, instructions.
    mutating func addFrame(_ root: JSONValue) {
        self.add(tokens: FrameTokens.answer)
        if let tools = root["tools"] ?? root["functions"] {
            self.add(tokens: tools.count * FrameTokens.tool)
            self.addSchema(tools)
        }
        if let format = root["response_format"] ?? root["text"] { self.addSchema(format) }
        if let instructions = root["instructions"] ?? root["system"] { self.addContent(instructions) }
    }

    /// Words of a schema or of calls: names and texts.
    private mutating func addSchema(_ value: JSONValue, depth: Int = 0, isProperties: Bool = false) {
        guard self.nodes > 0, depth < Self.maximumDepth else { return }
        self.nodes -= 1
        switch value.kind {
        case .string: self.addText(value)
        case .array:
            value.forEachElement { element in
                self.addSchema(element, depth: depth + 1)
                return self.nodes > 0
            }
        case .object:
            if isProperties { self.add(tokens: value.count * FrameTokens.property) }
            value.forEachMember { key, member in
                if isProperties { self.addText(key.utf8.span) }
                self.addSchema(member, depth: depth + 1, isProperties: !isProperties && key == "properties")
                return self.nodes > 0
            }
        case .number, .bool, .null: break
        }
    }

    // MARK: Texts without messages

    /// The prompt of a completion, or what is to be embedded: a text, texts, tokens, or lists of tokens.
    mutating func addInput(_ value: JSONValue) {
        guard value.kind == .array else { return self.addText(value) }
        value.forEachElement { element in
            switch element.kind {
            case .string: self.addText(element)
            case .array: self.add(tokens: element.count)
            case .object: self.addContent(element["content"] ?? element)
            default: self.add(tokens: 1)
            }
            return true
        }
    }
}
