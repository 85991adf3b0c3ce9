import SluiceWire

/// Takes out of a request what comes from Anthropic's format and no server of OpenAI's knows: it would refuse all of
/// it. What can be said otherwise is said so, what cannot is named.
enum OpenAIForeignContent {
    /// Members of a request that steer Anthropic's machinery alone.
    static let members: Set<String> = [
        "cache_control", "context_management", "inference_geo", "output_config", "speed",
    ]

    /// Blocks of Anthropic's whose like is nowhere else, beside those that end in `_tool_result`.
    private static let blocks: Set<String> = [
        "search_result", "document", "container_upload", "server_tool_use", "mcp_tool_use", "tool_reference",
    ]

    /// - Parameter keeps: whether what nobody else knows is sent all the same.
    static func translate(
        _ request: inout ChatRequest,
        _ dialect: OpenAIDialect,
        keeps: Bool,
        _ screen: inout ParameterScreen
    ) {
        guard dialect != .canonical else { return }
        var hasMedia = false
        for index in request.messages.indices {
            let message = request.messages[index]
            if message.role == .tool, message.content.contains(where: \.isMedia) { hasMedia = true }
            guard message.content.contains(where: { Self.isForeign($0, dialect) }) else { continue }
            request.messages[index].content = Self.translated(message.content, dialect, keeps, &screen)
        }
        if hasMedia { Self.moveMedia(&request.messages) }
        guard !keeps else { return }
        if request.additional.contains(where: { Self.members.contains($0.name) }) {
            for field in request.additional where Self.members.contains(field.name) { screen.reject(field.name) }
            request.additional.removeAll { Self.members.contains($0.name) }
        }
        Self.translateTools(&request, &screen)
    }

    // MARK: Content

    private static func isForeign(_ part: ContentPart, _ dialect: OpenAIDialect) -> Bool {
        if part.additional.contains(where: { AnthropicBody.mediaMembers.contains($0.name) }) { return true }
        switch part.kind {
        case .file(.url, _): return !dialect.takesFileAddresses
        case .file(.base64(_, let type), _): return type.hasPrefix("text/plain")
        case .other(let block): return Self.blockType(block) != nil
        default: return false
        }
    }

    /// The type of a block of Anthropic's own.
    private static func blockType(_ block: JSONText) -> String? {
        guard let type = Self.type(block) else { return nil }
        return Self.blocks.contains(type) || type.hasSuffix("_tool_result") ? type : nil
    }

    private static func type(_ object: JSONText) -> String? {
        let member = JSONMembers.scan(object.bytes).first { $0.name == "type" }
        guard let type = member.flatMap({ JSONMembers.string($0.value) }) else { return nil }
        // It goes into a header.
        let isPlain = type.utf8.allSatisfy { byte in
            (97...122).contains(byte) || (48...57).contains(byte) || byte == UInt8(ascii: "_")
        }
        return isPlain ? type : nil
    }

    private static func translated(
        _ parts: [ContentPart],
        _ dialect: OpenAIDialect,
        _ keeps: Bool,
        _ screen: inout ParameterScreen
    ) -> [ContentPart] {
        var result: [ContentPart] = []
        result.reserveCapacity(parts.count)
        for part in parts {
            guard Self.isForeign(part, dialect) else {
                result.append(part)
                continue
            }
            if let part = Self.translated(part, dialect, keeps, &screen) { result.append(part) }
        }
        // A message has to have a content.
        return result.isEmpty ? [.text("")] : result
    }

    private static func translated(
        _ part: ContentPart,
        _ dialect: OpenAIDialect,
        _ keeps: Bool,
        _ screen: inout ParameterScreen
    ) -> ContentPart? {
        var part = part
        if !keeps {
            for field in part.additional where AnthropicBody.mediaMembers.contains(field.name) {
                // Citations that are not wanted are nowhere.
                if field.value != Self.noCitations { screen.reject("messages.content.\(field.name)") }
            }
            part.additional.removeAll { AnthropicBody.mediaMembers.contains($0.name) }
        }
        switch part.kind {
        case .file(.base64(let data, let type), let name) where type.hasPrefix("text/plain"):
            guard let bytes = Base64.decode(data.utf8) else { return part }
            let text = String(decoding: bytes, as: UTF8.self)
            part.kind = .text(name.map { "\($0)\n\n\(text)" } ?? text)
        case .file(.url, _) where !keeps && !dialect.takesFileAddresses:
            screen.reject("messages.content.file.file_url")
            return nil
        case .other(let block) where !keeps:
            guard let type = Self.blockType(block) else { return part }
            screen.reject("messages.content.\(type)")
            return nil
        default: break
        }
        return part
    }

    private static let noCitations: JSONText = ["enabled": false]

    /// A tool's result may hold texts only: pictures and files go to the user's message that follows the results.
    private static func moveMedia(_ messages: inout [ChatMessage]) {
        var result: [ChatMessage] = []
        result.reserveCapacity(messages.count + 1)
        var moved: [ContentPart] = []
        for var message in messages {
            if message.role == .tool {
                let media = message.content.filter(\.isMedia)
                if !media.isEmpty {
                    message.content.removeAll(where: \.isMedia)
                    if message.content.isEmpty { message.content = [.text("See the next message of the user.")] }
                    moved.append(.text("Of the result of the tool call \(message.toolCallID ?? ""):"))
                    moved += media
                }
            } else if !moved.isEmpty {
                if message.role == .user {
                    message.content = moved + message.content
                } else {
                    result.append(.user(moved))
                }
                moved = []
            }
            result.append(message)
        }
        if !moved.isEmpty { result.append(.user(moved)) }
        messages = result
    }

    // MARK: Tools

    private static func translateTools(_ request: inout ChatRequest, _ screen: inout ParameterScreen) {
        var removed: [String] = []
        for index in request.tools.indices {
            let tool = request.tools[index]
            if case .other(let whole) = tool.kind {
                guard let type = Self.type(whole), Self.isAnthropic(type) else { continue }
                screen.reject("tools.\(type)")
                removed.append(tool.name)
            } else if tool.additional.contains(where: { AnthropicBody.toolMembers.contains($0.name) }) {
                for field in tool.additional where AnthropicBody.toolMembers.contains(field.name) {
                    if field.value != false { screen.reject("tools.\(field.name)") }
                }
                request.tools[index].additional.removeAll { AnthropicBody.toolMembers.contains($0.name) }
            }
        }
        guard !removed.isEmpty else { return }
        request.tools.removeAll { tool in
            guard case .other(let whole) = tool.kind, let type = Self.type(whole) else { return false }
            return Self.isAnthropic(type)
        }
        if case .function(let name) = request.toolChoice, removed.contains(name) {
            screen.reject("tool_choice")
            request.toolChoice = nil
        }
        guard request.tools.isEmpty else { return }
        // Neither is taken without tools.
        request.toolChoice = nil
        request.parallelToolCalls = nil
    }

    /// Anthropic's tools are versioned by a date of eight digits, as in `web_search_20250305`; OpenAI's are not.
    private static func isAnthropic(_ type: String) -> Bool {
        if type == "mcp_toolset" { return true }
        let digits = type.utf8.reversed().prefix { (48...57).contains($0) }
        return digits.count == 8 && type.utf8.dropLast(8).last == UInt8(ascii: "_")
    }
}

extension ContentPart {
    fileprivate var isMedia: Bool {
        switch self.kind {
        case .image, .audio, .file: true
        case .text, .refusal, .other: false
        }
    }
}
