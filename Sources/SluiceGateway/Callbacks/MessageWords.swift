import SluiceWire

/// Prompts and answers by OpenTelemetry's schema for messages: `[{"role", "parts": [{"type", "content"}]}]`.
///
/// Bounded, and without what is embedded: a `data:` URL, an image, a sound or a file becomes a word that says so.
struct MessageWords {
    let operation: String
    /// Of texts together.
    let maximumBytes: Int
    static let dataMarker = "[data removed]"
    private static let maximumMessages = 1_000

    // MARK: What was asked

    /// `nil` when it cannot be read.
    func input(_ body: [UInt8]) -> [UInt8]? {
        try? JSON.read(body) { document in
            var room = self.maximumBytes
            var json = JSONWriter(reserving: 1_024)
            json.array { json in
                for name in ["system", "instructions"] {
                    if let words = document[named: name] { self.message("system", words, &json, &room) }
                }
                for name in ["messages", "input", "prompt"] {
                    if let words = document[named: name] { self.messages(words, &json, &room) }
                }
            }
            return json.bytes
        }
    }

    private func messages(_ value: JSONValue, _ json: inout JSONWriter, _ room: inout Int) {
        guard value.string == nil else { return self.message("user", value, &json, &room) }
        var left = Self.maximumMessages
        value.each { element in
            left -= 1
            guard left >= 0 else { return }
            if element.string != nil { return self.message("user", element, &json, &room) }
            let role = element["role"]?.string ?? "user"
            self.message(role, element["content"] ?? element, beside: element, &json, &room)
        }
    }

    // MARK: What was answered

    /// `nil` when it cannot be read.
    func output(_ answer: [UInt8], isStream: Bool) -> [UInt8]? {
        if isStream, let transcript = StreamTranscript(answer) {
            var room = self.maximumBytes
            var json = JSONWriter(reserving: 512)
            json.array { json in
                json.object { json in
                    json.field("role", "assistant")
                    json.array("parts") { self.text(transcript.text, &$0, &room) }
                    if let reason = transcript.finishReason { json.field("finish_reason", reason) }
                }
            }
            return json.bytes
        }
        return try? JSON.read(answer) { document in
            var room = self.maximumBytes
            var json = JSONWriter(reserving: 1_024)
            json.array { json in
                document["choices"]?.each { choice in
                    let reason = choice["finish_reason"]?.string
                    if let message = choice["message"] {
                        let content = message["content"] ?? message
                        self.message("assistant", content, beside: message, reason: reason, &json, &room)
                    } else if let text = choice["text"] {
                        self.message("assistant", text, reason: reason, &json, &room)
                    }
                }
                // Anthropic's answers and OpenAI's responses.
                if let content = document["content"] {
                    self.message("assistant", content, reason: document["stop_reason"]?.string, &json, &room)
                }
                document["output"]?.each { item in
                    guard let content = item["content"] else { return }
                    self.message(item["role"]?.string ?? "assistant", content, &json, &room)
                }
            }
            return json.bytes
        }
    }

    // MARK: Messages and their parts

    /// - Parameters:
    ///   - content: a text, or a list of parts.
    ///   - message: where calls of tools stand beside it.
    private func message(
        _ role: String,
        _ content: JSONValue,
        beside message: JSONValue? = nil,
        reason: String? = nil,
        _ json: inout JSONWriter,
        _ room: inout Int
    ) {
        json.object { json in
            json.field("role", role)
            json.array("parts") { json in
                if let text = content.string {
                    self.text(text, &json, &room)
                } else {
                    content.each { self.part($0, &json, &room) }
                }
                message?["tool_calls"]?.each { self.toolCall($0, &json, &room) }
            }
            if let reason { json.field("finish_reason", reason) }
        }
    }

    private func part(_ part: JSONValue, _ json: inout JSONWriter, _ room: inout Int) {
        if let text = part.string ?? part["text"]?.string { return self.text(text, &json, &room) }
        let type = part["type"]?.string ?? "other"
        if type == "tool_use" { return self.toolCall(part, &json, &room) }
        let url = part["image_url"]?["url"]?.string ?? part["image_url"]?.string ?? part["source"]?["url"]?.string
        json.object { json in
            if let url, !Self.isData(url) {
                json.field("type", "uri")
                json.field("uri", self.cut(url, &room))
            } else {
                json.field("type", "blob")
                json.field("content", Self.dataMarker)
            }
            json.field("source_type", String(type.prefix(64)))
        }
    }

