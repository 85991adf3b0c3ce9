import SluiceProviders
import SluiceWire

/// The same answer of 2 KB on each provider's wire: some thought where it can be told, text, usage; whole and as a
/// stream of many pieces.
struct WireSample {
    var whole: JSONText
    /// One event each.
    var stream: [[UInt8]]
}

extension WireSample {
    static var openAI: WireSample {
        let usage: JSONText = [
            "prompt_tokens": 512, "completion_tokens": 400, "total_tokens": 912,
            "prompt_tokens_details": ["cached_tokens": 128], "completion_tokens_details": ["reasoning_tokens": 0],
        ]
        func chunk(_ delta: JSONText, _ reason: JSONText = nil) -> [UInt8] {
            let chunk: JSONText = [
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_764_000_000, "model": "m",
                "system_fingerprint": "fp_1",
                "choices": [["index": 0, "delta": delta, "logprobs": nil, "finish_reason": reason]],
            ]
            return chunk.event()
        }
        let last: JSONText = [
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_764_000_000, "model": "m",
            "choices": [], "usage": usage,
        ]
        return WireSample(
            whole: [
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1_764_000_000, "model": "m",
                "choices": [
                    [
                        "index": 0,
                        "message": ["role": "assistant", "content": .text(Samples.text), "refusal": nil],
                        "logprobs": nil, "finish_reason": "stop",
                    ]
                ],
                "usage": usage, "system_fingerprint": "fp_1",
            ],
            stream: [chunk(["role": "assistant", "content": ""])]
                + Samples.pieces.map { chunk(["content": .text($0)]) }
                + [chunk([:], "stop"), last.event(), Array("data: [DONE]\n\n".utf8)]
        )
    }

    static var anthropic: WireSample {
        let start: JSONText = [
            "type": "message_start",
            "message": [
                "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
                "stop_reason": nil, "stop_sequence": nil, "usage": ["input_tokens": 512, "output_tokens": 1],
            ],
        ]
        let begin: JSONText = [
            "type": "content_block_start", "index": 0, "content_block": ["type": "text", "text": ""],
        ]
        let end: JSONText = ["type": "content_block_stop", "index": 0]
        let delta: JSONText = [
            "type": "message_delta", "delta": ["stop_reason": "end_turn", "stop_sequence": nil],
            "usage": ["output_tokens": 400],
        ]
        let stop: JSONText = ["type": "message_stop"]
        let pieces = Samples.pieces.map { piece -> [UInt8] in
            let event: JSONText = [
                "type": "content_block_delta", "index": 0, "delta": ["type": "text_delta", "text": .text(piece)],
            ]
            return event.event("content_block_delta")
        }
        return WireSample(
            whole: [
                "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
                "content": [
                    ["type": "thinking", "thinking": .text(Samples.thought), "signature": "EqQBCkYIAxgC"],
                    ["type": "text", "text": .text(Samples.text)],
                ],
                "stop_reason": "end_turn", "stop_sequence": nil,
                "usage": ["input_tokens": 384, "cache_read_input_tokens": 128, "output_tokens": 400],
            ],
            stream: [start.event("message_start"), begin.event("content_block_start")] + pieces
                + [end.event("content_block_stop"), delta.event("message_delta"), stop.event("message_stop")]
        )
    }

    static var gemini: WireSample {
        func answer(_ parts: JSONText, _ reason: String? = nil) -> JSONText {
            let usage: JSONText = [
                "promptTokenCount": 512, "candidatesTokenCount": 400, "totalTokenCount": 912,
                "promptTokensDetails": [["modality": "TEXT", "tokenCount": 512]],
            ]
            let content: JSONText = ["parts": parts, "role": "model"]
            let candidate: JSONText =
                if let reason {
                    ["content": content, "finishReason": .text(reason), "index": 0]
                } else {
                    ["content": content, "index": 0]
                }
            return [
                "candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash",
                "responseId": "r1",
            ]
        }
        return WireSample(
            whole: answer([["text": .text(Samples.thought), "thought": true], ["text": .text(Samples.text)]], "STOP"),
            stream: Samples.pieces.map { answer([["text": .text($0)]]).event() }
                + [answer([["text": ""]], "STOP").event()]
        )
    }

    static var cohere: WireSample {
        let usage: JSONText = [
            "billed_units": ["input_tokens": 500, "output_tokens": 400],
            "tokens": ["input_tokens": 512, "output_tokens": 400],
        ]
        let start: JSONText = ["type": "message-start", "id": "c1", "delta": ["message": ["role": "assistant"]]]
        let begin: JSONText = [
            "type": "content-start", "index": 0, "delta": ["message": ["content": ["type": "text", "text": ""]]],
        ]
        let stop: JSONText = ["type": "content-end", "index": 0]
        let end: JSONText = ["type": "message-end", "delta": ["finish_reason": "COMPLETE", "usage": usage]]
        let pieces = Samples.pieces.map { piece -> [UInt8] in
            let event: JSONText = [
                "type": "content-delta", "index": 0, "delta": ["message": ["content": ["text": .text(piece)]]],
            ]
            return event.event("content-delta")
        }
        return WireSample(
            whole: [
                "id": "c1", "finish_reason": "COMPLETE", "usage": usage,
                "message": [
                    "role": "assistant",
                    "content": [
                        ["type": "thinking", "thinking": .text(Samples.thought)],
                        ["type": "text", "text": .text(Samples.text)],
                    ],
                ],
            ],
            stream: [start.event("message-start"), begin.event("content-start")] + pieces
                + [stop.event("content-end"), end.event("message-end")]
        )
    }

    static func bedrock() throws -> WireSample {
        func frame(_ type: String, _ payload: JSONText) throws -> [UInt8] {
            try EventStreamMessage(
                headers: [
                    EventStreamHeader(":event-type", .string(type)),
                    EventStreamHeader(":content-type", .string("application/json")),
                    EventStreamHeader(":message-type", .string("event")),
                ],
                payload: payload.bytes
            ).encoded()
        }
        let usage: JSONText = ["inputTokens": 512, "outputTokens": 400, "totalTokens": 912]
        var stream = [try frame("messageStart", ["role": "assistant"])]
        for piece in Samples.pieces {
            stream.append(
                try frame("contentBlockDelta", ["contentBlockIndex": 0, "delta": ["text": .text(piece)]])
            )
        }
        stream.append(try frame("contentBlockStop", ["contentBlockIndex": 0]))
        stream.append(try frame("messageStop", ["stopReason": "end_turn"]))
        stream.append(try frame("metadata", ["usage": usage, "metrics": ["latencyMs": 100]]))
        return WireSample(
            whole: [
                "output": [
                    "message": [
                        "role": "assistant",
                        "content": [
                            [
                                "reasoningContent": [
                                    "reasoningText": ["text": .text(Samples.thought), "signature": "a"]
                                ]
                            ],
                            ["text": .text(Samples.text)],
                        ],
                    ]
                ],
                "stopReason": "end_turn", "usage": usage, "metrics": ["latencyMs": 100],
            ],
            stream: stream
        )
    }
}
