import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

/// Carries an accepted request to its end: waits for its turns, calls the backend, answers the client.
///
/// Every lease that `start` lets proceed is finished exactly once: the call always comes back with an answer or an
/// error, and nothing stands between it and `finish`. A stream hands its lease over to the closure that writes its
/// body, which the server calls exactly once.
struct Relay: Sendable {
    let dispatcher: Dispatcher
    let client: any HTTPClient
    let clock: any TimeSource
    /// Waits, while somebody is told how long he still has to.
    let sleep: Gateway.Sleep
    let watch: CallWatch
    /// Keeps what operators may reveal or drive again.
    let keeper: CallKeeper

    /// What came back, beside the verdict that dispatch acts upon.
    struct Attempted: Sendable {
        var result: AttemptResult
        var answer: HTTPClientResponse?
    }

    /// Where a turn leads.
    enum Departure {
        case call(Lease, BackendAttempt, deadline: Instant, attempt: Int)
        /// Refused before anything was sent.
        case refused(Lease, Attempted)
        case answer(HTTPResponse)
    }

    // A request that waits or runs holds the frames of its `async` functions. So those are few and small, and what can
    // be done without waiting is done in functions of its own.

    /// Runs the request to its end and answers with all of it.
    func whole(_ call: Call) async -> HTTPResponse {
        while true {
            switch await self.departure(call) {
            case .answer(let response): return response
            case .refused(let lease, let attempted):
                if let response = self.finish(call, lease, attempted) { return response }
            case .call(let lease, let attempt, let deadline, let number) where Self.isRaced(call, lease):
                if case .whole(let attempted) = await self.race(call, lease, attempt, number, deadline),
                    let response = self.finish(call, lease, attempted)
                {
                    return response
                }
            case .call(let lease, let attempt, let deadline, _):
                do throws(HTTPClientError) {
                    let answer = try await self.client.execute(attempt.request)
                    if let response = self.arrived(call, lease, attempt.translation, answer) { return response }
                } catch {
                    if let response = self.failed(call, lease, error, deadline) { return response }
                }
            }
        }
    }

    /// Waits for the request's turn, if it has not come yet.
    func departure(_ call: Call) async -> Departure {
        if let turn = self.dispatcher.turnAtOnce(call.ticket) { return self.depart(call, turn) }
        return self.depart(call, await self.dispatcher.turn(call.ticket))
    }

    @inline(never)
    private func depart(_ call: Call, _ turn: Turn) -> Departure {
        switch turn {
        case .ended(let record): return .answer(self.response(call, record, nil))
        case .run(let lease):
            switch self.dispatcher.start(lease) {
            case .ended(let record): return .answer(self.response(call, record, nil))
            case .proceed(let attempt, _, let deadline):
                if attempt == 1 { self.watch.began(call, lease.choice, at: self.clock.now()) }
                do throws(ProviderError) {
                    let backend = try self.attempt(call, lease.choice, deadline)
                    return .call(lease, backend, deadline: deadline, attempt: attempt)
                } catch {
                    return .refused(lease, self.refused(call, error))
                }
            }
        }
    }

    /// The backend's answer is here; `nil` when another attempt is due.
    @inline(never)
    private func arrived(
        _ call: Call,
        _ lease: Lease,
        _ translation: Translation?,
        _ answer: HTTPClientResponse
    ) -> HTTPResponse? {
        self.finish(call, lease, self.attempted(call, translation, answer))
    }

    /// What an answer is worth, in the client's dialect.
    func attempted(_ call: Call, _ translation: Translation?, _ answer: HTTPClientResponse) -> Attempted {
        guard let translation else { return Attempted(result: self.verdict(call, answer), answer: answer) }
        let told = translation.answer(answer, now: self.epochSeconds)
        return Attempted(result: self.verdict(call, told.whole), answer: told.streamed ?? told.whole)
    }

