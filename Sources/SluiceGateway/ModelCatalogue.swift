import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceWire

/// What the backend last said about its models.
final class ModelCatalogue: Sendable {
    struct Entry: Sendable {
        var response: HTTPClientResponse
        var at: Instant
    }

    static let lifetime = Duration.seconds(30)
    static let timeout = Duration.seconds(10)
    private let entry = Lock<Entry?>(nil)

    func fresh(at now: Instant) -> HTTPClientResponse? {
        self.entry.withLock { entry in
            guard let entry, now - entry.at < Self.lifetime else { return nil }
            return entry.response
        }
    }

    func keep(_ response: HTTPClientResponse, at now: Instant) {
        self.entry.withLock { $0 = Entry(response: response, at: now) }
    }
}

extension Gateway {
    func models() async throws(GatewayError) -> HTTPResponse {
        if !self.configuration.models.isEmpty { return self.configuredModels() }
        if let known = self.catalogue.fresh(at: self.clock.now()) { return Self.pass(known) }
        guard let backend = self.configuration.backends[self.configuration.defaultPool] else {
            throw .notFound("The default pool has no backend to ask.", code: "pool_not_found")
        }
        do throws(HTTPClientError) {
            let request = backend.request(
                .models,
                body: [],
                model: "",
                clientHeaders: HTTPFields(),
                requestID: self.newID().description,
                timeout: ModelCatalogue.timeout,
                maximumResponseBytes: 4 << 20
            )
            let answer = try await self.client.execute(request)
            if answer.status == 200 { self.catalogue.keep(answer, at: self.clock.now()) }
            return Self.pass(answer)
        } catch {
            throw GatewayError(
                status: error.kind == .timeout || error.kind == .connectTimeout ? 504 : 502,
                message: "Backend '\(backend.name)' could not be asked for its models: \(error.message).",
                type: "server_error",
                code: error.kind.rawValue
            )
        }
    }

    private static func pass(_ answer: HTTPClientResponse) -> HTTPResponse {
        HTTPResponse(
            status: answer.status,
            headers: OpenAIClassifier.passedHeaders(answer.headers),
            body: .bytes(answer.body)
        )
    }

    private func configuredModels() -> HTTPResponse {
        var json = JSONWriter()
        let created = Int(self.clock.wallClockNanoseconds() / 1_000_000_000)
        json.object { json in
            json.field("object", "list")
            json.array("data") { json in
                for model in self.configuration.models {
                    json.object { json in
                        json.field("id", model)
                        json.field("object", "model")
                        json.field("created", created)
                        json.field("owned_by", "sluice")
                    }
                }
            }
        }
        return Self.json(json)
    }

    static func json(_ json: JSONWriter, status: Int = 200) -> HTTPResponse {
        HTTPResponse(
            status: status,
            headers: HTTPFields([("Content-Type", "application/json"), ("Cache-Control", "no-store")]),
            body: .bytes(json.bytes)
        )
    }
}
