/// Texts to be turned into vectors.
public struct EmbeddingRequest: Sendable, Equatable {
    public enum Input: Sendable, Equatable {
        case texts([String])
        /// Texts as a tokenizer's numbers.
        case tokens([[Int]])
    }

    public enum Encoding: String, Sendable {
        case float
        case base64
    }

    public var model: String
    public var input: Input
    /// Length of the vectors; `nil`: the model's own.
    public var dimensions: Int?
    public var encoding: Encoding?
    public var user: String?
    /// Members that have no name here, in order.
    public var additional: [JSONField] = []

    public init(model: String, input: Input) {
        self.model = model
        self.input = input
    }

    public init(model: String, texts: [String]) { self.init(model: model, input: .texts(texts)) }
}

/// Vectors, in the order of the texts.
public struct EmbeddingResponse: Sendable, Equatable {
    public var model: String
    public var vectors: [[Float]]
    public var promptTokens: Int?

    public init(model: String, vectors: [[Float]], promptTokens: Int? = nil) {
        self.model = model
        self.vectors = vectors
        self.promptTokens = promptTokens
    }
}
