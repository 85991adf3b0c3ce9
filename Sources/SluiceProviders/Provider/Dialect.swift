import SluiceWire

/// What a client speaks: how its request is read, and how it is answered.
enum Dialect: Sendable {
    case chat(includesUsage: Bool)
    case embeddings(EmbeddingRequest)

    /// Reads what is asked for.
    ///
    /// - Throws: `badRequest`, which names the field.
    static func read(_ ask: BackendAsk) throws(ProviderError) -> (Dialect, ChatRequest) {
        do throws(InvalidRequest) {
            switch ask.operation {
            case .completions, .responses, .messages:
                throw InvalidRequest("This model's provider does not offer '\(ask.operation.rawValue)'.")
            case .chatCompletions, .embeddings, .models:
                let request = try ChatRequest(openAI: ask.body)
                return (.chat(includesUsage: request.includesUsage), request)
            }
        } catch {
            throw ProviderError(error)
        }
    }

    static func embeddings(_ body: [UInt8]) throws(ProviderError) -> EmbeddingRequest {
        throw ProviderError(.badRequest, "this backend does not offer embeddings")
    }

    /// A whole answer.
    func write(_ response: ChatResponse) -> [UInt8] {
        switch self {
        case .chat, .embeddings: response.openAIBody()
        }
    }

    func encoder(_ prepared: PreparedCall) -> DialectEncoder {
        switch self {
        case .chat(let includesUsage): .chat(OpenAIStreamEncoder(includesUsage: includesUsage))
        case .embeddings: .chat(OpenAIStreamEncoder(includesUsage: false))
        }
    }
}

/// Writes the events of an answer as the client's dialect has them.
enum DialectEncoder: Sendable {
    case chat(OpenAIStreamEncoder)
    mutating func encode(_ event: ChatStreamEvent, into bytes: inout [UInt8]) {
        // Each is taken out and put back, so that what it holds is not copied.
        switch consume self {
        case .chat(var encoder):
            encoder.encode(event, into: &bytes)
            self = .chat(encoder)
        }
    }

    mutating func fail(_ error: ProviderError, into bytes: inout [UInt8]) {
        switch consume self {
        case .chat(var encoder):
            encoder.encode(failure: error, into: &bytes)
            self = .chat(encoder)
        }
    }
}

extension ProviderError {
    /// What the client got wrong.
    package init(_ fault: InvalidRequest) {
        self.init(.badRequest, fault.message, code: fault.code, parameter: fault.param)
    }
}
