import SluiceWire

extension ProviderError {
    /// The status of the answer that tells a client. A provider's own 4xx is kept where it says more than the kind.
    package var httpStatus: Int {
        if self.kind == .badRequest, let status = self.status, [405, 409, 415, 422].contains(status) { return status }
        return self.kind.httpStatus
    }

    /// The body of an answer with `httpStatus`, in OpenAI's shape.
    package var openAIBody: [UInt8] {
        var json = JSONWriter(reserving: 192)
        self.writeOpenAI(to: &json)
        return json.bytes
    }

    package func writeOpenAI(to json: inout JSONWriter) {
        json.object { json in
            json.object("error") { json in
                json.field("message", self.message)
                json.field("type", self.kind.openAIType)
                json.field("param", self.parameter)
                json.field("code", self.openAICode)
            }
        }
    }

    /// The machine word that OpenAI's clients look for, else the provider's own.
    private var openAICode: String? {
        switch self.kind {
        case .contextWindowExceeded: "context_length_exceeded"
        case .contentPolicy: self.code == "content_filter" ? "content_filter" : "content_policy_violation"
        case .unsupportedParameter: "unsupported_parameter"
        case .unsupportedProvider: "unsupported_provider"
        case .budget: "insufficient_quota"
        case .rateLimit: "rate_limit_exceeded"
        case .authentication: self.code ?? "invalid_api_key"
        case .notFound: self.code ?? "model_not_found"
        default: self.code
        }
    }
}

extension ProviderError.Kind {
    /// `type` of an error in OpenAI's shape.
    package var openAIType: String {
        switch self {
        case .authentication: "authentication_error"
        case .permission: "permission_error"
        case .notFound: "not_found_error"
        case .rateLimit: "rate_limit_error"
        case .budget: "insufficient_quota"
        case .timeout: "timeout_error"
        case .serviceUnavailable: "overloaded_error"
        case .internalError, .badGateway, .connection, .cancelled: "server_error"
        case .badRequest, .contextWindowExceeded, .contentPolicy, .unsupportedParameter, .payloadTooLarge,
            .unsupportedProvider:
            "invalid_request_error"
        }
    }
}