    private func toolCall(_ call: JSONValue, _ json: inout JSONWriter, _ room: inout Int) {
        let name = call["function"]?["name"]?.string ?? call["name"]?.string
        json.object { json in
            json.field("type", "tool_call")
            if let id = call["id"]?.string { json.field("id", String(id.prefix(256))) }
            if let name { json.field("name", String(name.prefix(256))) }
            if let words = call["function"]?["arguments"]?.string { json.field("arguments", self.cut(words, &room)) }
        }
    }

    private func text(_ text: String, _ json: inout JSONWriter, _ room: inout Int) {
        json.object { json in
            json.field("type", "text")
            json.field("content", self.cut(text, &room))
        }
    }

    private func cut(_ text: String, _ room: inout Int) -> String {
        let clean = Self.withoutData(text)
        let count = clean.utf8.count
        guard count > room else {
            room -= count
            return clean
        }
        let beginning = String(decoding: clean.utf8.prefix(room), as: UTF8.self)
        room = 0
        return beginning + "…"
    }

    // MARK: Data

    private static func isData(_ url: String) -> Bool { url.prefix(5).lowercased() == "data:" }

    /// The text with a word in place of each `data:` URL.
    static func withoutData(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: ":")) else { return text }
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var copied = 0
        var index = 0
        while index + 5 <= bytes.count {
            guard Self.beginsData(bytes, index), let end = Self.endOfData(bytes, index + 5) else {
                index += 1
                continue
            }
            result.append(contentsOf: bytes[copied..<index])
            result.append(contentsOf: Self.dataMarker.utf8)
            copied = end
            index = end
        }
        guard copied > 0 else { return text }
        result.append(contentsOf: bytes[copied...])
        return String(decoding: result, as: UTF8.self)
    }

    private static func beginsData(_ bytes: [UInt8], _ index: Int) -> Bool {
        for (offset, letter) in "data:".utf8.enumerated() where bytes[index + offset] | 0x20 != letter | 0x20 {
            return false
        }
        return true
    }

    /// Behind the URL; `nil` when this is none: without a comma after its media type.
    private static func endOfData(_ bytes: [UInt8], _ start: Int) -> Int? {
        let comma = bytes[start..<min(start + 200, bytes.count)].firstIndex(of: UInt8(ascii: ","))
        guard let comma, bytes[start..<comma].contains(UInt8(ascii: "/")) || bytes[start..<comma].contains(0x3B),
            bytes[start..<comma].allSatisfy({ $0 > 0x20 && $0 != 0x22 && $0 < 0x7F })
        else { return nil }
        let end = bytes[comma...].firstIndex { $0 <= 0x20 || [0x22, 0x27, 0x28, 0x29, 0x3C, 0x3E, 0x7F].contains($0) }
        return end ?? bytes.count
    }
}

extension JSONValue {
    /// Every element of a list; nothing of anything else.
    fileprivate func each(_ body: (JSONValue) -> Void) {
        self.forEachElement { element in
            body(element)
            return true
        }
    }
}

/// The text that a stream's events add up to.
struct StreamTranscript {
    private(set) var text = ""
    private(set) var finishReason: String?

    /// `nil` when these are no events.
    init?(_ bytes: [UInt8]) {
        var isStream = false
        for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: "data:".utf8) {
            let data = Array(line.dropFirst(5).drop { $0 == 0x20 })
            guard data.first == UInt8(ascii: "{") else { continue }
            isStream = true
            try? JSON.read(data) { self.read($0) }
        }
        guard isStream else { return nil }
    }

    private mutating func read(_ event: JSONValue) {
        event["choices"]?.each { choice in
            self.text += choice["delta"]?["content"]?.string ?? choice["text"]?.string ?? ""
            self.finishReason = choice["finish_reason"]?.string ?? self.finishReason
        }
        // Anthropic's events, and those of responses.
        self.text += event["delta"]?["text"]?.string ?? event["delta"]?.string ?? ""
        self.finishReason = event["delta"]?["stop_reason"]?.string ?? self.finishReason
    }
}
