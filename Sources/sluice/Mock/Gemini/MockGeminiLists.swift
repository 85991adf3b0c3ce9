import SluiceWire

/// Google's answers that no model makes: embeddings, models and counts.
enum MockGeminiLists {
    static func answer(_ request: HTTPRequest, _ style: MockStyle) -> HTTPResponse? {
        if request.method == .get, request.path == "/v1beta/models" {
            return Self.json(["models": [["name": "models/gemini-mock", "displayName": "Gemini Mock"]]])
        }
        guard request.method == .post, let target = MockGeminiTarget(path: request.path),
            ["embedContent", "batchEmbedContents", "predict", "countTokens"].contains(target.verb)
        else { return nil }
        do throws(MockRefusal) {
            try MockGemini.authenticate(request, style, isVertex: target.isVertex)
            let root = try MockGemini.document(request, "Invalid JSON payload received. Expected an object")
            return Self.json(try Self.body(target, root))
        } catch {
            guard let call = MockGeminiCall(path: "/v1beta/models/x:generateContent", query: []) else { return nil }
            return MockGemini(call: call).refuse(error, number: 0, retryAfter: 1)
        }
    }

    private static func json(_ body: MockJSON) -> HTTPResponse {
        HTTPResponse(headers: HTTPFields([("Content-Type", "application/json")]), body: .bytes(body.bytes))
    }

    private static func body(_ target: MockGeminiTarget, _ root: MockJSON) throws(MockRefusal) -> MockJSON {
        switch target.verb {
        case "embedContent":
            let root = try MockGeminiReader.checked(root, MockGeminiShape.embed)
            return ["embedding": ["values": Self.values(root["outputDimensionality"]?.int)]]
        case "batchEmbedContents":
            let root = try MockGeminiReader.checked(root, MockGeminiShape.batch)
            var found: [MockJSON] = []
            for request in root["requests"]?.elements ?? [] {
                guard request["model"] == .string("models/\(target.model)") else {
                    throw .invalid("* BatchEmbedContentsRequest.requests[0].model: unexpected model name format\n")
                }
                found.append(["values": Self.values(request["outputDimensionality"]?.int)])
            }
            return ["embeddings": .array(found)]
        case "predict":
            let count = root["parameters"]?["outputDimensionality"]?.int
            let instances = root["instances"]?.elements ?? []
            guard !instances.isEmpty, instances.allSatisfy({ $0["content"]?.string != nil }) else {
                throw .invalid("instances must have content")
            }
            return [
                "predictions": .array(
                    instances.map { instance in
                        let tokens = (instance["content"]?.string?.utf8.count ?? 0) / 4 + 1
                        return [
                            "embeddings": [
                                "values": Self.values(count),
                                "statistics": ["token_count": .int(tokens), "truncated": false],
                            ]
                        ]
                    }
                )
            ]
        default: return ["totalTokens": .int(max(1, root["contents"]?.text.utf8.count ?? 0) / 4)]
        }
    }

    static func values(_ count: Int?) -> MockJSON {
        let count = min(max(count ?? 8, 1), 4096)
        return .array((0..<count).map { .number(Double($0 + 1) / Double(count)) })
    }
}
