import SluiceWire

/// Where a pool's work goes: the lists of the fabric, one provider, or whichever provider a model's name says.
package struct Backend: Sendable {
    package enum Way: Sendable {
        case fabric
        case fixed(BackendTarget)
        case byModel(BackendDirectory)
    }

    package let name: String
    package let way: Way
    /// Client's name of a model → the provider's, or `provider/model` where it is looked up by name.
    package let modelAliases: [String: String]

    package init(name: String, way: Way, modelAliases: [String: String] = [:]) {
        self.name = name
        self.way = way
        self.modelAliases = modelAliases
    }

    package static func fabric(_ name: String = "fabric") -> Backend { Backend(name: name, way: .fabric) }

    /// An OpenAI-compatible server that gets what clients send.
    package static func openAI(_ native: OpenAIBackend) -> Backend {
        Backend(name: native.name, way: .fixed(BackendTarget(native)), modelAliases: native.modelAliases)
    }

    /// Whether it stands for the lists of the fabric rather than for a server.
    package var isFabric: Bool { if case .fabric = self.way { true } else { false } }

    /// Without user and password, for people.
    package var address: String {
        switch self.way {
        case .fabric: "fabric://"
        case .fixed(let target): OpenAIBackend.address(target.endpoint.baseURL)
        case .byModel: "by model"
        }
    }

    /// What clients must never see; of backends that go by the model's name it is not known here.
    package var secrets: [String] {
        if case .fixed(let target) = self.way { target.endpoint.secrets } else { [] }
    }

    /// Who answers for a model; `nil`: not known by name.
    package func provider(of model: String) -> String? {
        switch self.way {
        case .fabric: nil
        case .fixed(let target): target.provider
        case .byModel:
            (self.modelAliases[model] ?? model).split(separator: "/").first
                .flatMap { ProviderRegistry.entry(named: String($0))?.name }
        }
    }

    /// Asks for the models that it knows; `nil` where nobody answers that in OpenAI's way.
    package func modelsRequest(requestID: String, timeout: Duration, maximumResponseBytes: Int) -> HTTPClientRequest? {
        guard case .fixed(let target) = self.way, target.speaks(.models) else { return nil }
        let ask = BackendAsk(
            operation: .models,
            body: [],
            model: "",
            clientHeaders: HTTPFields(),
            requestID: requestID,
            timeout: timeout,
            maximumResponseBytes: maximumResponseBytes,
            allowsSilentResend: true,
            now: 0
        )
        return try? target.attempt(ask).request
    }

    /// One call for a request.
    ///
    /// - Throws: what shows before anything is sent: an unknown provider, a request that the provider cannot express.
    package func attempt(_ ask: BackendAsk) throws(ProviderError) -> BackendAttempt {
        switch self.way {
        case .fabric:
            throw ProviderError(.internalError, "the lists of the fabric are not called over HTTP", provider: self.name)
        case .fixed(let target):
            var ask = ask
            ask.model = ask.routedModel ?? ask.model
            ask.upstreamModel = self.modelAliases[ask.model] ?? target.ownName(of: ask.model) ?? ask.routedModel
            return try target.attempt(ask)
        case .byModel(let directory):
            var ask = ask
            ask.model = ask.routedModel ?? ask.model
            let (target, model) = try directory.find(self.modelAliases[ask.model] ?? ask.model)
            ask.upstreamModel = model
            return try target.attempt(ask)
        }
    }
}

/// Providers by name, for backends that look at the model's name.
package struct BackendDirectory: Sendable {
    /// - Throws: `unsupportedProvider`, which names the nearest ones.
    package let find: @Sendable (_ model: String) throws(ProviderError) -> (BackendTarget, model: String)

    package init(find: @escaping @Sendable (String) throws(ProviderError) -> (BackendTarget, model: String)) {
        self.find = find
    }
}

/// What a backend is asked.
package struct BackendAsk: Sendable {
    package var operation: OpenAIOperation
    package var body: [UInt8]
    /// As the client named it.
    package var model: String
    /// As the provider names it; `nil`: alike.
    package var upstreamModel: String?
    /// What the pool's target asks for instead of what the client named; aliases apply to it.
    package var routedModel: String?
    /// Whether the answer is to come as a stream.
    package var isStream = false
    package var clientHeaders: HTTPFields
    package var requestID: String
    package var timeout: Duration
    package var maximumResponseBytes: Int
    package var allowsSilentResend: Bool
    /// Tokens of the prompt, as far as they are known.
    package var promptEstimate = 0
    /// In place of the client's, where calls have spans of their own.
    package var traceparent: String?
    /// Seconds since 1970.
    package var now: Int

    package init(
        operation: OpenAIOperation,
        body: [UInt8],
        model: String,
        clientHeaders: HTTPFields,
        requestID: String,
        timeout: Duration,
        maximumResponseBytes: Int,
        allowsSilentResend: Bool,
        now: Int
    ) {
        self.operation = operation
        self.body = body
        self.model = model
        self.clientHeaders = clientHeaders
        self.requestID = requestID
        self.timeout = timeout
        self.maximumResponseBytes = maximumResponseBytes
        self.allowsSilentResend = allowsSilentResend
        self.now = now
    }
}

/// A call as it is sent, and how its answer is told to the client.
package struct BackendAttempt: Sendable {
    package var request: HTTPClientRequest
    /// `nil`: the answer passes as it is.
    package var translation: Translation?
    /// The stream was asked for its usage on our behalf: the client does not get to see the event that says it.
    package var withholdsUsage: Bool

    package init(request: HTTPClientRequest, translation: Translation? = nil, withholdsUsage: Bool = false) {
        self.request = request
        self.translation = translation
        self.withholdsUsage = withholdsUsage
    }
}
