/// What OpenAI's documentation lets a chat request look like.
enum MockAzureShape {
    private static let text = MockShape.object(["text!": .string])
    private static let words = MockShape.either([.string, .array(.tagged("type", ["text": Self.text]), 1...10_000)])
    private static let user = MockShape.either([
        .string,
        .array(
            .tagged(
                "type",
                [
                    "text": Self.text,
                    "image_url": .object([
                        "image_url!": .object(["url!": .string, "detail": .words(["auto", "low", "high"])])
                    ]),
                    "input_audio": .object([
                        "input_audio!": .object(["data!": .string, "format!": .words(["wav", "mp3"])])
                    ]),
                    "file": .object([
                        "file!": .object(["file_data": .string, "file_id": .string, "filename": .string])
                    ]),
                ]
            ),
            1...10_000
        ),
    ])
    private static let assistant = MockShape.either([
        .string, .array(.tagged("type", ["text": Self.text, "refusal": .object(["refusal!": .string])]), 1...10_000),
    ])
    private static let call = MockShape.tagged(
        "type",
        [
            "function": .object(["id!": .string, "function!": .object(["name!": .string, "arguments!": .string])]),
            "custom": .object(["id!": .string, "custom!": .object(["name!": .string, "input!": .string])]),
        ]
    )
    private static let message = MockShape.tagged(
        "role",
        [
            "system": .object(["content!": Self.words, "name": .string]),
            "developer": .object(["content!": Self.words, "name": .string]),
            "user": .object(["content!": Self.user, "name": .string]),
            "assistant": .object([
                "content": Self.assistant, "name": .string, "refusal": .string, "audio": .anyObject,
                "tool_calls": .array(Self.call, 1...128), "function_call": .anyObject,
            ]),
            "tool": .object(["content!": Self.words, "tool_call_id!": .string]),
        ]
    )
    private static let tool = MockShape.tagged(
        "type",
        [
            "function": .object([
                "function!": .object([
                    "name!": .string, "description": .string, "parameters": .anyObject, "strict": .bool,
                ])
            ]),
            "custom": .object(["custom!": .anyObject]),
        ]
    )
    private static let toolChoice = MockShape.either([
        .words(["auto", "none", "required"]),
        .tagged(
            "type",
            [
                "function": .object(["function!": .object(["name!": .string])]),
                "custom": .object(["custom!": .object(["name!": .string])]),
                "allowed_tools": .object([
                    "allowed_tools!": .object(["mode!": .words(["auto", "required"]), "tools!": .array(.any)])
                ]),
            ]
        ),
    ])
    private static let format = MockShape.tagged(
        "type",
        [
            "text": .object([:]), "json_object": .object([:]),
            "json_schema": .object([
                "json_schema!": .object([
                    "name!": .string, "schema": .anyObject, "strict": .bool, "description": .string,
                ])
            ]),
        ]
    )

    static let chat = MockShape.object([
        "model": .string, "messages!": .array(Self.message, 1...100_000), "stream": .bool,
        "stream_options": .object(["include_usage": .bool, "include_obfuscation": .bool]),
        "tools": .array(Self.tool, 1...128), "tool_choice": Self.toolChoice, "parallel_tool_calls": .bool,
        "response_format": Self.format, "max_tokens": .positive, "max_completion_tokens": .positive,
        "temperature": .number(0...2), "top_p": .number(0...1), "n": .whole(1...128),
        "stop": .either([.string, .array(.string, 1...4)]), "presence_penalty": .number(-2...2),
        "frequency_penalty": .number(-2...2), "logit_bias": .map(.number(-100...100)), "logprobs": .bool,
        "top_logprobs": .whole(0...20), "user": .string, "seed": .any, "metadata": .map(.string), "store": .bool,
        "reasoning_effort": .words(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
        "verbosity": .words(["low", "medium", "high"]), "modalities": .array(.string), "audio": .anyObject,
        "prediction": .anyObject, "service_tier": .string, "web_search_options": .anyObject,
        "prompt_cache_key": .string, "prompt_cache_retention": .string, "prompt_cache_options": .anyObject,
        "safety_identifier": .string, "moderation": .any, "functions": .array(.any), "function_call": .any,
        "data_sources": .array(.any),
    ])
}
