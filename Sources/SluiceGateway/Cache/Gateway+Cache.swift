import SluiceBasics
import SluiceCache
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

// Requests that may be answered without a call of their own.
extension Gateway {
    /// From the cache, by a call that is under way, or by a call of its own that others may share.
    func answered(_ lookup: CacheLookup) async -> HTTPResponse {
        if let entry = await self.kept(lookup), let response = self.replayed(lookup, entry, .hit) { return response }
        guard !lookup.control.onlyIfCached else { return self.notCached(lookup) }
        guard !lookup.control.isUnstored else { return await self.alone(lookup) }
        // Once more, when the answer to another lacks what this request asks for.
        for _ in 0..<2 {
            let boarding = lookup.cache.flights.board(
                lookup.key,
                rank: lookup.rank,
                form: lookup.form,
                mayFollow: !lookup.control.isFresh
            )
            switch boarding {
            case .alone: return await self.alone(lookup)
            case .lead(let flight, let passenger): return await self.lead(lookup, Ride(flight, passenger, nil))
            case .follow(let flight, let passenger):
                let ride = Ride(flight, passenger, self.watch(lookup, flight, passenger))
                switch await self.ride(lookup, ride) {
                case .response(let response): return response
                case .alone: return await self.alone(lookup)
                case .again: break
                }
            }
        }
        return await self.alone(lookup)
    }

    private func kept(_ lookup: CacheLookup) async -> CacheEntry? {
        guard !lookup.control.isFresh, let entry = await lookup.cache.store.find(lookup.key) else { return nil }
        let isYoung = lookup.control.allows(age: entry.age(at: self.wallMilliseconds))
        return isYoung && lookup.suits(entry) ? entry : nil
    }

    var wallMilliseconds: Int64 { self.clock.wallClockNanoseconds() / 1_000_000 }

    // MARK: Answers without a call

    /// An entry as this request's answer; `nil` if it cannot be told as a stream. Booked as done; it has cost nothing
    /// of any limit.
    private func replayed(_ lookup: CacheLookup, _ entry: CacheEntry, _ state: CacheState) -> HTTPResponse? {
        let submission = lookup.submission
        var body = entry.body
        if submission.isStream {
            guard
                let events = CompletionEvents.make(body, lookup.operation, includesUsage: lookup.wantsUsage)
            else { return nil }
            body = events
        }
        lookup.cache.count(state, submission.pool)
        let reason: OutcomeReason = state == .hit ? .cached : .shared
        let message = state == .hit ? "answered from the cache" : "answered by the call of an identical request"
        self.book(lookup, reason, message, state, answer: body)
        var headers = HTTPFields()
        headers.reserve(fields: 8, bytes: 256)
        headers.append("Content-Type", submission.isStream ? "text/event-stream" : "application/json")
        if submission.isStream { headers.append("Cache-Control", "no-cache") }
        if state == .hit { headers.append("Age", String(entry.age(at: self.wallMilliseconds))) }
        for header in entry.headers { headers.append(header.name, header.value) }
        Self.trace(lookup, state, to: &headers)
        return HTTPResponse(status: 200, headers: headers, body: .bytes(body))
    }

    /// Books a request that has ended without a call of its own, and tells of it.
    private func book(
        _ lookup: CacheLookup,
        _ reason: OutcomeReason,
        _ message: String,
        _ state: CacheState,
        answer: [UInt8]? = nil
    ) {
        // What was turned away has never been accepted.
        if reason.outcome == .rejected {
            self.dispatcher.reject(lookup.submission, Rejection(reason, message: message))
        } else {
            self.dispatcher.book(lookup.submission, reason, message: message)
        }
        var record = RequestRecord(submission: lookup.submission, submittedAt: lookup.began)
        record.state = .ended
        record.endedAt = self.clock.now()
        record.reason = reason
        record.message = message
        self.watch.ended(
            record,
            id: lookup.submission.id.description,
            detail: message,
            cache: state,
            request: lookup.request.body,
            answer: answer
        )
    }

