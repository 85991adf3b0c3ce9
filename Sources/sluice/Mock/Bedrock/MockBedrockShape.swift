/// What the AWS service model lets a Converse request look like.
enum MockBedrockShape {
    private static let cachePoint = MockShape.object(["type!": .words(["default"]), "ttl": .words(["5m", "1h"])])
    private static let location = MockShape.object(["uri!": .string, "bucketOwner": .string])
    private static let binary = MockShape.union(["bytes": .string, "s3Location": Self.location])

    private static let image = MockShape.object([
        "format!": .words(["png", "jpeg", "gif", "webp"]), "source!": Self.binary,
    ])
    private static let document = MockShape.object([
        "format": .words(["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"]), "name!": .string,
        "source!": .union([
            "bytes": .string, "s3Location": Self.location, "text": .string, "content": .array(.any),
        ]),
        "context": .string, "citations": .object(["enabled!": .bool]),
    ])
    private static let video = MockShape.object(["format!": .string, "source!": Self.binary])
    private static let audio = MockShape.object(["format!": .string, "source!": Self.binary])
    private static let guarded = MockShape.union([
        "text": .object(["text!": .string, "qualifiers": .array(.string)]), "image": .anyObject,
    ])
    private static let toolResult = MockShape.object([
        "toolUseId!": .string, "status": .words(["success", "error"]), "type": .string,
        "content!": .array(
            .union([
                "json": .anyObject, "text": .string, "image": Self.image, "document": Self.document,
                "video": Self.video, "searchResult": .anyObject,
            ])
        ),
    ])

    private static let block = MockShape.union([
        "text": .string, "image": Self.image, "document": Self.document, "video": Self.video, "audio": Self.audio,
        "toolUse": .object(["toolUseId!": .string, "name!": .string, "input!": .anyObject, "type": .string]),
        "toolResult": Self.toolResult, "guardContent": Self.guarded, "cachePoint": Self.cachePoint,
        "reasoningContent": .union([
            "reasoningText": .object(["text!": .string, "signature": .string]), "redactedContent": .string,
        ]),
        "citationsContent": .anyObject, "searchResult": .anyObject,
    ])

    private static let tool = MockShape.union([
        "toolSpec": .object([
            "name!": .string, "description": .string, "inputSchema!": .object(["json!": .anyObject]), "strict": .bool,
        ]),
        "systemTool": .object(["name!": .string]), "cachePoint": Self.cachePoint,
    ])

    private static let output = MockShape.object([
        "textFormat": .object([
            "type!": .words(["json_schema"]),
            "structure!": .union([
                "jsonSchema": .object(["schema!": .string, "name": .string, "description": .string])
            ]),
        ])
    ])

    static let converse = MockShape.object([
        "messages": .array(
            .object(["role!": .words(["user", "assistant"]), "content!": .array(Self.block)])
        ),
        "system": .array(
            .union(["text": .string, "guardContent": Self.guarded, "cachePoint": Self.cachePoint])
        ),
        "inferenceConfig": .object([
            "maxTokens": .positive, "temperature": .number(0...1), "topP": .number(0...1),
            "stopSequences": .array(.string, 0...2500),
        ]),
        "toolConfig": .object([
            "tools!": .array(Self.tool, 1...100_000),
            "toolChoice": .union([
                "auto": .object([:]), "any": .object([:]), "tool": .object(["name!": .string]),
            ]),
        ]),
        "guardrailConfig": .object([
            "guardrailIdentifier": .string, "guardrailVersion": .string,
            "trace": .words(["enabled", "disabled", "enabled_full"]),
            "streamProcessingMode": .words(["sync", "async"]),
        ]),
        "additionalModelRequestFields": .any, "promptVariables": .anyObject,
        "additionalModelResponseFieldPaths": .array(.string), "requestMetadata": .map(.string),
        "performanceConfig": .object(["latency": .words(["standard", "optimized"])]),
        "serviceTier": .object(["type!": .string]), "outputConfig": Self.output,
    ])
}
