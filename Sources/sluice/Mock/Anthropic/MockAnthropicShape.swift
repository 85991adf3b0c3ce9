import SluiceDoctor

/// What Anthropic's documentation lets a request look like.
enum MockAnthropicShape {
    private static let cacheControl = MockShape.object(["type!": .words(["ephemeral"]), "ttl": .words(["5m", "1h"])])

    private static let source = MockShape.tagged(
        "type",
        [
            "base64": .object(["media_type!": .string, "data!": .string]),
            "url": .object(["url!": .string]),
            "file": .object(["file_id!": .string]),
            "text": .object(["media_type!": .words(["text/plain"]), "data!": .string]),
            "content": .object(["content!": .either([.string, .array(.any)])]),
        ]
    )

    private static let text = MockShape.object([
        "text!": .string, "cache_control": Self.cacheControl, "citations": .either([.array(.anyObject), .any]),
    ])
    private static let image = MockShape.object(["source!": Self.source, "cache_control": Self.cacheControl])
    private static let document = MockShape.object([
        "source!": Self.source, "title": .string, "context": .string, "cache_control": Self.cacheControl,
        "citations": .object(["enabled": .bool]),
    ])
    private static let searchResult = MockShape.object([
        "source!": .string, "title!": .string, "content!": .array(.tagged("type", ["text": Self.text])),
        "cache_control": Self.cacheControl, "citations": .object(["enabled": .bool]),
    ])
    private static let toolResult = MockShape.object([
        "tool_use_id!": .string, "is_error": .bool, "cache_control": Self.cacheControl,
        "content": .either([
            .string,
            .array(
                .tagged(
                    "type",
                    [
                        "text": Self.text, "image": Self.image, "document": Self.document,
                        "search_result": Self.searchResult,
                    ]
                )
            ),
        ]),
    ])

    private static let userBlocks: [String: MockShape] = [
        "text": Self.text, "image": Self.image, "document": Self.document, "tool_result": Self.toolResult,
        "search_result": Self.searchResult,
    ]
    private static let assistantBlocks: [String: MockShape] = [
        "text": Self.text, "document": Self.document,
        "thinking": .object(["thinking!": .string, "signature!": .string]),
        "redacted_thinking": .object(["data!": .string]),
        "tool_use": .object([
            "id!": .string, "name!": .string, "input!": .anyObject, "cache_control": Self.cacheControl,
            "caller": .anyObject,
        ]),
        "server_tool_use": .object([
            "id!": .string, "name!": .string, "input!": .anyObject, "cache_control": Self.cacheControl,
            "caller": .anyObject,
        ]),
        "web_search_tool_result": .object([
            "tool_use_id!": .string, "content!": .any, "cache_control": Self.cacheControl, "caller": .anyObject,
        ]),
    ]

    private static func content(_ blocks: [String: MockShape]) -> MockShape {
        .either([.string, .array(.tagged("type", blocks))])
    }

    private static let message = MockShape.tagged(
        "role",
        [
            "user": .object(["content!": Self.content(Self.userBlocks)]),
            "assistant": .object(["content!": Self.content(Self.assistantBlocks)]),
        ]
    )

    private static let custom = MockShape.object([
        "name!": .string, "description": .string, "input_schema!": .anyObject, "cache_control": Self.cacheControl,
        "strict": .bool, "eager_input_streaming": .bool, "input_examples": .array(.anyObject),
        "defer_loading": .bool, "allowed_callers": .array(.string), "type": .string,
    ])
    private static let webSearch = MockShape.object([
        "name!": .words(["web_search"]), "max_uses": .positive, "allowed_domains": .array(.string),
        "blocked_domains": .array(.string), "user_location": .anyObject, "cache_control": Self.cacheControl,
    ])
    private static let tool = MockShape.tagged(
        "type",
        ["": Self.custom, "custom": Self.custom, "web_search_20250305": Self.webSearch]
    )

    private static let toolChoice = MockShape.tagged(
        "type",
        [
            "auto": .object(["disable_parallel_tool_use": .bool]),
            "any": .object(["disable_parallel_tool_use": .bool]),
            "tool": .object(["name!": .string, "disable_parallel_tool_use": .bool]),
            "none": .object([:]),
        ]
    )

    private static let thinking = MockShape.tagged(
        "type",
        [
            "enabled": .object(["budget_tokens!": .whole(1024...1_000_000), "display": .string]),
            "adaptive": .object(["display": .string]),
            "disabled": .object([:]),
        ]
    )

    private static let outputConfig = MockShape.object([
        "effort": .words(["low", "medium", "high", "xhigh", "max"]),
        "format": .tagged("type", ["json_schema": .object(["schema!": .anyObject])]),
    ])

    private static let counted: [String: MockShape] = [
        "model!": .string, "messages!": .array(Self.message, 1...100_000),
        "system": .either([.string, .array(.tagged("type", ["text": Self.text]))]),
        "tools": .array(Self.tool), "tool_choice": Self.toolChoice, "thinking": Self.thinking,
        "output_config": Self.outputConfig, "cache_control": Self.cacheControl,
    ]

    static let count = MockShape.object(Self.counted)

    static let messages = MockShape.object(
        Self.counted.merging([
            "max_tokens!": .positive, "stop_sequences": .array(.string), "stream": .bool,
            "temperature": .number(0...1), "top_p": .number(0...1), "top_k": .natural,
            "metadata": .object(["user_id": .string]), "service_tier": .words(["auto", "standard_only"]),
            "container": .any, "inference_geo": .string,
        ]) { counted, _ in counted }
    )
}
