import SluiceCore
import SluiceWire

/// Watches a stream of server-sent events as it passes: has content begun, is it an error, is it complete, what did it
/// use?
///
/// Until content has begun every event is parsed, because a retry depends on it. After that a chunk is only searched
/// for the few words that matter; most hold none.
package struct StreamInspector: Sendable {
    /// Something that the client would show has passed; no retry is possible any more.
    package private(set) var hasContent = false
    /// An error came inside the stream.
    package private(set) var failure: AttemptFailure?
    /// The last event has come; what it says of the answer, `isWhole` tells.
    package private(set) var isDone = false
    package private(set) var usage: TokenUsage?
    /// A dialect's last event, which comes only when the answer is whole. `[DONE]` is none: it ends broken answers too.
    private var hasLastWord = false
    /// The choices that were met, a bit each by their index, and those of them that have said why they end.
    private var choices: UInt128 = 0
    private var finished: UInt128 = 0
    /// An event was too large to be read; it may have said anything.
    private var hasLostEvent = false
    /// Usage has come without content. Some backends send it with every chunk, which says nothing of the end.
    private var hasClosingUsage = false
    private var parser: SSEParser
    private let status: Int
    private let maximumEventBytes: Int

    package init(status: Int = 200, maximumEventBytes: Int = 4 << 20) {
        self.status = status
        self.maximumEventBytes = maximumEventBytes
        self.parser = SSEParser(maximumEventBytes: maximumEventBytes)
    }

    /// Whether the answer is known to be whole. HTTP cannot tell: a server that is cut off between two events may end
    /// the body properly, and clients take what they have for all of it.
    package var isWhole: Bool {
        if self.hasLastWord || self.hasClosingUsage { return true }
        if self.choices != 0 && self.choices == self.finished { return true }
        // Nothing is known of a stream that has no choices, or that could not be read throughout.
        return self.isDone && self.hasContent && (self.choices == 0 || self.hasLostEvent)
    }

    package mutating func feed(_ chunk: [UInt8]) {
        // Most chunks of a stream are whole events of mere content: one look at each byte, no parsing.
        if self.hasContent && self.parser.isAtRest && Self.endsEvent(chunk) && !Self.mayMatter(chunk) { return }
        var events: [SSEEvent] = []
        do {
            try self.parser.feed(chunk) { events.append($0) }
        } catch {
            // After content the client gets it all the same; only what it says stays unknown.
            self.hasLostEvent = true
            self.parser = SSEParser(maximumEventBytes: self.maximumEventBytes)
            if !self.hasContent {
                self.failure = AttemptFailure(
                    .malformedResponse,
                    status: self.status,
                    message: "an event of the stream is larger than \(self.maximumEventBytes) bytes"
                )
            }
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
        let mayMatter =
            !self.hasContent || isNamed || Self.mayMatter(data)
        guard mayMatter else { return }
        do {
            try JSON.read(data) { root in self.examine(root, named: event.name) }
        } catch {
            if event.name == "error" {
                self.failure = AttemptFailure(
                    .serverError,
                    status: self.status,
                    message: "the backend reported an error inside an answer with status \(self.status)"
                )
            } else if !self.hasContent {
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
        case "response.completed", "response.incomplete", "message_stop":
            self.isDone = true
            self.hasLastWord = true
        default: break
        }
    }

    /// The object that describes an error, if this event reports one.
    private static func error(_ root: JSONValue, named name: String) -> JSONValue? {
        if let error = root["error"], !error.isNull { return error }
        if let error = root["response"]?["error"], !error.isNull { return error }
        return name == "error" || name == "response.failed" ? root : nil
    }

    private mutating func examine(_ root: JSONValue, named eventName: String) {
        // Proxies leave the event's name out at times; responses repeat it inside.
        let name = eventName.isEmpty ? root["type"]?.string ?? "" : eventName
        self.examineName(name)
        if let error = Self.error(root, named: name) {
            self.failure = OpenAIClassifier.failure(inside: error, status: self.status)
            return
        }
        let usage = OpenAIClassifier.usage(root) ?? root["response"].flatMap { OpenAIClassifier.usage($0) }
        self.note(usage ?? root["message"].flatMap { OpenAIClassifier.usage($0) })
        if usage != nil && self.choices != 0 && root["choices"]?.count == 0 { self.hasClosingUsage = true }
        if name.hasSuffix(".delta") || name == "content_block_delta" { self.hasContent = true }
        root["choices"]?.forEachElement { choice in
            if Self.hasContent(choice) { self.hasContent = true }
            let bit: UInt128 = 1 << min(max(0, choice["index"]?.int ?? 0), UInt128.bitWidth - 1)
            self.choices |= bit
            if (choice["finish_reason"]?.stringByteCount ?? 0) > 0 { self.finished |= bit }
            return true
        }
    }

    /// Anthropic tells the prompt's tokens at the beginning and the answer's at the end.
    private mutating func note(_ usage: TokenUsage?) {
        guard var usage else { return }
        usage.model = usage.model ?? self.usage?.model
        if usage.prompt == 0, let before = self.usage {
            usage.prompt = before.prompt
            usage.cached = before.cached
            usage.cacheWritten = before.cacheWritten
        }
        self.usage = usage
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

    /// Whether it may name an event, or hold `"usage`, `"error`, `[DONE]`, a `finish_reason` that is a string or the
    /// index of a choice that is not the first.
    private static func mayMatter(_ bytes: [UInt8]) -> Bool {
        var window: UInt64 = 0x0A  // The last bytes; a line begins.
        for byte in bytes {
            window = window << 8 | UInt64(byte)
            switch byte {
            case UInt8(ascii: "u"): if window & 0xFFFF == 0x2275 { return true }  // "u
            case UInt8(ascii: "e"):
                let last = window & 0xFFFF
                if last == 0x2265 || last == 0x0A65 { return true }  // "e, or a line that begins with e
            case UInt8(ascii: "D"): if window & 0xFFFF == 0x5B44 { return true }  // [D
            case UInt8(ascii: "\""):
                let isFinish = window & 0xFFFF_FFFF == 0x6E22_3A22  // n":"
                let isSpacedFinish = window & 0xFF_FFFF_FFFF == 0x6E_223A_2022  // n": "
                if isFinish || isSpacedFinish { return true }
            case UInt8(ascii: "1")...UInt8(ascii: "9"):
                let isIndex = window & 0xFFFF_FF00 == 0x7822_3A00  // x":
                let isSpacedIndex = window & 0xFF_FFFF_FF00 == 0x78_223A_2000  // x": and a space
                if isIndex || isSpacedIndex { return true }
            default: break
            }
        }
        return false
    }
}