    private static func trace(_ lookup: CacheLookup, _ state: CacheState, to headers: inout HTTPFields) {
        headers.append("x-sluice-request-id", lookup.submission.id.description)
        headers.append("x-sluice-pool", lookup.submission.pool)
        headers.append("x-sluice-cache", state.rawValue)
    }

    /// RFC 9111, 5.2.1.7.
    private func notCached(_ lookup: CacheLookup) -> HTTPResponse {
        let message =
            "There is no kept answer to this request, and it asks for no other (Cache-Control: only-if-cached)."
        lookup.cache.count(.miss, lookup.submission.pool)
        self.book(lookup, .notCached, message, .miss)
        let error = GatewayError(
            status: 504,
            message: message,
            type: "invalid_request_error",
            code: "not_cached"
        )
        var headers = HTTPFields()
        Self.trace(lookup, .miss, to: &headers)
        return error.response(headers)
    }

    // MARK: Calls

    /// A call that nobody shares.
    private func alone(_ lookup: CacheLookup) async -> HTTPResponse {
        lookup.cache.count(.miss, lookup.submission.pool)
        let ending = Ending()
        let call: Call
        do throws(GatewayError) {
            call = try self.call(lookup.request, lookup.submission, lookup.operation, ending: ending, cache: .miss)
        } catch {
            return self.refusal(error, lookup.request)
        }
        guard !lookup.submission.isStream else { return await self.relay.streamed(call) }
        let response = await self.relay.whole(call)
        if !lookup.control.isUnstored, let answer = self.answer(lookup, response, ending.record), answer.isKept {
            await lookup.cache.store.keep(answer.entry, for: lookup.key, timeToLive: lookup.policy.timeToLive)
        }
        return response
    }

    /// Makes the call in a task of its own, so that it outlives its client if somebody follows.
    private func lead(_ lookup: CacheLookup, _ ride: Ride) async -> HTTPResponse {
        lookup.cache.count(.miss, lookup.submission.pool)
        let cancellation = LateCancellation()
        let ending = Ending()
        let call: Call
        do throws(GatewayError) {
            call = try self.call(
                lookup.request,
                lookup.submission,
                lookup.operation,
                cancellation: cancellation,
                ending: ending,
                cache: .miss
            )
        } catch {
            let response = self.refusal(error, lookup.request)
            lookup.cache.flights.land(ride.flight)
            ride.flight.end(.unshared(response))
            ride.leave()
            return response
        }
        let told = Lock<HTTPResponse?>(nil)
        cancellation.set(self.spawn { await self.fly(lookup, call, ride.flight, ending, told) })
        ride.flight.set(cancellation)
        switch await self.ride(lookup, ride) {
        case .response(let response): return response
        case .alone, .again:
            // The end, which the leader always gets as the relay told it.
            return told.withLock { $0 } ?? Self.gone
        }
    }

    private func fly(
        _ lookup: CacheLookup,
        _ call: Call,
        _ flight: Flight,
        _ ending: Ending,
        _ told: Lock<HTTPResponse?>
    ) async {
        let response = lookup.submission.isStream ? await self.relay.streamed(call) : await self.relay.whole(call)
        if case .stream(let write) = response.body {
            flight.begin(Flight.Head(status: response.status, headers: response.headers))
            // What goes wrong is in the record, and the passengers have been told.
            try? await write(FlightWriter(flight))
        }
        told.withLock { $0 = response }
        let answer = self.answer(lookup, response, ending.record, stream: flight.stream)
        // Before the flight lands: whoever comes then finds the one or the other.
        if let answer, answer.isKept {
            await lookup.cache.store.keep(answer.entry, for: lookup.key, timeToLive: lookup.policy.timeToLive)
        }
        lookup.cache.flights.land(flight)
        if let answer {
            flight.end(.answered(answer.entry))
        } else {
            flight.end(Self.isForAll(response) ? .refused(response) : .unshared(response))
        }
    }

