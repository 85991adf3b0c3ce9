import SluiceWire

extension AnthropicFace {
    /// An error in OpenAI's shape as one in Anthropic's; the status stays.
    package static func error(status: Int, openAIBody: [UInt8], requestID: String?) -> [UInt8] {
        var message = "The request failed with status \(status)."
        var code: String?
        _ = try? JSON.read(openAIBody) { root in
            let error = root["error"] ?? root
            if let text = (error["message"] ?? root["message"])?.string ?? error.string { message = text }
            code = error["code"]?.string
        }
        return Self.error(Self.errorType(status, code), message, code, requestID)
    }

    package static func error(_ error: ProviderError) -> [UInt8] {
        Self.error(Self.errorType(error.kind), error.message, error.code, error.requestID)
    }

    /// An error of ours.
    package static func error(status: Int, _ request: InvalidRequest, requestID: String?) -> [UInt8] {
        Self.error(Self.errorType(status, request.code), request.message, request.code, requestID)
    }

    private static func error(
        _ type: String,
        _ message: String,
        _ code: String?,
        _ requestID: String?
    ) -> [UInt8] {
        var json = JSONWriter(reserving: 256)
        json.object { json in
            json.field("type", "error")
            json.object("error") { json in
                json.field("type", type)
                json.field("message", message)
                if let code, code != type { json.object("details") { $0.field("error_code", code) } }
            }
            if let requestID { json.field("request_id", requestID) }
        }
        return json.bytes
    }

    /// - Parameter code: the machine word, where the status alone does not tell.
    static func errorType(_ status: Int, _ code: String?) -> String {
        switch status {
        case 401: "authentication_error"
        case 402: "billing_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 408, 504: "timeout_error"
        case 413: "request_too_large"
        case 429: code == "insufficient_quota" ? "billing_error" : "rate_limit_error"
        case 503, 529: "overloaded_error"
        case 400..<500: "invalid_request_error"
        default: "api_error"
        }
    }

    static func errorType(_ kind: ProviderError.Kind) -> String {
        switch kind {
        case .authentication: "authentication_error"
        case .permission: "permission_error"
        case .notFound: "not_found_error"
        case .payloadTooLarge: "request_too_large"
        case .rateLimit: "rate_limit_error"
        case .budget: "billing_error"
        case .timeout: "timeout_error"
        case .serviceUnavailable: "overloaded_error"
        case .badRequest, .contextWindowExceeded, .contentPolicy, .unsupportedParameter, .unsupportedProvider,
            .cancelled:
            "invalid_request_error"
        case .connection, .internalError, .badGateway: "api_error"
        }
    }
}