    /// A request that its backend cannot be asked.
    private func refused(_ call: Call, _ error: ProviderError) -> Attempted {
        let status = error.httpStatus
        let answer = HTTPClientResponse(
            status: status,
            headers: HTTPFields([("Content-Type", "application/json")]),
            body: error.openAIBody
        )
        let failureClass: FailureClass = error.kind == .unsupportedProvider ? .routeOrModel : .invalidRequest
        let words = error.kind == .authentication ? error.message : error.kind.rawValue
        var failure = AttemptFailure(failureClass, status: status, message: "not sent: \(words)")
        failure.isInexpressible = true
        return Attempted(result: .failure(failure), answer: answer)
    }

    func verdict(_ call: Call, _ answer: HTTPClientResponse) -> AttemptResult {
        call.backend.isFabric
            ? FabricClient.verdict(answer) : OpenAIClassifier.classify(answer, now: self.epochSeconds)
    }

    @inline(never)
    private func failed(_ call: Call, _ lease: Lease, _ error: HTTPClientError, _ deadline: Instant) -> HTTPResponse? {
        self.finish(call, lease, Attempted(result: .failure(self.failure(error, deadline)), answer: nil))
    }

    /// Ends the attempt; `nil` when another one is due.
    func finish(_ call: Call, _ lease: Lease, _ attempted: Attempted) -> HTTPResponse? {
        switch self.dispatcher.finish(lease, attempted.result) {
        case .ended(let record): self.response(call, record, attempted.answer)
        case .requeued: nil
        }
    }

    /// A timeout of the call is the request's deadline, because it had all the time that was left.
    func failure(_ error: HTTPClientError, _ deadline: Instant) -> AttemptFailure {
        var failure = OpenAIClassifier.classify(error)
        let isTimeout = error.kind == .timeout || error.kind == .connectTimeout
        if isTimeout && deadline <= self.clock.now() + .milliseconds(2) { failure.failureClass = .deadline }
        return failure
    }

    var epochSeconds: Int { Int(self.clock.wallClockNanoseconds() / 1_000_000_000) }

    // MARK: Answers

    /// The answer to a request that has ended.
    func response(_ call: Call, _ record: RequestRecord, _ answer: HTTPClientResponse?) -> HTTPResponse {
        self.note(call, record, answer: answer?.body)
        if let answer, call.backend.isFabric {
            // A dispatcher has already said everything that is to be said.
            var answer = FabricClient.toldAsAsked(answer, call)
            TraceHeaders.append(call, record, to: &answer.headers)
            return HTTPResponse(status: answer.status, headers: answer.headers, body: .bytes(answer.body))
        }
        if let answer, record.reason?.outcome == .done || Self.isClientsFault(record, answer) {
            var headers = OpenAIClassifier.passedHeaders(answer.headers)
            TraceHeaders.append(call, record, to: &headers)
            let body = answer.status < 400 ? answer.body : Self.withoutKeys(answer.body, call, record)
            return HTTPResponse(status: answer.status, headers: headers, body: .bytes(body))
        }
        var headers = HTTPFields()
        TraceHeaders.append(call, record, to: &headers)
        var error = Endings.error(record, call, answer)
        Endings.passOn(answer, to: &headers)
        if record.reason == .shed {
            let interval = self.dispatcher.pool(call.submission.pool)?.configuration.scheduling.shedding.interval
            error.headers.append(("Retry-After", String(GatewayError.wholeSeconds(interval ?? .seconds(1)))))
        }
        return error.response(headers)
    }

    /// The backend's refusal of the request itself passes as it is; its own troubles get our words. So does its refusal
    /// of our key, which a client would take for its own, and which may quote it.
    private static func isClientsFault(_ record: RequestRecord, _ answer: HTTPClientResponse) -> Bool {
        record.reason?.outcome == .failed && (400..<500).contains(answer.status)
            && answer.status != 401
    }

    /// Tells whoever wants to know of the end.
    func note(_ call: Call, _ record: RequestRecord, answer: [UInt8]?) {
        call.ending?.keep(record)
        self.keeper.ended(call, record, answer: answer)
        self.watch.ended(call, record, answer: answer)
    }
}