    /// Whether a failure is the request's own doing, so that all that ask the same meet the same. Credentials, money,
    /// rates and times are not.
    private static func isForAll(_ response: HTTPResponse) -> Bool {
        guard case .bytes = response.body, (400..<500).contains(response.status) else { return false }
        return ![401, 402, 403, 408, 409, 425, 429, 499].contains(response.status)
    }

    /// What others get of an answer; `nil` if they should see for themselves.
    private func answer(
        _ lookup: CacheLookup,
        _ response: HTTPResponse,
        _ record: RequestRecord?,
        stream: [UInt8]? = nil
    ) -> CachedAnswer? {
        guard var answer = self.read(lookup, response, record, stream: stream) else { return nil }
        // What stands in for the pool while that fails is not what the pool answers.
        if let record, lookup.policy.isStandIn(record) { answer.isKept = false }
        return answer
    }

    private func read(
        _ lookup: CacheLookup,
        _ response: HTTPResponse,
        _ record: RequestRecord?,
        stream: [UInt8]?
    ) -> CachedAnswer? {
        guard response.status == 200, record?.reason == .ok else { return nil }
        let now = self.wallMilliseconds
        var events: [UInt8]?
        switch response.body {
        case .bytes(let body):
            let type = response.headers["content-type"]?.lowercased() ?? ""
            guard type.hasPrefix("text/event-stream") else {
                return CachedAnswer.make(body, lookup.operation, headers: response.headers, storedAt: now)
            }
            events = body
        case .stream: events = stream
        }
        guard let events else { return nil }
        return CachedAnswer.make(
            stream: events,
            choiceCount: lookup.choiceCount,
            lookup.operation,
            headers: response.headers,
            usage: record?.usage,
            storedAt: now
        )
    }

    // MARK: Passengers

    /// One request's seat on a call, and the alarm of its deadline.
    private struct Ride: Sendable {
        let flight: Flight
        let passenger: Flight.Passenger
        let alarm: (any Cancellable)?

        init(_ flight: Flight, _ passenger: Flight.Passenger, _ alarm: (any Cancellable)?) {
            self.flight = flight
            self.passenger = passenger
            self.alarm = alarm
        }

        func leave() {
            self.alarm?.cancel()
            self.flight.leave(self.passenger)
        }
    }

    private enum Arrival {
        case response(HTTPResponse)
        /// The answer lacks something: see who else asks.
        case again
        /// There is nothing for this request.
        case alone
    }

    /// Rings when the follower's own deadline passes; the leader's is the call's.
    private func watch(
        _ lookup: CacheLookup,
        _ flight: Flight,
        _ passenger: Flight.Passenger
    ) -> any Cancellable {
        let left = lookup.submission.deadline - self.clock.now()
        let sleep = self.sleep
        return self.spawn {
            do { try await sleep(max(.zero, left)) } catch { return }
            flight.depart(passenger, .overdue)
        }
    }

    /// Waits for the beginning of a stream or the end of the call.
    private func ride(_ lookup: CacheLookup, _ ride: Ride) async -> Arrival {
        let isLeader = ride.passenger.isLeader
        switch await ride.flight.news(ride.passenger) {
        case .head(let head): return .response(self.passing(lookup, ride, head))
        case .end(.answered(let entry)):
            ride.leave()
            guard !isLeader, lookup.suits(entry) else { return .again }
            return self.replayed(lookup, entry, .shared).map { .response($0) } ?? .alone
        case .end(.refused(let response)) where !isLeader:
            ride.leave()
            return .response(self.refused(lookup, response))
        case .end(.unshared), .end(.refused):
            // All at once, as without a cache: one after another, the last would wait for all before it.
            ride.leave()
            return .alone
        case .outgrown, .chunk:
            ride.leave()
            return .alone
        case .departed(.outpaced):
            ride.leave()
            return .alone
        case .departed(let why):
            ride.leave()
            guard !isLeader else { return .response(Self.gone) }
            return .response(self.departed(lookup, why).response())
        }
    }

