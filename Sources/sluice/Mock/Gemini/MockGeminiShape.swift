/// What Google's documentation lets a request look like.
enum MockGeminiShape {
    private static let blob = MockShape.object(["mimeType!": .string, "data!": .string, "displayName": .string])
    private static let file = MockShape.object(["mimeType": .string, "fileUri!": .string, "displayName": .string])

    private static let part = MockShape.union(
        [
            "text": .string, "inlineData": Self.blob, "fileData": Self.file,
            "functionCall": .object(["id": .string, "name!": .string, "args": .anyObject]),
            "functionResponse": .object([
                "id": .string, "name!": .string, "response!": .anyObject, "parts": .array(.any),
                "willContinue": .bool, "scheduling": .string,
            ]),
            "executableCode": .anyObject, "codeExecutionResult": .anyObject,
        ],
        others: [
            "thought": .bool, "thoughtSignature": .string, "videoMetadata": .anyObject, "mediaResolution": .anyObject,
        ]
    )

    static let content = MockShape.object(["role": .words(["user", "model"]), "parts!": .array(Self.part, 1...10_000)])

    /// The part of OpenAPI that function parameters are described in.
    private static let schemaNames: [String: MockShape] = [
        "type": .string, "format": .string, "title": .string, "description": .string, "nullable": .bool,
        "enum": .array(.string), "maxItems": .any, "minItems": .any, "required": .array(.string),
        "minProperties": .any, "maxProperties": .any, "minLength": .any, "maxLength": .any, "pattern": .string,
        "example": .any, "propertyOrdering": .array(.string), "default": .any, "minimum": .anyNumber,
        "maximum": .anyNumber,
    ]

    /// Deeper schemas are taken as they are.
    private static func schema(_ depth: Int) -> MockShape {
        guard depth > 0 else { return .anyObject }
        let inner = Self.schema(depth - 1)
        return .object(
            Self.schemaNames.merging(["properties": .map(inner), "items": inner, "anyOf": .array(inner)]) { $1 }
        )
    }

    private static let schema = Self.schema(6)

    private static let function = MockShape.object([
        "name!": .string, "description": .string, "behavior": .string, "parameters": Self.schema,
        "parametersJsonSchema": .anyObject, "response": Self.schema, "responseJsonSchema": .anyObject,
    ])

    private static let tool = MockShape.object([
        "functionDeclarations": .array(Self.function), "googleSearch": .anyObject,
        "googleSearchRetrieval": .anyObject, "codeExecution": .anyObject, "urlContext": .anyObject,
        "computerUse": .anyObject, "googleMaps": .anyObject, "fileSearch": .anyObject,
    ])

    private static let toolConfig = MockShape.object([
        "functionCallingConfig": .object([
            "mode": .words(["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]),
            "allowedFunctionNames": .array(.string), "streamFunctionCallArguments": .bool,
        ]),
        "retrievalConfig": .anyObject,
    ])

    private static let thinking = MockShape.object([
        "includeThoughts": .bool, "thinkingBudget": .whole(-1...1_000_000),
        "thinkingLevel": .words(["minimal", "low", "medium", "high", "MINIMAL", "LOW", "MEDIUM", "HIGH"]),
    ])

    private static let generation = MockShape.object([
        "temperature": .number(0...2), "topP": .number(0...1), "topK": .number(0...1000),
        "maxOutputTokens": .positive, "stopSequences": .array(.string, 0...5), "candidateCount": .whole(1...8),
        "seed": .whole(-2_147_483_648...2_147_483_647), "presencePenalty": .number(-2...2),
        "frequencyPenalty": .number(-2...2), "responseLogprobs": .bool, "logprobs": .whole(0...20),
        "responseMimeType": .string, "responseSchema": Self.schema, "responseJsonSchema": .anyObject,
        "thinkingConfig": Self.thinking, "responseModalities": .array(.string), "speechConfig": .anyObject,
        "mediaResolution": .string, "audioTimestamp": .bool, "enableEnhancedCivicAnswers": .bool,
        "imageConfig": .anyObject,
    ])

    static let generate = MockShape.object([
        "contents!": .array(Self.content),
        "systemInstruction": .object(["role": .string, "parts!": .array(Self.part)]),
        "tools": .array(Self.tool), "toolConfig": Self.toolConfig,
        "safetySettings": .array(.object(["category!": .string, "threshold!": .string, "method": .string])),
        "generationConfig": Self.generation, "cachedContent": .string, "labels": .map(.string), "model": .string,
        "serviceTier": .string,
    ])

    static let embed = MockShape.object([
        "model": .string, "content!": Self.content, "taskType": .string, "title": .string,
        "outputDimensionality": .whole(1...4096),
    ])
    static let batch = MockShape.object(["requests!": .array(Self.embed, 1...100)])
}
