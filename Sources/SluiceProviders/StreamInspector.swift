import SluiceCore
import SluiceWire

/// Watches a stream of server-sent events as it passes: has content begun, is it an error, is it complete, what did it use?
///
/// Until content has begun every event is parsed, because a retry depends on it. After that a chunk is only searched for
/// the few words that matter; most hold none.
package struct StreamInspector: Sendable {
    /// Something that the client would show has passed; no retry is possible any more.
    package private(set) var hasContent = false
    /// An error came inside the stream.
    package private(set) var failure: AttemptFailure?
    /// The stream said that it is complete.
    package private(set) var isDone = false
    package private(set) var usage: TokenUsage?
    private var parser: SSEParser
    private let status: Int

    package init(status: Int = 200, maximumEventBytes: Int = 4 << 20) {
        self.status = status
        self.parser = SSEParser(maximumEventBytes: maximumEventBytes)
    }

    package mutating func feed(_ chunk: [UInt8]) {
        // Most chunks of a stream are whole events of mere content: one look at each byte, no parsing.
        if self.hasContent && self.parser.isAtRest && Self.endsEvent(chunk) && !Self.mayMatter(chunk) { return }
        var events: [SSEEvent] = []
        do {
            try self.parser.feed(chunk) { events.append($0) }
        } catch {
            self.failure = AttemptFailure(
                .malformedResponse,
                status: self.status,
                message: "an event of the stream is larger than the limit"
            )
        }
        for event in events { self.examine(event) }
    }

    private mutating func examine(_ event: SSEEvent) {
        let data = event.data
        if data.count <= 8 {
            if data.elementsEqual("[DONE]".utf8) { self.isDone = true }
            return
        }
        let isNamed = !event.name.isEmpty
        if isNamed { self.examineName(event.name) }
        let mayMatter =
            !self.hasContent || isNamed || Self.mentions(data, "\"usage\"") || Self.mentions(data, "\"error\"")
        guard mayMatter else { return }
        do {
            try JSON.read(data) { root in self.examine(root, named: event.name) }
        } catch {
            if !self.hasContent {
                self.failure = AttemptFailure(
                    .malformedResponse,
                    status: self.status,
                    message: "an event of the stream is not valid JSON"
                )
            }
        }
    }

    private mutating func examineName(_ name: String) {
        switch name {
        case "response.completed", "response.incomplete", "message_stop": self.isDone = true
        default: break
        }
    }

    private mutating func examine(_ root: JSONValue, named name: String) {
        if name == "error" || name == "response.failed" {
            self.failure = OpenAIClassifier.failure(inside: root["error"] ?? root, status: self.status)
            return
        }
        if let error = root["error"], !error.isNull {
            self.failure = OpenAIClassifier.failure(inside: error, status: self.status)
            return
        }
        self.usage =
            OpenAIClassifier.usage(root) ?? root["response"].flatMap { OpenAIClassifier.usage($0) } ?? self.usage
        if name.hasSuffix(".delta") || name == "content_block_delta" { self.hasContent = true }
        root["choices"]?.forEachElement { choice in
            if Self.hasContent(choice) { self.hasContent = true }
            return !self.hasContent
        }
    }

    /// A choice that says more than its role.
    private static func hasContent(_ choice: JSONValue) -> Bool {
        if let text = choice["text"]?.stringByteCount { return text > 0 }
        guard let delta = choice["delta"] else { return false }
        var found = false
        delta.forEachMember { name, value in
            guard name != "role" else { return true }
            switch value.kind {
            case .string: found = (value.stringByteCount ?? 0) > 0
            case .array, .object: found = value.count > 0
            default: break
            }
            return !found
        }
        return found
    }

    private static func endsEvent(_ chunk: [UInt8]) -> Bool {
        chunk.count >= 2 && chunk[chunk.count - 1] == 0x0A && chunk[chunk.count - 2] == 0x0A
    }

    /// Whether it may name an event, or hold `"usage`, `"error` or `[DONE]`.
    private static func mayMatter(_ chunk: [UInt8]) -> Bool {
        var previous = UInt8(ascii: "\n")
        for byte in chunk {
            switch (previous, byte) {
            case (UInt8(ascii: "\""), UInt8(ascii: "u")), (UInt8(ascii: "\""), UInt8(ascii: "e")),
                (UInt8(ascii: "["), UInt8(ascii: "D")), (UInt8(ascii: "\n"), UInt8(ascii: "e")):
                return true
            default: previous = byte
            }
        }
        return false
    }

    private static func mentions(_ data: [UInt8], _ word: String) -> Bool {
        Bytes.contains(data[...], word)
    }
}
