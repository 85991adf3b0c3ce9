import SluiceWire

extension EmbeddingRequest {
    /// Reads the body of `POST /v1/embeddings`.
    package init(openAI body: [UInt8]) throws(InvalidRequest) {
        do {
            self = try JSON.read(body) { root throws(InvalidRequest) in try EmbeddingRequest(openAI: root) }
        } catch let error as InvalidRequest {
            throw error
        } catch let error as JSONError {
            throw InvalidRequest(error.message, code: "invalid_json")
        } catch {
            throw InvalidRequest("The body could not be read.", code: "invalid_json")
        }
    }

    package init(openAI root: JSONValue) throws(InvalidRequest) {
        do throws(FieldFault) {
            try self.init(reading: root)
        } catch {
            throw error.invalidRequest
        }
    }

    private init(reading root: JSONValue) throws(FieldFault) {
        self.init(model: "", texts: [])
        var hasModel = false
        var hasInput = false
        try root.members("") { name, value throws(FieldFault) in
            switch name {
            case "model":
                self.model = try value.string(name)
                hasModel = true
            case "input":
                self.input = try Self.input(value)
                hasInput = true
            case "dimensions": self.dimensions = try value.int(name)
            case "encoding_format":
                guard let encoding = Encoding(rawValue: try value.string(name)) else {
                    throw FieldFault(name, "must be 'float' or 'base64'", code: "invalid_value")
                }
                self.encoding = encoding
            case "user": self.user = try value.string(name)
            default: self.additional.append(JSONField(name, value.text))
            }
        }
        guard hasModel else { throw .missing("model") }
        guard hasInput else { throw .missing("input") }
    }

    /// A text, texts, a text as tokens, or texts as tokens.
    private static func input(_ value: JSONValue) throws(FieldFault) -> Input {
        if let text = value.string { return .texts([text]) }
        guard value.kind == .array else { throw FieldFault("input", "must be a string or a list") }
        var first: JSONValue.Kind?
        value.forEachElement { element in
            first = element.kind
            return false
        }
        switch first {
        case .number: return .tokens([try Self.tokens(value, "input")])
        case .array:
            var lists: [[Int]] = []
            try value.elements("input") { value throws(FieldFault) in lists.append(try Self.tokens(value, "")) }
            return .tokens(lists)
        case nil: throw FieldFault("input", "must not be empty", code: "invalid_value")
        default: return .texts(try value.strings("input"))
        }
    }

    private static func tokens(_ value: JSONValue, _ name: String) throws(FieldFault) -> [Int] {
        var tokens: [Int] = []
        tokens.reserveCapacity(value.count)
        try value.elements(name) { value throws(FieldFault) in tokens.append(try value.int("")) }
        return tokens
    }

    /// The body of `POST /v1/embeddings`.
    package func openAIBody() -> [UInt8] {
        var json = JSONWriter(reserving: 1024)
        json.object { json in
            json.field("model", self.model)
            switch self.input {
            case .texts(let texts): json.strings("input", texts)
            case .tokens(let lists):
                json.array("input") { json in
                    for list in lists { json.array { json in for token in list { json.value(token) } } }
                }
            }
            json.known("dimensions", self.dimensions)
            json.known("encoding_format", self.encoding?.rawValue)
            json.known("user", self.user)
            for field in self.additional { json.field(field.name, field.value) }
        }
        return json.bytes
    }
}

extension EmbeddingResponse {
    /// Reads an answer to `POST /v1/embeddings`, vectors as numbers or in base64.
    package init(openAI body: [UInt8], provider: String) throws(ProviderError) {
        do {
            self = try JSON.read(body) { root throws(ProviderError) in
                try EmbeddingResponse(openAI: root, provider: provider)
            }
        } catch let error as ProviderError {
            throw error
        } catch {
            throw .malformed(provider, "it is not JSON")
        }
    }

    package init(openAI root: JSONValue, provider: String) throws(ProviderError) {
        if let error = root["error"], OpenAIErrorBody.isError(error) {
            throw ProviderError(openAIError: error, inside: root, provider: provider)
        }
        guard let data = root["data"], data.kind == .array else {
            throw .malformed(provider, "the field 'data' is missing")
        }
        var placed: [(index: Int, vector: [Float])] = []
        placed.reserveCapacity(data.count)
        var isGood = true
        data.forEachElement { element in
            let vector = element["embedding"].flatMap(Self.vector)
            if let vector { placed.append((element["index"]?.int ?? placed.count, vector)) }
            isGood = vector != nil
            return isGood
        }
        guard isGood else { throw .malformed(provider, "an element of 'data' holds no vector") }
        placed.sort { $0.index < $1.index }
        self.init(
            model: root["model"]?.string ?? "",
            vectors: placed.map(\.vector),
            promptTokens: root["usage"]?["prompt_tokens"]?.int.map { max(0, $0) }
        )
    }

    private static func vector(_ value: JSONValue) -> [Float]? {
        if let text = value.string {
            guard let bytes = Base64.decode(text.utf8), bytes.count.isMultiple(of: 4) else { return nil }
            return stride(from: 0, to: bytes.count, by: 4).map { start in
                let bits = bytes[start..<(start + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                return Float(bitPattern: bits)
            }
        }
        guard value.kind == .array else { return nil }
        var vector: [Float] = []
        vector.reserveCapacity(value.count)
        value.forEachElement { element in
            guard let number = element.double else { return false }
            vector.append(Float(number))
            return true
        }
        return vector.count == value.count ? vector : nil
    }

    /// The body of an answer to `POST /v1/embeddings`.
    ///
    /// - Parameter encoding: as the request asked.
    package func openAIBody(encoding: EmbeddingRequest.Encoding = .float) -> [UInt8] {
        var json = JSONWriter(reserving: 256 + self.vectors.reduce(0) { $0 + $1.count * 12 })
        json.object { json in
            json.field("object", "list")
            json.array("data") { json in
                for (index, vector) in self.vectors.enumerated() {
                    json.object { json in
                        json.field("object", "embedding")
                        json.field("index", index)
                        Self.write(vector, encoding, to: &json)
                    }
                }
            }
            json.field("model", self.model)
            json.object("usage") { json in
                json.field("prompt_tokens", self.promptTokens ?? 0)
                json.field("total_tokens", self.promptTokens ?? 0)
            }
        }
        return json.bytes
    }

    private static func write(_ vector: [Float], _ encoding: EmbeddingRequest.Encoding, to json: inout JSONWriter) {
        switch encoding {
        case .float:
            json.array("embedding") { json in
                // The shortest text that reads back as the same number of 32 bits.
                for value in vector { json.rawValue(value.isFinite ? Array(value.description.utf8) : [0x30]) }
            }
        case .base64:
            var bytes: [UInt8] = []
            bytes.reserveCapacity(vector.count * 4)
            for value in vector {
                for shift in stride(from: UInt32(0), to: 32, by: 8) {
                    bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
                }
            }
            json.field("embedding", Base64.encode(bytes))
        }
    }
}
