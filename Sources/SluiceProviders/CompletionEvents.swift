import SluiceWire

/// A whole completion told as a stream, for a client that asked for one where whoever answered cannot stream.
package enum CompletionEvents {
    private enum Part {
        case content
        case end
    }

    /// - Returns: server-sent events up to `[DONE]`; `nil` if this is no answer that clients know as a stream.
    package static func make(
        _ answer: [UInt8],
        _ operation: OpenAIOperation,
        includesUsage: Bool
    ) -> [UInt8]? {
        let isChat = operation == .chatCompletions
        guard isChat || operation == .completions, Self.isCompletion(answer) else { return nil }
        let members = JSONMembers.unique(JSONMembers.scan(answer))
        let choices = members.first { $0.name == "choices" }.map { JSONMembers.elements($0.value) } ?? []
        var events: [UInt8] = []
        events.reserveCapacity(answer.count + 1_024)
        for part in isChat ? [Part.content, .end] : [.content] {
            let data = Self.chunk(members, isChat) { json in
                json.array("choices") { json in
                    for choice in choices { Self.write(choice, part, isChat, to: &json) }
                }
            }
            events.append(contentsOf: SSEWriter.event(data: data))
        }
        if includesUsage, let usage = members.first(where: { $0.name == "usage" }), !JSONMembers.isNull(usage.value) {
            let data = Self.chunk(members, isChat) { json in
                json.array("choices") { _ in }
                json.rawField("usage", usage.value)
            }
            events.append(contentsOf: SSEWriter.event(data: data))
        }
        events.append(contentsOf: SSEWriter.event(data: Array("[DONE]".utf8)))
        return events
    }

    private static func isCompletion(_ answer: [UInt8]) -> Bool {
        let isCompletion = try? JSON.read(answer) { root in
            root.kind == .object && root["choices"]?.kind == .array
        }
        return isCompletion == true
    }

    /// What all chunks of an answer have in common, and what this one is for.
    private static func chunk(
        _ members: [RawMember],
        _ isChat: Bool,
        _ body: (inout JSONWriter) -> Void
    ) -> [UInt8] {
        var json = JSONWriter(reserving: 512)
        json.object { json in
            for member in members {
                switch member.name {
                case "choices", "usage": break
                case "object" where isChat: json.field("object", "chat.completion.chunk")
                default: json.rawField(member.name, member.value)
                }
            }
            body(&json)
        }
        return json.bytes
    }

    private static func write(_ choice: ArraySlice<UInt8>, _ part: Part, _ isChat: Bool, to json: inout JSONWriter) {
        guard isChat else { return json.rawValue(Array(choice)) }
        json.object { json in
            for member in JSONMembers.unique(JSONMembers.scan(choice)) {
                switch (member.name, part) {
                case ("index", _): json.rawField("index", member.value)
                case ("message", .content):
                    json.object("delta") { Self.writeDelta(member.value, to: &$0) }
                case ("message", .end): json.object("delta") { _ in }
                case ("finish_reason", .content): json.nullField("finish_reason")
                case ("finish_reason", .end): json.rawField("finish_reason", member.value)
                case (_, .content): json.rawField(member.name, member.value)
                case (_, .end): break
                }
            }
        }
    }

    private static func writeDelta(_ message: ArraySlice<UInt8>, to json: inout JSONWriter) {
        for member in JSONMembers.unique(JSONMembers.scan(message)) {
            guard member.name == "tool_calls", !JSONMembers.isNull(member.value) else {
                json.rawField(member.name, member.value)
                continue
            }
            // In a stream the calls say which one they belong to.
            json.array("tool_calls") { json in
                for (index, call) in JSONMembers.elements(member.value).enumerated() {
                    json.object { json in
                        json.field("index", index)
                        for field in JSONMembers.unique(JSONMembers.scan(call)) where field.name != "index" {
                            json.rawField(field.name, field.value)
                        }
                    }
                }
            }
        }
    }
}
