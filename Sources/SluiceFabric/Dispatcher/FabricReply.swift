import SluiceBasics
import SluiceCore
import SluiceWire

// What a producer is told.
extension FabricDispatcher {
    func reply(_ held: HeldRequest, _ answer: FabricAnswer, streamBroke: Bool) -> ReplyEnvelope {
        let record = answer.record
        let last = record.decisiveAttempt
        var extras = ReplyExtras(
            status: answer.status,
            retryAfterMilliseconds: answer.retryAfter.map { Int($0.inMilliseconds) },
            attempts: record.attempts.count,
            outcome: record.reason.map { "\($0.outcome.rawValue)/\($0.rawValue)" }
        )
        if record.reason?.outcome == .done && !streamBroke {
            let outcome = answer.isStreamed ? ReplyEnvelope.Outcome.streamed : .completion(answer.body[...])
            return self.envelope(held, outcome, extras)
        }
        if (200..<300).contains(answer.status) { extras.status = last?.status ?? 502 }
        let body = answer.isStreamed ? nil : JSONErrorText.read(answer.body)
        extras.errorBody = body == nil ? nil : answer.body[...]
        let message = body ?? record.message ?? (streamBroke ? "The stream could not be delivered." : "It failed.")
        let failure = ReplyFailure(type: ErrorType.of(record, status: answer.status), message: message)
        return self.envelope(held, .failure(failure), extras)
    }

    func errorReply(_ held: HeldRequest, _ failure: ReplyFailure, _ extras: ReplyExtras) -> ReplyEnvelope {
        self.envelope(held, .failure(failure), extras)
    }

    private func envelope(
        _ held: HeldRequest,
        _ outcome: ReplyEnvelope.Outcome,
        _ extras: ReplyExtras
    ) -> ReplyEnvelope {
        ReplyEnvelope(
            requestID: held.requestID,
            producerID: held.producerID,
            poolID: held.pool.name,
            completedAt: self.epoch,
            dispatcherID: self.configuration.dispatcherID,
            backendAddress: held.pool.backendAddress,
            outcome: outcome,
            extras: held.hasExtras ? extras : nil
        )
    }
}

/// The sentence in an error body of OpenAI's shape.
package enum JSONErrorText {
    private static let maximumBytes = 1 << 20

    /// `nil` when it is no JSON object.
    package static func read(_ body: [UInt8]) -> String? {
        guard body.count <= Self.maximumBytes else { return nil }
        let text = try? JSON.read(body) { root -> String? in
            guard root.kind == .object else { return nil }
            return root["error"]?["message"]?.string ?? root["message"]?.string ?? root["detail"]?.string ?? ""
        }
        guard let text else { return nil }
        return text
    }
}

/// Names of classes of errors, as producers that use OpenAI's library know them.
enum ErrorType {
    static func of(_ record: RequestRecord, status: Int) -> String {
        switch record.reason {
        case .deadline: return "APITimeoutError"
        case .clientGone, .operatorRequest, .shutdown: return "RequestCancelled"
        default: break
        }
        guard let last = record.decisiveAttempt else { return "InternalServerError" }
        switch last.failure {
        case .connectRefused, .connectError, .reset: return "APIConnectionError"
        case .connectTimeout, .readTimeout, .deadline: return "APITimeoutError"
        case .malformedResponse, .responseTooLarge: return "APIResponseValidationError"
        default: return Self.of(status: last.status ?? status)
        }
    }

    static func of(status: Int) -> String {
        switch status {
        case 400: "BadRequestError"
        case 401: "AuthenticationError"
        case 403: "PermissionDeniedError"
        case 404: "NotFoundError"
        case 409: "ConflictError"
        case 422: "UnprocessableEntityError"
        case 429: "RateLimitError"
        case 500...: "InternalServerError"
        default: "APIStatusError"
        }
    }

    static func of(_ reason: OutcomeReason) -> String {
        switch reason {
        case .wouldMissDeadline: "APITimeoutError"
        case .tenantFull: "RateLimitError"
        case .oversize, .malformed: "BadRequestError"
        default: "RequestRejected"
        }
    }
}
