import SluiceBasics
import SluiceGateway
import SluiceWire

/// The last requests that arrived, for whoever wants to see what a provider was sent.
final class MockRecorder: Sendable {
    private struct Entry: Sendable {
        var number: Int
        var request: HTTPRequest
    }

    private struct State: Sendable {
        var entries: [Entry] = []
        var bytes = 0
        var count = 0
    }

    static let maximumEntries = 256
    static let maximumBytes = 32 << 20
    private let state = Lock(State())

    /// Answers the request's number.
    func record(_ request: HTTPRequest) -> Int {
        self.state.withLock { state in
            state.count += 1
            state.entries.append(Entry(number: state.count, request: request))
            state.bytes += request.body.count
            var excess = max(0, state.entries.count - Self.maximumEntries)
            var bytes = state.entries.prefix(excess).reduce(state.bytes) { $0 - $1.request.body.count }
            while bytes > Self.maximumBytes, excess < state.entries.count {
                bytes -= state.entries[excess].request.body.count
                excess += 1
            }
            state.entries.removeFirst(excess)
            state.bytes = bytes
            return state.count
        }
    }

    func reset() { self.state.withLock { $0 = State() } }

    /// - Parameter last: only so many, the newest.
    func report(last: Int?) -> [UInt8] {
        let entries = self.state.withLock { $0.entries }
        let body = MockJSON.array(entries.suffix(max(0, last ?? Self.maximumEntries)).map { Self.tell($0) })
        return MockJSON.object([.init(name: "requests", value: body)]).bytes
    }

    private static func tell(_ entry: Entry) -> MockJSON {
        let request = entry.request
        var headers: [MockJSON.Member] = []
        for (name, value) in request.headers.pairs {
            let name = name.lowercased()
            headers.append(.init(name: name, value: .string(Self.redacted(name, value))))
        }
        var query: [MockJSON.Member] = []
        for (name, value) in request.query {
            query.append(.init(name: name, value: .string(name == "key" ? Self.fingerprint(value) : value)))
        }
        return [
            "number": .int(entry.number), "method": .string(request.method.rawValue), "path": .string(request.path),
            "query": .object(query), "headers": .object(headers),
            "body": (try? MockJSON(bytes: request.body)) ?? .string(String(decoding: request.body, as: UTF8.self)),
        ]
    }

    private static let secrets = ["x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token", "cookie"]

    private static func redacted(_ name: String, _ value: String) -> String {
        if Self.secrets.contains(name) { return Self.fingerprint(value) }
        guard name == "authorization", !value.hasPrefix("AWS4-HMAC-SHA256") else { return value }
        guard let space = value.firstIndex(of: " ") else { return Self.fingerprint(value) }
        return value[...space] + Self.fingerprint(String(value[value.index(after: space)...]))
    }

    /// The first letters and a part of the digest: enough to tell which key it was.
    static func fingerprint(_ key: String) -> String {
        "\(key.prefix(4))…\(Digest.hex(Array(Digest.sha256(Array(key.utf8)).prefix(6))))"
    }
}
