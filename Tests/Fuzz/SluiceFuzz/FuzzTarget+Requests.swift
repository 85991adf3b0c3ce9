import SluiceBasics
import SluiceProviders
import SluiceWire

extension FuzzTarget {
    /// Requests in every face's dialect, read, told in OpenAI's form, and put into every provider's.
    static let requests: [FuzzTarget] = [
        FuzzTarget("openai-request", .json, accepts: { (try? ChatRequest(openAI: $0)) != nil }) { bytes, random in
            guard let request = try? ChatRequest(openAI: bytes) else { return nil }
            return Self.check(request, &random)
        },
        FuzzTarget(
            "anthropic-request",
            .json,
            accepts: { (try? AnthropicFace.request($0, headers: HTTPFields())) != nil }
        ) { bytes, random in
            let version = Mutator.below(2, &random) == 0 ? "2023-06-01" : "2026-10-21"
            let headers = HTTPFields([("anthropic-version", version)])
            guard let request = try? AnthropicFace.request(bytes, headers: headers) else { return nil }
            return Self.check(request, &random)
        },
        FuzzTarget("responses-request", .json, accepts: { (try? ResponsesFace.request($0)) != nil }) { bytes, random in
            guard let request = try? ResponsesFace.request(bytes) else { return nil }
            return Self.check(request, &random, passesChat: true)
        },
        FuzzTarget("completions-request", .json, accepts: { (try? CompletionsFace.request($0)) != nil }) {
            bytes,
            random in
            guard let request = try? CompletionsFace.request(bytes) else { return nil }
            return Self.check(request, &random)
        },
        FuzzTarget("embedding-request", .json, accepts: { (try? EmbeddingRequest(openAI: $0)) != nil }) { bytes, _ in
            guard let request = try? EmbeddingRequest(openAI: bytes) else { return nil }
            guard let again = try? EmbeddingRequest(openAI: request.openAIBody()) else {
                return "it is lost in writing"
            }
            guard again == request else { return "it changes in writing" }
            for wire in Wires.all {
                let call = EmbeddingCall(request: request, endpoint: wire.endpoint, now: 0, requestID: "r")
                guard let prepared = try? wire.handler.prepare(call) else { continue }
                guard Wires.isJSON(prepared.body) else { return "\(wire.name) is sent what is no JSON" }
            }
            return nil
        },
        FuzzTarget("embedding-answer", .json, accepts: { Self.isEmbedding($0) }) { bytes, _ in
            for wire in Wires.all {
                let response = HTTPClientResponse(status: 200, body: bytes)
                guard let answer = try? wire.handler.embeddings(response, to: wire.call) else { continue }
                guard Wires.isJSON(answer.openAIBody()) else { return "\(wire.name)'s vectors are written as no JSON" }
            }
            return nil
        },
    ]

    private static let models = [
        "m", "gpt-5", "o3-mini", "claude-opus-4-7", "anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-pro-v1:0",
        "meta.llama3-3-70b-instruct-v1:0", "gemini-3-pro", "gemini-2.5-flash", "command-a-03-2025", "claude-3-opus",
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", "us.amazon.nova-2-lite-v1:0",
    ]

    private static func isEmbedding(_ bytes: [UInt8]) -> Bool {
        let names = JSONMembers.scan(bytes).map(\.name)
        return names.contains("embeddings") || names.contains("data")
    }

    /// - Parameter passesChat: whether the face lets parameters of chat through.
    private static func check(
        _ request: ChatRequest,
        _ random: inout SeededRandom,
        passesChat: Bool = false
    ) -> String? {
        // What a face takes is taken in OpenAI's form too, and means the same there.
        let body = request.openAIBody()
        guard Wires.isJSON(body) else { return "a request is written as no JSON" }
        let again: ChatRequest
        do throws(InvalidRequest) {
            again = try ChatRequest(openAI: body)
        } catch {
            // Chat's own parameters pass through other faces of OpenAI's, and are refused by the same name.
            let isPassed = request.additional.contains { error.param?.hasPrefix($0.name) == true }
            return passesChat && isPassed ? nil : "OpenAI's form of a request is refused"
        }
        guard again.messages.count == request.messages.count, again.tools.count == request.tools.count else {
            return "messages or tools are lost in OpenAI's form"
        }
        guard passesChat || again.additional.map(\.name) == request.additional.map(\.name) else {
            return "a member that means nothing to a face means something in OpenAI's form"
        }
        var request = request
        if Mutator.below(4, &random) > 0 { request.model = Self.models[Mutator.below(Self.models.count, &random)] }
        let policies = UnsupportedParameterPolicy.allCases
        for wire in Wires.all {
            var call = ProviderCall(request: request, endpoint: wire.endpoint, now: 0, requestID: "r")
            call.endpoint.unsupported = policies[Mutator.below(policies.count, &random)]
            guard let prepared = try? wire.handler.prepare(call) else { continue }
            guard Wires.isJSON(prepared.body) else { return "\(wire.name) is sent what is no JSON" }
            guard prepared.url.hasPrefix("https://example.org/") else { return "\(wire.name) is called elsewhere" }
        }
        return nil
    }

    /// Addresses and header fields as AWS's signatures see them.
    static let signing: [FuzzTarget] = [
        FuzzTarget("sigv4", .addresses) { bytes, random in
            let signer = SigV4(
                credentials: SigV4Credentials(accessKeyID: "a", secretAccessKey: "b", sessionToken: "c"),
                region: "us-east-1",
                service: "bedrock",
                normalizesPath: Mutator.below(2, &random) == 0
            )
            let signature = signer.sign(
                method: "POST",
                url: String(decoding: bytes, as: UTF8.self),
                headers: [(name: "X-A", value: String(decoding: bytes.reversed(), as: UTF8.self))],
                body: bytes,
                secondsSince1970: Int(truncatingIfNeeded: random.next())
            )
            let lines = signature.canonicalRequest.split(separator: "\n", omittingEmptySubsequences: false)
            guard lines.count > 6, lines[1].hasPrefix("/") else { return "the canonical path is none" }
            return signature.signature.utf8.count == 64 ? nil : "the signature has no 64 digits"
        }
    ]
}
