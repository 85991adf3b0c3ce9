import SluiceWire

/// Cohere's embeddings, version 2.
enum MockCohereEmbed {
    static func answer(_ request: HTTPRequest, _ style: MockStyle) -> HTTPResponse? {
        guard request.path == "/v2/embed", request.method == .post else { return nil }
        let dialect = MockCohere()
        do throws(MockRefusal) {
            try dialect.authenticate(request, style, epoch: 0)
            let root = try MockCohere.document(request, "invalid request: body is not JSON")
            try MockCohereReader.check(root, MockCohereShape.embed)
            return dialect.answer(200, try Self.body(root), dialect.headers(number: 0))
        } catch {
            return dialect.refuse(error, number: 0, retryAfter: 1)
        }
    }

    private static func body(_ root: MockJSON) throws(MockRefusal) -> MockJSON {
        let inputs = ["texts", "images", "inputs"].compactMap { root[$0]?.elements }
        guard inputs.count == 1, let inputs = inputs.first else {
            throw .invalid("invalid request: exactly one of texts, images or inputs is required")
        }
        let values = MockGeminiLists.values(root["output_dimension"]?.int)
        let types = root["embedding_types"]?.elements.compactMap(\.string) ?? ["float"]
        let embeddings = types.map { type -> MockJSON.Member in
            let one: MockJSON
            switch type {
            case "float": one = values
            case "base64": one = .string(Base64.text(values.elements.flatMap { Self.littleEndian($0.number ?? 0) }))
            default: one = .array(values.elements.map { .int(Int(($0.number ?? 0) * 127)) })
            }
            return .init(name: type, value: .array(inputs.map { _ in one }))
        }
        let tokens = inputs.reduce(0) { $0 + max(1, ($1.string?.utf8.count ?? 4) / 4) }
        return [
            "id": "mock-embed", "embeddings": .object(embeddings), "texts": root["texts"] ?? [],
            "meta": ["api_version": ["version": "2"], "billed_units": ["input_tokens": .int(tokens)]],
            "response_type": "embeddings_by_type",
        ]
    }

    private static func littleEndian(_ value: Double) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: Float(value).bitPattern >> UInt32($0 * 8)) }
    }
}
