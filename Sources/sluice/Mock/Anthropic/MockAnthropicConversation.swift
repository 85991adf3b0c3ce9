/// The rules between the messages of an Anthropic conversation.
struct MockAnthropicConversation {
    private let root: MockJSON
    private let version: String
    private let messages: [(role: String, blocks: [MockJSON])]

    init(_ root: MockJSON, version: String) {
        self.root = root
        self.version = version
        self.messages = (root["messages"]?.elements ?? []).map { message in
            (message["role"]?.string ?? "", MockAnthropicReader.blocks(message["content"]))
        }
    }

    func check() throws(MockRefusal) {
        try self.checkRoles()
        try self.checkTexts()
        try self.checkTools()
        try self.checkThoughts()
        try self.checkMedia()
        try self.checkCacheMarks()
    }

    private func checkRoles() throws(MockRefusal) {
        guard self.messages.first?.role == "user" else {
            throw .invalid("messages: first message must use the \"user\" role")
        }
        for (index, message) in self.messages.enumerated().dropFirst()
        where self.messages[index - 1].role == message.role {
            throw .invalid(
                "messages: roles must alternate between \"user\" and \"assistant\", but found multiple "
                    + "\"\(message.role)\" roles in a row"
            )
        }
    }

    private func checkTexts() throws(MockRefusal) {
        for (index, message) in self.messages.enumerated() {
            if message.blocks.isEmpty {
                throw .invalid("messages.\(index): all messages must have non-empty content")
            }
            for block in message.blocks where block["type"] == "text" {
                guard let text = block["text"]?.string, !text.isEmpty else {
                    throw .invalid("messages: text content blocks must be non-empty")
                }
                guard !text.allSatisfy(\.isWhitespace) else {
                    throw .invalid("messages: text content blocks must contain non-whitespace text")
                }
                if self.version == MockAnthropic.withoutSampling, message.role == "user",
                    !(block["citations"]?.elements.isEmpty ?? true)
                {
                    throw .invalid("messages.\(index): `citations` is not allowed on user text blocks")
                }
            }
            if self.version == MockAnthropic.withoutSampling, message.role == "assistant",
                message.blocks.contains(where: { $0["type"] == "document" })
            {
                throw .invalid("messages.\(index): `document` blocks are not allowed in assistant messages")
            }
        }
        for block in MockAnthropicReader.blocks(self.root["system"]) where block["text"]?.string?.isEmpty ?? true {
            throw .invalid("system: text content blocks must be non-empty")
        }
        if let last = self.messages.last, last.role == "assistant",
            last.blocks.last?["text"]?.string?.last?.isWhitespace ?? false
        {
            throw .invalid("messages: final assistant content cannot end with trailing whitespace")
        }
    }

    private func checkTools() throws(MockRefusal) {
        var seen: Set<String> = []
        var open: [String] = []
        for (index, message) in self.messages.enumerated() {
            let results = message.blocks.prefix { $0["type"] == "tool_result" }
            let answered = results.compactMap { $0["tool_use_id"]?.string }
            if message.blocks.dropFirst(results.count).contains(where: { $0["type"] == "tool_result" }) {
                throw .invalid("messages.\(index): `tool_result` blocks must come first in the content")
            }
            if let stray = answered.first(where: { !open.contains($0) }) {
                throw .invalid(
                    "messages.\(index).content.0: unexpected `tool_use_id` found in `tool_result` blocks: "
                        + "\(stray). Each `tool_result` block must have a corresponding `tool_use` block in the "
                        + "previous message."
                )
            }
            if let missing = open.first(where: { !answered.contains($0) }) {
                throw .invalid(
                    "messages.\(index - 1): `tool_use` ids were found without `tool_result` blocks immediately after: "
                        + "\(missing). Each `tool_use` block must have a corresponding `tool_result` block in the next "
                        + "message."
                )
            }
            if Set(answered).count != answered.count {
                throw .invalid("messages.\(index): each `tool_use` must have a single result")
            }
            open = message.blocks.filter { $0["type"] == "tool_use" }.compactMap { $0["id"]?.string }
            for id in open {
                guard MockAnthropicReader.isName(id, upTo: 256) else {
                    throw .invalid("messages.\(index).content: tool_use.id: should match pattern '^[a-zA-Z0-9_-]+$'")
                }
                guard seen.insert(id).inserted else { throw .invalid("messages: `tool_use` ids must be unique") }
            }
        }
        if let missing = open.first {
            throw .invalid(
                "messages.\(self.messages.count - 1): `tool_use` ids were found without `tool_result` blocks "
                    + "immediately after: \(missing)."
            )
        }
        if !seen.isEmpty, self.root["tools"]?.elements.isEmpty ?? true {
            throw .invalid("Requests which include `tool_use` or `tool_result` blocks must define `tools`")
        }
    }

    private func checkThoughts() throws(MockRefusal) {
        let isThinking = self.root["thinking"].map { $0["type"] != "disabled" } ?? false
        for (index, message) in self.messages.enumerated() where message.role == "assistant" {
            for (place, block) in message.blocks.enumerated() where block["type"] == "thinking" {
                guard block["signature"]?.string == MockSignature.of(block["thinking"]?.string ?? "") else {
                    throw .invalid("messages.\(index).content.\(place): Invalid `signature` in `thinking` block")
                }
            }
            let first = message.blocks.first?["type"]?.string ?? ""
            let calls = message.blocks.contains { $0["type"] == "tool_use" }
            // Only the turn that is still going on has to begin with its thoughts.
            let isOpen = index + 2 == self.messages.count
            if isThinking, self.root["thinking"]?["type"] == "enabled", calls, isOpen,
                !["thinking", "redacted_thinking"].contains(first)
            {
                throw .invalid(
                    "messages.\(index).content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                        + "`\(first)`. When `thinking` is enabled, a final `assistant` message must start with a "
                        + "thinking block"
                )
            }
        }
    }

    private func checkMedia() throws(MockRefusal) {
        let types = ["image/jpeg", "image/png", "image/gif", "image/webp"]
        for (index, message) in self.messages.enumerated() {
            for (place, block) in message.blocks.enumerated() {
                guard let source = block["source"], source["type"] == "base64" else { continue }
                let type = source["media_type"]?.string ?? ""
                let path = "messages.\(index).content.\(place)"
                guard MockMedia.isBase64(source["data"]?.string ?? "") else {
                    throw .invalid("\(path).source.base64.data: Invalid base64 data")
                }
                let allowed = block["type"] == "image" ? types : ["application/pdf", "text/plain"]
                guard allowed.contains(type) else {
                    throw .invalid("\(path).source.base64.media_type: Input should be \(allowed)")
                }
                if let actual = MockMedia.type(ofBase64: source["data"]?.string ?? ""), actual != type {
                    throw .invalid("\(path): Image does not match the provided media type \(type)")
                }
            }
        }
    }

    private func checkCacheMarks() throws(MockRefusal) {
        let parts =
            self.messages.flatMap(\.blocks) + (self.root["tools"]?.elements ?? [])
            + MockAnthropicReader.blocks(self.root["system"])
        let count = parts.filter { $0["cache_control"] != nil }.count
        if count > 4 {
            throw .invalid("A maximum of 4 blocks with cache_control may be provided. Found \(count).")
        }
        for block in self.messages.flatMap(\.blocks) where block["cache_control"] != nil && block["type"] == "thinking"
        {
            throw .invalid("cache_control cannot be set for thinking blocks")
        }
    }
}
