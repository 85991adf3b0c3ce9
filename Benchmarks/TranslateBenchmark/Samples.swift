import SluiceProviders
import SluiceWire

/// A conversation as it happens: instructions, some turns, two tools, one of which was called; 2 KB.
enum Samples {
    static let now = 1_764_000_000
    /// Pieces of a streamed answer.
    static let pieceCount = 100

    private static let sentence = "The river rises in the hills north of the town and turns east at the old mill. "
    static let text = String(repeating: Self.sentence, count: 20)
    static let thought = "The user wants to know where the river goes."

    static var pieces: [String] {
        let letters = Array(Self.text)
        let size = (letters.count + Self.pieceCount - 1) / Self.pieceCount
        return stride(from: 0, to: letters.count, by: size).map { start in
            String(letters[start..<min(start + size, letters.count)])
        }
    }

    private static let schema: JSONText = [
        "type": "object",
        "properties": [
            "place": ["type": "string", "description": "Name of a place, e.g. 'Old Mill'"],
            "unit": ["type": "string", "enum": ["metres", "feet"]],
            "depth": ["type": "integer"],
        ],
        "required": ["place"],
    ]

    static func request(_ model: String, isStream: Bool = false) -> ChatRequest {
        let long = String(repeating: Self.sentence, count: 4)
        var assistant = ChatMessage(role: .assistant, content: [.text("Let me look that up.")])
        assistant.toolCalls = [
            ToolCall(id: "call_1", name: "elevation", arguments: #"{"place":"Old Mill","unit":"metres"}"#)
        ]
        var request = ChatRequest(
            model: model,
            messages: [
                .system("You are a guide to the valley. Answer briefly and name your sources. " + Self.sentence),
                .user("Tell me about the river. " + long),
                .assistant(long),
                .user("How high is the mill, and where does the river go from there?"),
                assistant,
                .tool(#"{"elevation":412,"unit":"metres"}"#, answering: "call_1"),
                .user([.text("And with this picture?"), .text(Self.sentence)]),
            ]
        )
        request.tools = [
            .function("elevation", description: "Height of a place above the sea", parameters: Self.schema),
            .function("route", description: "The way of a river", parameters: Self.schema),
        ]
        request.toolChoice = .auto
        request.temperature = 0.2
        request.maximumTokens = 1_024
        request.stop = ["END"]
        request.isStream = isStream
        return request
    }

    /// The same in Anthropic's words.
    static var anthropicRequest: JSONText {
        let long = String(repeating: Self.sentence, count: 4)
        return [
            "model": "m", "max_tokens": 1_024, "temperature": 0.2, "stop_sequences": ["END"],
            "system": .text("You are a guide to the valley. Answer briefly. " + Self.sentence),
            "messages": [
                ["role": "user", "content": .text("Tell me about the river. " + long)],
                ["role": "assistant", "content": .text(long)],
                ["role": "user", "content": "How high is the mill, and where does the river go from there?"],
                [
                    "role": "assistant",
                    "content": [
                        ["type": "text", "text": "Let me look that up."],
                        [
                            "type": "tool_use", "id": "call_1", "name": "elevation",
                            "input": ["place": "Old Mill", "unit": "metres"],
                        ],
                    ],
                ],
                [
                    "role": "user",
                    "content": [
                        ["type": "tool_result", "tool_use_id": "call_1", "content": "412 metres"],
                        ["type": "text", "text": .text("And with this picture? " + Self.sentence)],
                    ],
                ],
            ],
            "tools": [
                ["name": "elevation", "description": "Height of a place above the sea", "input_schema": Self.schema],
                ["name": "route", "description": "The way of a river", "input_schema": Self.schema],
            ],
        ]
    }

    /// The same in the words of the Responses API.
    static var responsesRequest: JSONText {
        let long = String(repeating: Self.sentence, count: 4)
        return [
            "model": "m", "max_output_tokens": 1_024, "temperature": 0.2,
            "instructions": .text("You are a guide to the valley. Answer briefly. " + Self.sentence),
            "input": [
                ["role": "user", "content": .text("Tell me about the river. " + long)],
                ["role": "assistant", "content": .text(long)],
                ["role": "user", "content": "How high is the mill, and where does the river go from there?"],
                [
                    "type": "function_call", "call_id": "call_1", "name": "elevation",
                    "arguments": #"{"place":"Old Mill","unit":"metres"}"#,
                ],
                ["type": "function_call_output", "call_id": "call_1", "output": "412 metres"],
                ["role": "user", "content": .text("And with this picture? " + Self.sentence)],
            ],
            "tools": [
                [
                    "type": "function", "name": "elevation", "description": "Height of a place",
                    "parameters": Self.schema,
                ],
                ["type": "function", "name": "route", "description": "The way of a river", "parameters": Self.schema],
            ],
        ]
    }

    static var completionsRequest: JSONText {
        [
            "model": "m", "max_tokens": 1_024, "temperature": 0.2, "stop": "END",
            "prompt": .text(String(repeating: Self.sentence, count: 24)),
        ]
    }
}

extension JSONText {
    static func text(_ text: String) -> JSONText { JSONText(stringLiteral: text) }

    /// As a server-sent event.
    func event(_ name: String? = nil) -> [UInt8] { SSEWriter.event(name: name, data: self.bytes) }
}
