/// One reply on a producer's list, version 2 of the contract. See docs/wire-contract.md.
package struct ReplyEnvelope: Sendable, Equatable {
    package enum Outcome: Sendable, Equatable {
        /// The whole completion as the backend sent it, raw JSON.
        case completion(ArraySlice<UInt8>)
        /// The completion went out as stream frames before this reply.
        case streamed
        case failure(ReplyFailure)
    }

    package var requestID: String
    package var producerID: String
    package var poolID: String
    /// Seconds since 1970 by the dispatcher's clock.
    package var completedAt: Double
    package var dispatcherID: String?
    /// The backend's URL without user and password.
    package var backendAddress: String?
    package var outcome: Outcome
    /// Only for producers whose request had extras: others may refuse fields that they do not know.
    package var extras: ReplyExtras?

    package init(
        requestID: String,
        producerID: String,
        poolID: String,
        completedAt: Double,
        dispatcherID: String? = nil,
        backendAddress: String? = nil,
        outcome: Outcome,
        extras: ReplyExtras? = nil
    ) {
        self.requestID = requestID
        self.producerID = producerID
        self.poolID = poolID
        self.completedAt = completedAt
        self.dispatcherID = dispatcherID
        self.backendAddress = backendAddress
        self.outcome = outcome
        self.extras = extras
    }

    package var isOK: Bool {
        if case .failure = self.outcome { false } else { true }
    }
}

/// Why a dispatcher has no completion to give.
package struct ReplyFailure: Error, Sendable, Equatable {
    /// Name of a class of errors, e.g. `RateLimitError`.
    package var type: String
    /// For people. Never holds a prompt, an answer or a key.
    package var message: String
    package var source: String

    package init(type: String, message: String, source: String = DispatchContract.errorSource) {
        self.type = type
        self.message = message
        self.source = source
    }
}

/// What Sluice's dispatchers tell Sluice's producers besides the contract; under the name `sluice` of a reply.
package struct ReplyExtras: Sendable, Equatable {
    /// HTTP status of the backend's last answer.
    package var status: Int?
    /// What the backend asks the client to wait before another try.
    package var retryAfterMilliseconds: Int?
    package var attempts: Int?
    /// Outcome and reason as the books have them, e.g. `failed/backend`.
    package var outcome: String?
    /// The backend's own error body, if it was JSON, raw.
    package var errorBody: ArraySlice<UInt8>?

    package init(
        status: Int? = nil,
        retryAfterMilliseconds: Int? = nil,
        attempts: Int? = nil,
        outcome: String? = nil,
        errorBody: ArraySlice<UInt8>? = nil
    ) {
        self.status = status
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.attempts = attempts
        self.outcome = outcome
        self.errorBody = errorBody
    }

    static let name = "sluice"
}

extension ReplyEnvelope {
    /// The answer to an element that could not be read; `nil` when it does not say who waits for one.
    ///
    /// - Parameters:
    ///   - pool: whose list it stood on.
    ///   - completedAt: seconds since 1970.
    package static func refusal(
        of element: UnreadableEnvelope,
        pool: String,
        dispatcherID: String,
        completedAt: Double
    ) -> ReplyEnvelope? {
        guard let request = element.identity.requestID, let producer = element.identity.producerID else { return nil }
        var type = "MalformedRequest"
        if case .unsupportedVersion = element.error { type = "UnsupportedContractVersion" }
        return ReplyEnvelope(
            requestID: request,
            producerID: producer,
            poolID: element.identity.poolID ?? pool,
            completedAt: completedAt,
            dispatcherID: dispatcherID,
            outcome: .failure(ReplyFailure(type: type, message: element.error.message))
        )
    }
}

// Writing.
extension ReplyEnvelope {
    /// Compact JSON, the completion last and byte for byte.
    package func write() -> [UInt8] {
        var json = JSONWriter(reserving: 1_024 + self.payloadBytes)
        json.object { json in
            json.field("request_id", self.requestID)
            json.field("producer_id", self.producerID)
            json.field("pool_id", self.poolID)
            json.field("contract_version", DispatchContract.version)
            json.field("status", self.isOK ? "ok" : "error")
            json.field("completed_at", self.completedAt)
            json.field("dispatcher_id", self.dispatcherID)
            json.field("execution_backend_address", self.backendAddress)
            var failure: ReplyFailure?
            if case .failure(let known) = self.outcome { failure = known }
            json.field("error_type", failure.map { $0.type.cut(toBytes: EnvelopeLimits.errorTypeBytes) })
            json.field("error_message", failure.map { $0.message.cut(toBytes: EnvelopeLimits.errorMessageBytes) })
            json.field("error_source", failure?.source)
            self.extras?.write(&json)
            if case .completion(let completion) = self.outcome {
                json.rawField("completion", completion)
            } else {
                json.nullField("completion")
            }
        }
        return json.bytes
    }

    private var payloadBytes: Int {
        let body = self.extras?.errorBody?.count ?? 0
        if case .completion(let completion) = self.outcome { return completion.count + body }
        return body
    }
}

extension ReplyExtras {
    func write(_ json: inout JSONWriter) {
        json.object(Self.name) { json in
            if let status = self.status { json.field("status", status) }
            if let wait = self.retryAfterMilliseconds { json.field("retry_after_ms", wait) }
            if let attempts = self.attempts { json.field("attempts", attempts) }
            if let outcome = self.outcome { json.field("outcome", outcome) }
            if let body = self.errorBody { json.rawField("error_body", body) }
        }
    }

    /// `error_body` is raw and filled in by whoever has the document.
    static func read(_ fields: EnvelopeFields) throws(EnvelopeError) -> ReplyExtras {
        ReplyExtras(
            status: try fields.optionalInteger("status", in: 100...999),
            retryAfterMilliseconds: try fields.optionalInteger("retry_after_ms", in: 0...31_536_000_000),
            attempts: try fields.optionalInteger("attempts", in: 0...1_000_000),
            outcome: try fields.optionalIdentifier("outcome")
        )
    }
}

extension String {
    /// The longest start that has at most so many bytes of UTF-8.
    func cut(toBytes limit: Int) -> String {
        guard self.utf8.count > limit else { return self }
        var end = self.utf8.index(self.utf8.startIndex, offsetBy: max(0, limit))
        while end > self.startIndex, String.Index(end, within: self.unicodeScalars) == nil {
            end = self.utf8.index(before: end)
        }
        return String(self[..<end])
    }
}
