import SluiceWire

/// What Bedrock's refusals mean: the status says it, the exception's name tells apart what one status means, and words
/// only what a refused request is about.
enum BedrockErrors {
    static func read(_ response: HTTPClientResponse, now: Int) -> ProviderError {
        var message: String?
        var type = response.headers["x-amzn-errortype"].map { Self.name($0) }
        _ = try? JSON.read(response.body) { root in
            message = (root["message"] ?? root["Message"])?.string
            type = type ?? (root["__type"] ?? root["code"])?.string.map { Self.name($0) }
        }
        return Self.error(
            status: response.status,
            type: type,
            message: message,
            requestID: ProviderRequestID.read(response.headers),
            retryAfter: RetryAfter.read(response.headers, now: now)
        )
    }

    /// An exception within a stream, whose status is that of its name.
    static func inStream(_ message: EventStreamMessage, requestID: String?) -> ProviderError {
        let type = message.text(":exception-type") ?? message.text(":error-code") ?? ""
        var text = message.text(":error-message")
        _ = try? JSON.read(message.payload) { root in
            text = (root["message"] ?? root["Message"] ?? root["originalMessage"])?.string ?? text
        }
        return Self.error(
            status: Self.status(type),
            type: type.isEmpty ? nil : type,
            message: text,
            requestID: requestID,
            retryAfter: nil
        )
    }

    private static func error(
        status: Int,
        type: String?,
        message: String?,
        requestID: String?,
        retryAfter: Duration?
    ) -> ProviderError {
        var text = message.map { KeyScrubber.scrub(Self.shortened($0)) } ?? ""
        if text.isEmpty { text = "Bedrock answered with status \(status)\(type.map { " (\($0))" } ?? "")." }
        return ProviderError(
            Self.kind(status, type: type ?? "", message: text),
            text,
            provider: BedrockHandler.name,
            status: status,
            code: type,
            requestID: requestID,
            retryAfter: retryAfter
        )
    }

    private static let authenticationTypes: Set<String> = [
        "ExpiredTokenException", "IncompleteSignature", "IncompleteSignatureException", "InvalidClientTokenId",
        "InvalidSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
        "NotAuthorized", "RequestExpired", "SignatureDoesNotMatch", "UnrecognizedClientException",
    ]
    private static let throttlingTypes: Set<String> = [
        "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException",
    ]

    private static func kind(_ status: Int, type: String, message: String) -> ProviderError.Kind {
        switch status {
        case 400, 403:
            if Self.authenticationTypes.contains(type) { return .authentication }
            guard status == 400 else { return .permission }
            if Self.throttlingTypes.contains(type) { return .rateLimit }
            if type == "ServiceQuotaExceededException" { return .budget }
            if Bytes.contains(Array(message.utf8)[...], "blocked by guardrail") { return .contentPolicy }
            return ErrorTable.kind(status: status, words: [type], message: message)
        // The model failed, not the request.
        case 424: return .badGateway
        default: return ErrorTable.kind(status: status, words: [type], message: message)
        }
    }

    /// Of `com.amazon.coral.service#ThrottlingException:http://internal…` the name alone.
    private static func name(_ text: String) -> String {
        let end = text.utf8.firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex
        let name = text[..<end]
        guard let hash = name.utf8.lastIndex(of: UInt8(ascii: "#")) else { return String(name) }
        return String(name[name.utf8.index(after: hash)...])
    }

    private static func status(_ exception: String) -> Int {
        let name = exception.lowercased()
        return Self.statuses.first { name.hasPrefix($0.name) }?.status ?? 500
    }

    private static let statuses: [(name: String, status: Int)] = [
        ("throttling", 429),
        ("modelnotready", 429),
        ("validation", 400),
        ("servicequotaexceeded", 400),
        ("conflict", 400),
        ("accessdenied", 403),
        ("resourcenotfound", 404),
        ("modeltimeout", 408),
        ("modelstreamerror", 424),
        ("modelerror", 424),
        ("serviceunavailable", 503),
    ]

    /// Of a signature that is refused AWS repeats all that was signed, tokens too: only its first sentence passes.
    private static func shortened(_ message: String) -> String {
        guard let start = message.firstRange(of: "The Canonical String for this request")?.lowerBound else {
            return message
        }
        let kept = message[..<start]
        return String(kept[..<(kept.lastIndex { !$0.isWhitespace }.map { kept.index(after: $0) } ?? kept.startIndex)])
    }
}
