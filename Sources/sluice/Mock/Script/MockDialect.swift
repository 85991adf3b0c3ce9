import SluiceWire

/// A request that a provider refuses.
struct MockRefusal: Error, Sendable {
    var status: Int
    /// The provider's machine-readable word; the status's usual one when there is none.
    var kind: String?
    var message: String
    /// Where the error is, for providers that say so in a field.
    var parameter: String?

    init(_ status: Int, _ message: String, kind: String? = nil, parameter: String? = nil) {
        self.status = status
        self.kind = kind
        self.message = message
        self.parameter = parameter
    }

    static func invalid(_ message: String) -> MockRefusal { MockRefusal(400, message) }
}

/// A streamed answer in the parts that a provider writes.
struct MockFrames: Sendable {
    /// Everything before the proper end.
    var pieces: [[UInt8]] = []
    /// Without these the answer is not complete.
    var end: [[UInt8]] = []
    var contentType = "text/event-stream"
}

/// How one provider's requests are read and its answers are worded.
protocol MockDialect: Sendable {
    /// - Parameter epoch: seconds since 1970, for signatures that age.
    func authenticate(_ request: HTTPRequest, _ style: MockStyle, epoch: Int64) throws(MockRefusal)
    /// Checks a request as the provider would, and says what it asks for.
    func read(_ request: HTTPRequest) throws(MockRefusal) -> MockAsk
    /// The answer to a prompt that must not reach the model, for providers that refuse it.
    func block(_ ask: MockAsk) throws(MockRefusal)
    func whole(_ script: MockScript) -> MockJSON
    func frames(_ script: MockScript) -> MockFrames
    func refuse(_ refusal: MockRefusal, number: Int, retryAfter: Int) -> HTTPResponse
    func contextExceeded(_ ask: MockAsk) -> MockRefusal
    /// What keeps a stream alive and means nothing.
    var ping: [UInt8] { get }
    /// An error after the answer has begun.
    var brokenOff: [UInt8] { get }
    func headers(number: Int) -> HTTPFields
}

extension MockDialect {
    func block(_ ask: MockAsk) throws(MockRefusal) {}

    /// The body's document, or the refusal of what is none.
    static func document(_ request: HTTPRequest, _ words: String) throws(MockRefusal) -> MockJSON {
        do {
            let root = try MockJSON(bytes: request.body)
            guard root.isObject else { throw MockRefusal.invalid(words) }
            return root
        } catch let refusal as MockRefusal {
            throw refusal
        } catch {
            throw .invalid("\(words): \(error)")
        }
    }

    /// What a client sent as its key under `names`, in their order.
    static func bearer(_ request: HTTPRequest) -> String? {
        guard let value = request.headers["authorization"], value.lowercased().hasPrefix("bearer ") else { return nil }
        return String(value.dropFirst(7))
    }

    func answer(_ status: Int, _ body: MockJSON, _ headers: HTTPFields) -> HTTPResponse {
        var headers = headers
        headers.append("Content-Type", "application/json")
        return HTTPResponse(status: status, headers: headers, body: .bytes(body.bytes))
    }
}