    private static let gone = GatewayError(
        status: 503,
        message: "The client closed the connection.",
        type: "server_error",
        code: OutcomeReason.clientGone.rawValue
    ).response()

    /// Books a follower that did not get as far as the answer.
    private func departed(_ lookup: CacheLookup, _ why: Flight.Departure) -> GatewayError {
        lookup.cache.count(.shared, lookup.submission.pool)
        switch why {
        case .gone:
            let message = "the client closed the connection"
            self.book(lookup, .clientGone, message, .shared)
            return GatewayError(status: 503, message: message, type: "server_error", code: "client_gone")
        case .overdue:
            let message = "The request's deadline passed while it waited for the answer to an identical request."
            self.book(lookup, .deadline, message, .shared)
            return GatewayError(status: 504, message: message, type: "timeout_error", code: "deadline_exceeded")
        case .outpaced:
            let message = "The client read too slowly for an answer that it shared with identical requests."
            self.book(lookup, .clientGone, message, .shared)
            return GatewayError(status: 503, message: message, type: "server_error", code: "read_too_slowly")
        }
    }

    /// The leader's failure as this request's.
    private func refused(_ lookup: CacheLookup, _ response: HTTPResponse) -> HTTPResponse {
        lookup.cache.count(.shared, lookup.submission.pool)
        self.book(lookup, .backend, "the call of an identical request was refused", .shared)
        var refused = response
        refused.headers = OpenAIClassifier.passedHeaders(response.headers)
        Self.trace(lookup, .shared, to: &refused.headers)
        return refused
    }

    /// A stream as it comes, from its beginning.
    private func passing(_ lookup: CacheLookup, _ ride: Ride, _ head: Flight.Head) -> HTTPResponse {
        var headers = head.headers
        if !ride.passenger.isLeader {
            headers = OpenAIClassifier.passedHeaders(head.headers)
            headers.append("Cache-Control", "no-cache")
            headers.append("X-Accel-Buffering", "no")
            Self.trace(lookup, .shared, to: &headers)
        }
        return HTTPResponse(
            status: head.status,
            headers: headers,
            body: .stream { writer in try await self.pass(lookup, ride, to: writer) }
        )
    }

    private func pass(_ lookup: CacheLookup, _ ride: Ride, to writer: any HTTPBodyWriter) async throws {
        defer { ride.leave() }
        let isLeader = ride.passenger.isLeader
        while true {
            switch await ride.flight.news(ride.passenger) {
            case .chunk(let bytes):
                do { try await writer.write(bytes) } catch {
                    if !isLeader { _ = self.departed(lookup, .gone) }
                    throw error
                }
            case .departed(let why):
                guard !isLeader else { throw HTTPWriteError.clientGone }
                let error = self.departed(lookup, why)
                guard why != .gone else { throw HTTPWriteError.clientGone }
                return try await writer.writeLast(Self.lastWords(error))
            case .end(let end):
                guard !isLeader else { return }
                lookup.cache.count(.shared, lookup.submission.pool)
                if case .answered = end {
                    let message = "answered by the call of an identical request"
                    return self.book(lookup, .shared, message, .shared)
                }
                let message = "the call of an identical request did not succeed"
                return self.book(lookup, .backend, message, .shared)
            case .head, .outgrown: break
            }
        }
    }

    private static func lastWords(_ error: GatewayError) -> [UInt8] {
        SSEWriter.event(data: error.body) + SSEWriter.event(data: Array("[DONE]".utf8))
    }
}

/// Writes a stream to all passengers of its call.
private struct FlightWriter: HTTPBodyWriter {
    private let flight: Flight

    init(_ flight: Flight) { self.flight = flight }

    func write(_ chunk: [UInt8]) async throws {
        try Task.checkCancellation()
        await self.flight.pass(chunk)
    }

    func writeLast(_ chunk: [UInt8]) async throws { self.flight.passAtOnce(chunk) }
}
