import SluiceWire

/// What a client speaks: how its request is read, and how it is answered.
enum Dialect: Sendable {
    case chat(includesUsage: Bool, usesFunctions: Bool)
    case completions(CompletionsFace.Form)
    case responses(ResponsesEcho)
    /// What is known of the prompt before the provider has counted it, for the stream's first event.
    case messages(promptEstimate: Int)
    case embeddings(EmbeddingRequest)

    /// Reads what is asked for.
    ///
    /// - Throws: `badRequest`, which names the field.
    static func read(_ ask: BackendAsk) throws(ProviderError) -> (Dialect, ChatRequest) {
        do throws(InvalidRequest) {
            switch ask.operation {
            case .completions:
                let call = try CompletionsFace.call(ask.body)
                return (.completions(call.form), call.request)
            case .responses:
                let call = try ResponsesFace.call(ask.body)
                return (.responses(call.echo), call.request)
            case .messages:
                var request = try AnthropicFace.request(ask.body, headers: ask.clientHeaders)
                // Its streams always tell.
                request.includesUsage = request.isStream
                return (.messages(promptEstimate: ask.promptEstimate), request)
            case .chatCompletions, .embeddings, .models:
                let request = try ChatRequest(openAI: ask.body)
                return (.chat(includesUsage: request.includesUsage, usesFunctions: request.usesFunctions), request)
            }
        } catch {
            throw ProviderError(error)
        }
    }

    static func embeddings(_ body: [UInt8]) throws(ProviderError) -> EmbeddingRequest {
        do throws(InvalidRequest) {
            return try EmbeddingRequest(openAI: body)
        } catch {
            throw ProviderError(error)
        }
    }

    /// A whole answer.
    func write(_ response: ChatResponse) -> [UInt8] {
        switch self {
        case .completions(let form): CompletionsFace.answer(response, form: form)
        case .responses(let echo): ResponsesFace.answer(response, echo: echo)
        case .messages: AnthropicFace.answer(response)
        case .chat(_, usesFunctions: true): response.sayingFunctionCall.openAIBody()
        case .chat, .embeddings: response.openAIBody()
        }
    }

    func encoder(_ prepared: PreparedCall) -> DialectEncoder {
        switch self {
        case .completions(let form):
            .completions(
                CompletionsStreamEncoder(
                    form: form,
                    model: prepared.model,
                    id: prepared.requestID,
                    now: prepared.now
                )
            )
        case .responses(let echo):
            .responses(
                ResponsesStreamEncoder(echo: echo, model: prepared.model, id: prepared.requestID, now: prepared.now)
            )
        case .messages(let tokens): .messages(AnthropicStreamEncoder(inputTokens: tokens))
        case .chat(let includesUsage, let usesFunctions):
            .chat(OpenAIStreamEncoder(includesUsage: includesUsage, usesFunctions: usesFunctions))
        case .embeddings: .chat(OpenAIStreamEncoder(includesUsage: false))
        }
    }
}

/// Writes the events of an answer as the client's dialect has them.
enum DialectEncoder: Sendable {
    case chat(OpenAIStreamEncoder)
    case completions(CompletionsStreamEncoder)
    case responses(ResponsesStreamEncoder)
    case messages(AnthropicStreamEncoder)

    mutating func encode(_ event: ChatStreamEvent, into bytes: inout [UInt8]) {
        // Each is taken out and put back, so that what it holds is not copied.
        switch consume self {
        case .chat(var encoder):
            encoder.encode(event, into: &bytes)
            self = .chat(encoder)
        case .completions(var encoder):
            encoder.encode(event, into: &bytes)
            self = .completions(encoder)
        case .responses(var encoder):
            encoder.encode(event, into: &bytes)
            self = .responses(encoder)
        case .messages(var encoder):
            encoder.encode(event, into: &bytes)
            self = .messages(encoder)
        }
    }

    mutating func fail(_ error: ProviderError, into bytes: inout [UInt8]) {
        switch consume self {
        case .chat(var encoder):
            encoder.encode(failure: error, into: &bytes)
            self = .chat(encoder)
        case .completions(var encoder):
            encoder.fail(error, into: &bytes)
            self = .completions(encoder)
        case .responses(var encoder):
            encoder.fail(error, into: &bytes)
            self = .responses(encoder)
        case .messages(var encoder):
            encoder.fail(error, into: &bytes)
            self = .messages(encoder)
        }
    }
}

extension ProviderError {
    /// What the client got wrong.
    package init(_ fault: InvalidRequest) {
        self.init(.badRequest, fault.message, code: fault.code, parameter: fault.param)
    }
}
