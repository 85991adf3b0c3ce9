import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceWire

/// What the backend last said about its models. Whoever asks while it is being asked shares the answer.
final class ModelCatalogue: Sendable {
    typealias Answer = Result<HTTPClientResponse, HTTPClientError>

    private struct State {
        var known: (response: HTTPClientResponse, at: Instant)?
        /// `nil` unless the backend is being asked.
        var waiters: [CheckedContinuation<Answer, Never>]?
    }

    static let lifetime = Duration.seconds(30)
    /// Also the longest wait of anybody.
    static let timeout = Duration.seconds(10)
    private let state = Lock(State())

    /// - Parameter ask: calls the backend; started when nothing fresh is known and nobody is asking. `settle` has to
    ///   follow.
    func answer(at now: Instant, _ ask: () -> Void) async -> Answer {
        await withCheckedContinuation { continuation in
            enum Way {
                case known(HTTPClientResponse)
                case ask
                case wait
            }
            let way = self.state.withLock { state -> Way in
                if let known = state.known, now - known.at < Self.lifetime { return .known(known.response) }
                guard state.waiters == nil else {
                    state.waiters?.append(continuation)
                    return .wait
                }
                state.waiters = [continuation]
                return .ask
            }
            switch way {
            case .known(let response): continuation.resume(returning: .success(response))
            case .ask: ask()
            case .wait: break
            }
        }
    }

    func settle(_ answer: Answer, at now: Instant) {
        let waiters = self.state.withLock { state in
            if case .success(let response) = answer, response.status == 200 { state.known = (response, now) }
            let waiters = state.waiters ?? []
            state.waiters = nil
            return waiters
        }
        for waiter in waiters { waiter.resume(returning: answer) }
    }
}

extension Gateway {
    /// The models of the pool that the caller's work goes to.
    func models(for caller: Caller, _ request: HTTPRequest) async throws(GatewayError) -> HTTPResponse {
        let pool = caller.defaultPool ?? caller.allowedPools?.sorted().first ?? self.configuration.defaultPool
        guard let backend = self.configuration.backends[pool], let catalogue = self.catalogues[backend.name] else {
            throw .notFound("The pool '\(pool)' has no backend to ask.", code: "pool_not_found")
        }
        if !self.configuration.models.isEmpty {
            let models = self.configuration.models.map { self.listedModel($0, backend, pool: pool) }
            return self.list(models, request)
        }
        let question = backend.modelsRequest(
            requestID: self.newID().description,
            timeout: ModelCatalogue.timeout,
            maximumResponseBytes: 4 << 20
        )
        // Lists carry work alone, and other providers' lists have other shapes: then it is what is configured.
        guard let question else { return self.list(self.listedModels(for: caller, backend, pool: pool), request) }
        let answer = await catalogue.answer(at: self.clock.now()) {
            // A task of its own: the client who asked first may go while others wait.
            _ = self.spawn { await self.askForModels(question, catalogue) }
        }
        do throws(HTTPClientError) {
            let response = try answer.get()
            guard response.status != 401 else {
                throw HTTPClientError(.malformed, message: "it does not accept this gateway's own API key", sent: true)
            }
            return Self.pass(response)
        } catch {
            throw GatewayError(
                status: error.kind == .timeout || error.kind == .connectTimeout ? 504 : 502,
                message: "Backend '\(backend.name)' could not be asked for its models: \(error.message).",
                type: "server_error",
                code: error.kind.rawValue
            )
        }
    }

    private func askForModels(_ request: HTTPClientRequest, _ catalogue: ModelCatalogue) async {
        let answer: ModelCatalogue.Answer
        do throws(HTTPClientError) {
            answer = .success(try await self.client.execute(request))
        } catch {
            answer = .failure(error)
        }
        catalogue.settle(answer, at: self.clock.now())
    }

    private static func pass(_ answer: HTTPClientResponse) -> HTTPResponse {
        HTTPResponse(
            status: answer.status,
            headers: OpenAIClassifier.passedHeaders(answer.headers),
            body: .bytes(answer.body)
        )
    }

    static func json(_ json: JSONWriter, status: Int = 200) -> HTTPResponse {
        HTTPResponse(
            status: status,
            headers: HTTPFields([("Content-Type", "application/json"), ("Cache-Control", "no-store")]),
            body: .bytes(json.bytes)
        )
    }
}
