import SluiceBasics
import SluiceCore
import SluiceProviders
import SluiceWire

/// What a client is told when its request did not succeed.
enum Endings {
    /// Why it ended so, in a sentence.
    static func detail(_ record: RequestRecord, _ call: Call) -> String? {
        guard call.backend.isFabric, record.reason == .deadline, !record.attempts.isEmpty else { return record.message }
        // Nobody here knows whether a dispatcher has taken it.
        return "No dispatcher answered in time. It may still be on the list of pool '\(call.submission.pool)': is a "
            + "dispatcher running? /api/llm-dispatch/runtime shows the lists and the dispatchers"
    }

    /// - Parameter answer: the backend's, whose own words say more than its status does.
    static func error(_ record: RequestRecord, _ call: Call, _ answer: HTTPClientResponse? = nil) -> GatewayError {
        let last = record.decisiveAttempt
        let backend = last?.backend ?? call.backend.name
        let words = answer.flatMap { BackendWords($0) }
        let tried = record.attempts.count == 1 ? "1 attempt" : "\(record.attempts.count) attempts"
        // The detail becomes the end of our own sentence.
        var text = words?.message ?? Self.detail(record, call) ?? ""
        while text.hasSuffix(".") { text.removeLast() }
        let detail = text.isEmpty ? "" : ": \(text)"
        let reason = record.reason ?? .backend
        switch reason {
        case .deadline:
            let waited = record.attempts.isEmpty ? "It was still waiting in the queue and was never sent." : ""
            return GatewayError(
                status: 504,
                message: "The request's deadline passed\(detail). \(waited)",
                type: "timeout_error",
                code: "deadline_exceeded"
            )
        case .clientGone, .operatorRequest, .shutdown:
            return GatewayError(
                status: 503,
                message: Self.cancelled(reason),
                type: "server_error",
                code: reason.rawValue
            )
        case .shed:
            return GatewayError(
                status: 503,
                message: Self.detail(record, call) ?? "The pool is overloaded; try again later.",
                type: "server_error",
                code: reason.rawValue
            )
        case .outcomeUnknown:
            return GatewayError(
                status: Self.isTimeout(last?.failure) ? 504 : 502,
                message: "Backend '\(backend)' was asked once and what it did is not known\(detail).",
                type: "server_error",
                code: reason.rawValue
            )
        case _ where last?.status == 401:
            return GatewayError(
                status: 502,
                message: "Backend '\(backend)' does not accept this gateway's own API key\(detail).",
                type: "server_error",
                code: FailureClass.authentication.rawValue
            )
        default:
            let isOverloaded = last?.status == 503 || last?.status == 529
            return GatewayError(
                status: Self.isTimeout(last?.failure) ? 504 : isOverloaded ? 503 : 502,
                message: "Backend '\(backend)' failed after \(tried)\(detail).",
                type: isOverloaded ? "overloaded_error" : "server_error",
                code: words?.code ?? last?.failure?.rawValue ?? reason.rawValue
            )
        }
    }

    /// What the backend said beside its error: its name of the request, and when to come back.
    static func passOn(_ answer: HTTPClientResponse?, to headers: inout HTTPFields) {
        guard let answer else { return }
        OpenAIClassifier.passedHeaders(answer.headers, contentType: false).forEach { name, value in
            headers.append(name: name, value: value)
        }
    }

    /// What failed here more than once is not to be multiplied by the attempts of the client's own library.
    static func endRetries(_ record: RequestRecord, _ headers: inout HTTPFields) {
        guard record.attempts.count > 1, record.reason?.outcome != .done else { return }
        if !headers.contains("x-should-retry") { headers.append("x-should-retry", "false") }
    }

    private static func isTimeout(_ failure: FailureClass?) -> Bool {
        failure == .readTimeout || failure == .connectTimeout || failure == .deadline
    }

    private static func cancelled(_ reason: OutcomeReason) -> String {
        switch reason {
        case .operatorRequest: "The request was cancelled by its owner or an operator."
        case .shutdown: "The request was cancelled because this gateway is shutting down; send it again."
        default: "The client closed the connection."
        }
    }
}

/// A backend's own words for its failure.
private struct BackendWords {
    private static let maximumBytes = 64 << 10
    private static let maximumCharacters = 1_000

    var message: String
    var code: String?

    init?(_ answer: HTTPClientResponse) {
        guard answer.status >= 500, answer.body.count <= Self.maximumBytes else { return nil }
        let read = try? JSON.read(answer.body) { root -> (String, String?)? in
            let error = root["error"] ?? root
            guard let message = error["message"]?.string ?? error.string else { return nil }
            return (message, error["code"]?.string)
        }
        guard let (message, code) = read ?? nil, !message.isEmpty else { return nil }
        // Providers repeat keys in what they say.
        self.message = KeyScrubber.scrub(String(message.prefix(Self.maximumCharacters)))
        self.code = code
    }
}
