/// What Cohere's documentation lets a chat request look like.
enum MockCohereShape {
    private static let text = MockShape.object(["text!": .string])
    private static let userContent = MockShape.either([
        .string,
        .array(
            .tagged(
                "type",
                [
                    "text": Self.text,
                    "image_url": .object(["image_url!": .object(["url!": .string, "detail": .string])]),
                ]
            )
        ),
    ])
    private static let assistantContent = MockShape.either([
        .string,
        .array(.tagged("type", ["text": Self.text, "thinking": .object(["thinking!": .string])])),
    ])
    private static let toolContent = MockShape.either([
        .string,
        .array(
            .tagged(
                "type",
                ["text": Self.text, "document": .object(["document!": .object(["data!": .any, "id": .string])])]
            )
        ),
    ])
    private static let call = MockShape.object([
        "id!": .string, "type!": .words(["function"]),
        "function!": .object(["name!": .string, "arguments!": .string]),
    ])
    private static let message = MockShape.tagged(
        "role",
        [
            "system": .object(["content!": .either([.string, .array(.tagged("type", ["text": Self.text]))])]),
            "user": .object(["content!": Self.userContent]),
            "assistant": .object([
                "content": Self.assistantContent, "tool_calls": .array(Self.call), "tool_plan": .string,
                "citations": .array(.any),
            ]),
            "tool": .object(["tool_call_id!": .string, "content!": Self.toolContent]),
        ]
    )

    static let chat = MockShape.object([
        "model!": .string, "messages!": .array(Self.message, 1...100_000), "stream": .bool,
        "tools": .array(
            .object([
                "type!": .words(["function"]),
                "function!": .object(["name!": .string, "description": .string, "parameters!": .anyObject]),
            ])
        ),
        "strict_tools": .bool, "documents": .array(.any), "citation_options": .object(["mode": .string]),
        "response_format": .tagged(
            "type",
            ["text": .object([:]), "json_object": .object(["json_schema": .anyObject, "schema": .anyObject])]
        ),
        "safety_mode": .words(["CONTEXTUAL", "STRICT", "OFF"]), "max_tokens": .natural,
        "stop_sequences": .array(.string, 0...5), "temperature": .number(0...2), "seed": .natural,
        "frequency_penalty": .number(0...1), "presence_penalty": .number(0...1), "k": .whole(0...500),
        "p": .number(0.01...0.99), "logprobs": .bool, "tool_choice": .words(["REQUIRED", "NONE"]),
        "thinking": .object(["type!": .words(["enabled", "disabled"]), "token_budget": .positive]),
        "priority": .natural,
    ])

    static let embed = MockShape.object([
        "model!": .string,
        "input_type!": .words(["search_document", "search_query", "classification", "clustering", "image"]),
        "texts": .array(.string, 1...96), "images": .array(.string, 1...1), "inputs": .array(.anyObject, 1...96),
        "embedding_types": .array(.words(["float", "int8", "uint8", "binary", "ubinary", "base64"])),
        "output_dimension": .whole(1...4096), "max_tokens": .positive, "truncate": .words(["NONE", "START", "END"]),
    ])
}
