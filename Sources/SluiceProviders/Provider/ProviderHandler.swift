import SluiceWire

/// A provider as pure functions: what is sent for a request, and what its answers mean. Whoever calls does the I/O.
package protocol ProviderHandler: Sendable {
    /// The registry's name, e.g. `anthropic`.
    var provider: String { get }

    /// - Throws: `badRequest` for what the provider cannot be asked, `unsupportedParameter` where the policy says so.
    func prepare(_ call: ProviderCall) throws(ProviderError) -> PreparedCall
    /// - Parameter response: with a status of success.
    func answer(_ response: HTTPClientResponse, to call: PreparedCall) throws(ProviderError) -> ChatResponse
    /// What an answer with another status means. Never fails: what cannot be understood is told by its status.
    ///
    /// - Parameter now: seconds since 1970, for dates in headers.
    func failure(_ response: HTTPClientResponse, now: Int) -> ProviderError
    /// Reads the body of one streamed answer.
    func decoder(_ headers: HTTPFields, for call: PreparedCall) -> any ChatStreamDecoder

    /// Embeddings; a provider without them need not say anything.
    func prepare(_ call: EmbeddingCall) throws(ProviderError) -> PreparedCall
    func embeddings(
        _ response: HTTPClientResponse,
        to call: PreparedCall
    ) throws(ProviderError) -> EmbeddingResponse
}

/// Reads a provider's stream, however its bytes are cut.
package protocol ChatStreamDecoder: Sendable {
    /// - Throws: what the provider reports inside its stream, or what shows that the stream is broken. The decoder is
    ///   of no use afterwards.
    mutating func feed(_ bytes: [UInt8], _ emit: (ChatStreamEvent) -> Void) throws(ProviderError)
    /// The body has ended. Emits what is still missing, `done` last.
    ///
    /// - Throws: `ProviderError.truncated` unless the provider has said that it is complete.
    mutating func finish(_ emit: (ChatStreamEvent) -> Void) throws(ProviderError)
}

/// Where a provider is and who asks it.
package struct ProviderEndpoint: Sendable {
    /// Ends without a slash, e.g. `https://api.anthropic.com`.
    package var baseURL: String
    package var credential: ProviderCredential
    /// Sent with every call, in place of ours of the same name.
    package var headers: [(String, String)] = []
    /// `api_version`, `region`, `project`, `location`, `organization`, … by the provider's registry row.
    package var settings: [String: String] = [:]
    package var unsupported: UnsupportedParameterPolicy = .drop
    /// Whether streams that pass are asked for their usage where the client does not ask.
    package var asksForUsage = false

    package init(baseURL: String, credential: ProviderCredential) {
        self.baseURL = baseURL
        self.credential = credential
    }
}

package enum ProviderCredential: Sendable {
    case none
    /// The provider's own header for keys.
    case key(String)
    /// `Authorization: Bearer`.
    case bearer(String)
    case aws(accessKey: String, secretKey: String, sessionToken: String?)

    fileprivate var secrets: [String] {
        switch self {
        case .none: []
        case .key(let secret), .bearer(let secret): [secret]
        case .aws(_, let secret, let token): [secret] + (token.map { [$0] } ?? [])
        }
    }
}

extension ProviderEndpoint {
    /// What nobody but the provider may see: its credential, and what configured headers hold.
    package var secrets: [String] {
        let values = self.headers.filter { name, value in
            let name = name.lowercased()
            return value.utf8.count >= 8 && (name.contains("key") || name.contains("auth") || name.contains("token"))
        }
        return self.credential.secrets + values.map(\.1)
    }
}

/// What becomes of parameters that a provider cannot express.
package enum UnsupportedParameterPolicy: String, Sendable, CaseIterable {
    /// Left out, and named in the answer's header `x-sluice-dropped-params`.
    case drop
    /// The request is refused; the error names all of them.
    case error
    /// Sent as they are.
    case pass
}

/// A request for chat on its way to a provider.
package struct ProviderCall: Sendable {
    /// `model` is the provider's own name of it, without any prefix.
    package var request: ChatRequest
    package var endpoint: ProviderEndpoint
    /// Seconds since 1970, for signatures and for answers without a date.
    package var now: Int
    /// Names the answer if the provider does not.
    package var requestID: String

    package init(request: ChatRequest, endpoint: ProviderEndpoint, now: Int, requestID: String) {
        self.request = request
        self.endpoint = endpoint
        self.now = now
        self.requestID = requestID
    }
}

package struct EmbeddingCall: Sendable {
    package var request: EmbeddingRequest
    package var endpoint: ProviderEndpoint
    package var now: Int
    package var requestID: String

    package init(request: EmbeddingRequest, endpoint: ProviderEndpoint, now: Int, requestID: String) {
        self.request = request
        self.endpoint = endpoint
        self.now = now
        self.requestID = requestID
    }
}

/// What is sent, and what has to be remembered to understand the answer.
package struct PreparedCall: Sendable {
    package var method: HTTPMethod = .post
    package var url: String
    package var headers: HTTPFields
    package var body: [UInt8]
    /// Names of parameters that were left out.
    package var dropped: [String] = []
    /// Changed names of tools: what the provider says → what the client said.
    package var toolNames: [String: String] = [:]
    /// The client's names of tools that take plain text, where the provider knows none of that kind.
    package var customTools: Set<String> = []
    /// The model as asked of the provider.
    package var model: String
    package var isStream: Bool
    /// Number of choices that were asked for.
    package var choiceCount = 1
    package var now: Int
    package var requestID: String
    /// Whether the answer comes as a call of a tool that stands for the response format.
    package var formatTool: String?

    package init(url: String, headers: HTTPFields, body: [UInt8], for call: ProviderCall) {
        self.url = url
        self.headers = headers
        self.body = body
        self.model = call.request.model
        self.isStream = call.request.isStream
        self.choiceCount = max(1, call.request.choiceCount ?? 1)
        self.now = call.now
        self.requestID = call.requestID
    }

    package init(url: String, headers: HTTPFields, body: [UInt8], for call: EmbeddingCall) {
        self.url = url
        self.headers = headers
        self.body = body
        self.model = call.request.model
        self.isStream = false
        self.now = call.now
        self.requestID = call.requestID
    }
}

extension ProviderHandler {
    package func prepare(_ call: EmbeddingCall) throws(ProviderError) -> PreparedCall {
        throw ProviderError(
            .badRequest,
            "provider '\(self.provider)' offers no embeddings here; use a model of another provider",
            provider: self.provider,
            code: "unsupported_operation"
        )
    }

    package func embeddings(
        _ response: HTTPClientResponse,
        to call: PreparedCall
    ) throws(ProviderError) -> EmbeddingResponse {
        throw .malformed(self.provider, "it was not asked for embeddings")
    }
}
