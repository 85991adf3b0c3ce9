import SluiceDoctor
import SluiceProviders
import SluiceWire

/// What the view asks of the gateway, and how it reads the answers.
enum TopFetch {
    /// Why there is nothing new, in a sentence.
    struct Trouble: Error, Equatable {
        var message: String
    }

    /// All that one look costs the gateway.
    static func paths(limit: Int) -> [String] { ["/api/pools", "/api/llm-dispatch/runtime?limit=\(limit)"] }

    /// Asked once for each time that the gateway was found.
    static let identityPaths = ["/healthz", "/api/version"]

    static func observation(_ answers: [HTTPClientResponse], at: Double) throws(Trouble) -> TopObservation {
        for answer in answers { try Self.check(answer) }
        guard answers.count == 2 else { throw Trouble(message: "an answer is missing") }
        do {
            let date = answers[1].headers["date"].flatMap { HTTPDate.seconds($0, now: 0) }
            return TopObservation(
                at: at,
                gatewayTime: date.map { Double($0) },
                pools: try PoolReading.read(answers[0].body),
                runtime: try RuntimeReading.read(answers[1].body)
            )
        } catch {
            throw Trouble(message: "the answer cannot be read: \(error). Does a Sluice gateway listen there?")
        }
    }

    static func identity(_ answers: [HTTPClientResponse], at: Double) -> GatewayIdentity {
        var identity = GatewayIdentity()
        guard answers.count == 2 else { return identity }
        // A gateway that is stuck answers 503, with the same fields.
        let uptime = try? JSON.read(answers[0].body) { $0["uptime_seconds"]?.measured }
        if let seconds = uptime ?? nil { identity.uptime = (seconds, at) }
        let version = try? JSON.read(answers[1].body) { $0["version"]?.string }
        identity.version = version ?? nil
        return identity
    }

    static func check(_ answer: HTTPClientResponse) throws(Trouble) {
        guard !(200..<300).contains(answer.status) else { return }
        let said = try? JSON.read(answer.body) { $0["error"]?["message"]?.string }
        let message = (said ?? nil) ?? "the server answered with status \(answer.status)"
        throw Trouble(
            message: [401, 403].contains(answer.status)
                ? "the key is refused: \(message) Name an operator's key with --key-file or SLUICE_API_KEY." : message
        )
    }
}
