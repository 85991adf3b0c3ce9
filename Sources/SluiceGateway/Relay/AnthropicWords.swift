import SluiceProviders
import SluiceWire

/// What this gateway itself says to clients that speak Anthropic's dialect.
enum AnthropicWords {
    /// An answer as it is, but with the name by which Anthropic's clients know it, and an error in OpenAI's shape as
    /// Anthropic's.
    static func told(_ response: HTTPResponse) -> HTTPResponse {
        var told = response
        let name = response.headers["x-sluice-request-id"]
        if let name, response.headers.bytes(of: "request-id") == nil { told.headers.append("request-id", name) }
        guard response.status >= 400, case .bytes(let body) = response.body, !Self.isAnthropic(body) else {
            return told
        }
        told.body = .bytes(AnthropicFace.error(status: response.status, openAIBody: body, requestID: name))
        return told
    }

    /// Whether it is an error in Anthropic's own shape already, from a backend that speaks it.
    private static func isAnthropic(_ body: [UInt8]) -> Bool {
        (try? JSON.read(body) { $0["type"]?.string == "error" && $0["error"]?.kind == .object }) ?? false
    }
}

extension OpenAIOperation {
    /// The end of a stream that did not succeed, in the words of its dialect.
    func closing(_ error: GatewayError) -> [UInt8] { self.closing(status: error.status, errorBody: error.body) }

    func closing(status: Int, errorBody: [UInt8]) -> [UInt8] {
        guard self == .messages else {
            return SSEWriter.event(data: errorBody) + SSEWriter.event(data: Array("[DONE]".utf8))
        }
        let body = AnthropicFace.error(status: status, openAIBody: errorBody, requestID: nil)
        return SSEWriter.event(name: "error", data: body)
    }
}

extension Gateway {
    /// `POST /v1/messages/count_tokens`: an estimate, because nobody here has the model's tokenizer.
    func countTokens(_ request: HTTPRequest) throws(GatewayError) -> HTTPResponse {
        _ = try self.keys.caller(request.headers)
        do throws(InvalidRequest) {
            let body = try AnthropicFace.countTokens(request.body, headers: request.headers)
            return HTTPResponse(headers: HTTPFields([("Content-Type", "application/json")]), body: .bytes(body))
        } catch {
            throw GatewayError(error)
        }
    }
}
