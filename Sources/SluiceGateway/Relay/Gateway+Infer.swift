import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

// POST /v1/...: from the request to the relay.
extension Gateway {
    /// What becomes of a request for inference.
    enum Acceptance {
        /// Refused, or answered later: the answer is here.
        case answer(HTTPResponse)
        case whole(Call)
        case streamed(Call)
        /// A stream that has to wait, for a client that wants to be told how long.
        case announced(Call)
        /// May be answered without a call of its own.
        case lookup(CacheLookup)
    }

    static func inference(_ path: String) -> OpenAIOperation? {
        switch path {
        case "/v1/chat/completions": .chatCompletions
        case "/v1/completions": .completions
        case "/v1/embeddings": .embeddings
        case "/v1/responses": .responses
        case "/v1/messages": .messages
        default: nil
        }
    }

    /// Reads the request and asks for admission. Not `async` on purpose: what only this needs takes no room in the
    /// task's frame, which a request that waits would hold.
    func accept(_ request: HTTPRequest, _ operation: OpenAIOperation) -> Acceptance {
        do throws(GatewayError) {
            return try self.admit(request, operation)
        } catch {
            return .answer(self.refusal(error, request))
        }
    }

    private func admit(_ request: HTTPRequest, _ operation: OpenAIOperation) throws(GatewayError) -> Acceptance {
        try Self.require(request, [.post])
        try self.keys.admit(request.headers, isLocal: self.configuration.isLocal)
        guard !self.draining else {
            throw .unavailable(
                "This gateway is shutting down; send the request again, to another or in about 1 s.",
                code: "draining",
                retryAfter: 1
            )
        }
        let id = self.newID()
        let submission: Submission
        do throws(GatewayError) {
            submission = try self.read(request, operation, id)
        } catch {
            throw self.booked(error, request, operation, id)
        }
        var cacheState: CacheState?
        switch self.cachePlan(request, submission, operation) {
        case .lookup(let lookup): return .lookup(lookup)
        case .bypass:
            self.cache?.count(.bypass, submission.pool)
            cacheState = .bypass
        case .none: break
        }
        let respondsLater = submission.respondsLater
        let wantsUpdates = Ingress.wantsQueueUpdates(request.headers)
        let late = respondsLater ? LateCancellation() : nil
        let call = try self.call(request, submission, operation, cancellation: late, cache: cacheState)
        if let late { return .answer(self.later(call, late)) }
        guard submission.isStream else { return .whole(call) }
        return wantsUpdates && !call.ticket.isClaimed ? .announced(call) : .streamed(call)
    }

    /// Asks for admission.
    ///
    /// - Parameter cancellation: stops the work; `nil`: the request's own, which the end of its connection rings too.
    func call(
        _ request: HTTPRequest,
        _ submission: Submission,
        _ operation: OpenAIOperation,
        cancellation: LateCancellation? = nil,
        ending: Ending? = nil,
        cache: CacheState? = nil
    ) throws(GatewayError) -> Call {
        guard let backend = self.configuration.backends[submission.pool] else {
            throw .notFound("There is no pool '\(submission.pool)'.", param: "x-sluice-pool", code: "pool_not_found")
        }
        if submission.respondsLater { self.results.announce(submission.id) }
        let ticket = try self.submit(submission, cancellation ?? request.cancellation)
        let call = Call(
            ticket: ticket,
            idText: submission.id.description,
            submission: submission,
            operation: operation,
            headers: request.headers,
            body: request.body,
            backend: backend,
            targets: self.configuration.targets,
            allowsSilentResend: !self.configuration.poolsThatNeverResend.contains(submission.pool),
            maximumResponseBytes: self.configuration.maximumResponseBytes,
            ending: ending,
            cacheState: cache
        )
        self.relay.keeper.began(call)
        return call
    }

    /// What is asked for, checked as far as that is possible without the dispatcher.
    private func read(
        _ request: HTTPRequest,
        _ operation: OpenAIOperation,
        _ id: RequestID
    ) throws(GatewayError) -> Submission {
        let caller = try self.keys.caller(request.headers)
        let head = try Self.read(request.body, operation)
        let pool = try Ingress.pool(request.headers, caller: caller, head, self.configuration)
        let respondsLater = Ingress.wantsAsync(request.headers)
        if respondsLater && head.isStream {
            throw .invalid(
                "A stream cannot be answered later: leave out 'stream' or 'Prefer: respond-async'.",
                param: "stream"
            )
        }
        let timeout = try Ingress.timeout(request.headers, self.configuration)
        return Submission(
            id: id,
            pool: pool,
            tenant: caller.tenant,
            priority: try Ingress.priority(request.headers, caller: caller),
            producer: caller.keyName,
            model: head.model,
            operation: operation.rawValue,
            isStream: head.isStream,
            payloadBytes: request.body.count,
            messageCount: head.messageCount,
            tokenEstimate: head.tokenEstimate,
            completionEstimate: head.completionEstimate,
            isCompletionLimited: head.estimate.isCompletionLimited,
            deadline: self.clock.now() + timeout,
            traceparent: Ingress.traceparent(request.headers),
            respondsLater: respondsLater
        )
    }

    private static func read(
        _ body: [UInt8],
        _ operation: OpenAIOperation
    ) throws(GatewayError) -> OpenAIRequestHead {
        do throws(InvalidRequest) {
            return try OpenAIRequestHead.read(body, operation: operation)
        } catch {
            throw GatewayError(error)
        }
    }

    private func submit(
        _ submission: Submission,
        _ cancellation: (any Cancellable)?
    ) throws(GatewayError) -> Ticket {
        do throws(GatewayError) {
            try self.spending.reserve(submission)
        } catch {
            self.results.withdraw(submission.id)
            let rejection = Rejection(.budget, message: error.message)
            self.dispatcher.reject(submission, rejection)
            self.tell(submission, rejection)
            throw error.naming(submission.id)
        }
        do throws(Rejection) {
            return try self.dispatcher.submit(submission, cancellation: cancellation)
        } catch {
            self.results.withdraw(submission.id)
            self.spending.cancel(submission.id)
            self.log(
                LogEntry(
                    .warning,
                    "request rejected",
                    [
                        ("request", submission.id.description), ("pool", submission.pool),
                        ("tenant", submission.tenant), ("reason", error.reason.rawValue), ("detail", error.message),
                    ]
                )
            )
            self.tell(submission, error)
            throw GatewayError(error).naming(submission.id)
        }
    }

    /// Tells of a request that was not accepted; it has a line of its own in the log.
    private func tell(_ submission: Submission, _ rejection: Rejection) {
        let now = self.clock.now()
        var record = RequestRecord(submission: submission, submittedAt: now)
        record.state = .ended
        record.endedAt = now
        record.reason = rejection.reason
        record.message = rejection.message
        let id = submission.id.description
        self.watch.ended(record, id: id, detail: nil, cache: nil, request: [], answer: nil, isLogged: false)
    }
}
