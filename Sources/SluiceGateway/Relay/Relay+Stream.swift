import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

extension Relay {
    /// A stream that has begun: what was held back until then, and where the rest comes from.
    struct Opening: Sendable {
        var held: [UInt8]
        var inspector: StreamInspector
        /// Keeps from the client what it has not asked for; the inspector sees it all the same.
        var filter: StreamUsageFilter?
        var stream: HTTPClientStream
        /// The backend has already ended the stream properly.
        var isComplete: Bool
    }

    enum Opened: Sendable {
        case stream(Opening)
        /// No stream came of it: a failure, or a whole answer where a stream was asked for.
        case whole(Attempted)
    }

    /// Runs the request until its first content has come, with retries; answers with the rest as it comes.
    func streamed(_ call: Call) async -> HTTPResponse {
        while true {
            switch await self.departure(call) {
            case .answer(let response): return response
            case .refused(let lease, let attempted):
                if let response = self.finish(call, lease, attempted) { return response }
            case .call(let lease, let backend, let deadline, let attempt):
                switch await self.race(call, lease, backend, attempt, deadline) {
                case .stream(let opening):
                    self.dispatcher.firstByte(lease, limits: self.limits(call, opening))
                    return self.relayed(call, lease, opening, attempt: attempt, deadline)
                case .whole(let attempted):
                    if let response = self.finish(call, lease, attempted) { return response }
                }
            }
        }
    }

    // MARK: Before the first content

    /// A stream that says so much without content is passed on as it is: it can no longer be retried.
    private static let maximumHeldBytes = 1 << 20

    func open(_ call: Call, _ attempt: BackendAttempt, _ deadline: Instant) async -> Opened {
        do throws(HTTPClientError) {
            let answer = try await self.client.stream(attempt.request)
            let stream = attempt.translation?.stream(answer) ?? answer
            guard stream.status == 200, Self.isEventStream(stream.headers) else {
                return .whole(try await self.collect(call, attempt.translation, stream))
            }
            return try await self.awaitContent(stream, attempt.withholdsUsage ? StreamUsageFilter() : nil)
        } catch {
            return .whole(Attempted(result: .failure(self.failure(error, deadline)), answer: nil))
        }
    }

    private static func isEventStream(_ headers: HTTPFields) -> Bool {
        guard let type = headers["content-type"] else { return false }
        return type.lowercased().hasPrefix("text/event-stream")
    }

    private func collect(
        _ call: Call,
        _ translation: Translation?,
        _ stream: HTTPClientStream
    ) async throws(HTTPClientError) -> Attempted {
        var body: [UInt8] = []
        while let chunk = try await stream.body.next() {
            body.append(contentsOf: chunk)
            guard body.count <= call.maximumResponseBytes else {
                stream.body.close()
                throw HTTPClientError(
                    .responseTooLarge,
                    message: "the response is larger than the limit of \(call.maximumResponseBytes) bytes",
                    sent: true
                )
            }
        }
        let answer = HTTPClientResponse(status: stream.status, headers: stream.headers, body: body)
        return self.attempted(call, translation, answer)
    }

    private func awaitContent(
        _ stream: HTTPClientStream,
        _ filter: StreamUsageFilter?
    ) async throws(HTTPClientError) -> Opened {
        var opening = Opening(
            held: [],
            inspector: StreamInspector(status: stream.status),
            filter: filter,
            stream: stream,
            isComplete: false
        )
        while !opening.inspector.hasContent && !opening.inspector.isDone && opening.held.count < Self.maximumHeldBytes {
            guard let chunk = try await stream.body.next() else {
                opening.isComplete = true
                if let rest = opening.filter?.rest() { opening.held.append(contentsOf: rest) }
                break
            }
            opening.inspector.feed(chunk)
            let passed = opening.filter?.pass(chunk) ?? chunk
            if opening.held.isEmpty { opening.held = passed } else { opening.held.append(contentsOf: passed) }
            if let failure = opening.inspector.failure {
                stream.body.close()
                return .whole(Attempted(result: .failure(failure), answer: nil))
            }
        }
        guard !opening.held.isEmpty else {
            let failure = AttemptFailure(
                .malformedResponse,
                status: stream.status,
                message: "the backend's stream ended without an event"
            )
            return .whole(Attempted(result: .failure(failure), answer: nil))
        }
        // Nothing has been told yet, so that another attempt may still be made.
        if opening.isComplete || opening.inspector.isDone, !opening.inspector.isWhole {
            stream.body.close()
            return .whole(Attempted(result: .failure(Self.truncated(stream.status)), answer: nil))
        }
        return .stream(opening)
    }

    private static func truncated(_ status: Int) -> AttemptFailure {
        AttemptFailure(
            .malformedResponse,
            status: status,
            message: "the backend's stream ended without a finish_reason: the answer is not whole"
        )
    }

    /// The chunk without a `[DONE]` that ends an answer which is not whole: clients read nothing after it, and the
    /// error is still to be told.
    private static func withoutFalseEnd(_ chunk: [UInt8], _ inspector: StreamInspector) -> [UInt8] {
        guard inspector.isDone, !inspector.isWhole, inspector.failure == nil else { return chunk }
        let end = Array("data: [DONE]\n\n".utf8)
        return chunk.suffix(end.count) == end[...] ? Array(chunk.dropLast(end.count)) : chunk
    }

    /// What the backend says about its limits with a stream's head; a list has none.
    func limits(_ call: Call, _ opening: Opening) -> ProviderObservation? {
        call.backend.isFabric ? nil : OpenAIClassifier.limits(opening.stream.headers, now: self.epochSeconds)
    }

    // MARK: After the first content

    private func relayed(
        _ call: Call,
        _ lease: Lease,
        _ opening: Opening,
        attempt: Int,
        _ deadline: Instant
    ) -> HTTPResponse {
        var headers = OpenAIClassifier.passedHeaders(opening.stream.headers)
        headers.append("Cache-Control", "no-cache")
        headers.append("X-Accel-Buffering", "no")
        let record = self.dispatcher.find(call.submission.id)?.record
        TraceHeaders.append(call, record, to: &headers)
        return HTTPResponse(
            status: opening.stream.status,
            headers: headers,
            body: .stream { writer in try await self.passOn(call, lease, opening, deadline, to: writer) }
        )
    }

    func passOn(
        _ call: Call,
        _ lease: Lease,
        _ opening: Opening,
        _ deadline: Instant,
        to writer: any HTTPBodyWriter
    ) async throws {
        var tap = self.watch.tap(call, self.dispatcher.find(call.submission.id)?.record)
        let passage = await self.pump(opening, to: writer, deadline, &tap)
        guard case .ended(let record) = self.dispatcher.finish(lease, passage.result) else { return }
        self.note(call, record, answer: tap?.transcript)
        if record.reason?.outcome != .done && record.reason != .clientGone && !passage.clientKnows {
            // The client has a part of the answer: tell it in the stream's own words, then end properly.
            try await writer.writeLast(call.operation.closing(Endings.error(record, call)))
        }
    }

    private struct Passage {
        var result: AttemptResult
        /// The backend's own error event has already been passed on, or nobody is there to be told.
        var clientKnows: Bool
    }

    /// A translated stream knows it also when the client did not ask.
    private static func usage(_ opening: Opening, _ inspector: StreamInspector) -> TokenUsage? {
        guard let usage = (opening.stream.body as? TranslatedBody)?.usage else { return inspector.usage }
        // As in answers that are not translated: whoever adds them up need not fear what a backend says.
        let bounded = { (count: Int?) in min(1 << 40, max(0, count ?? 0)) }
        return TokenUsage(
            prompt: bounded(usage.promptTokens),
            completion: bounded(usage.completionTokens),
            cached: bounded(usage.cachedTokens),
            cacheWritten: bounded(usage.cacheWriteTokens),
            reasoning: bounded(usage.reasoningTokens),
            model: inspector.usage?.model
        )
    }

    /// Passes on chunk for chunk to the end; never throws, so that its lease is always finished.
    private func pump(
        _ opening: Opening,
        to writer: any HTTPBodyWriter,
        _ deadline: Instant,
        _ tap: inout CallWatch.Tap?
    ) async -> Passage {
        var inspector = opening.inspector
        var filter = opening.filter
        let body = opening.stream.body
        do {
            let held = Self.withoutFalseEnd(opening.held, inspector)
            try await writer.write(held)
            tap?.pass(held)
            while !opening.isComplete, let chunk = try await body.next() {
                inspector.feed(chunk)
                let chunk = Self.withoutFalseEnd(filter?.pass(chunk) ?? chunk, inspector)
                guard !chunk.isEmpty else { continue }
                try await writer.write(chunk)
                tap?.pass(chunk)
            }
            // Not after a break: the error that is told then begins a line.
            if let rest = filter?.rest(), !rest.isEmpty {
                try await writer.write(rest)
                tap?.pass(rest)
            }
        } catch let error as HTTPClientError {
            // What breaks after the last event takes nothing away from the answer.
            if inspector.isDone && inspector.isWhole && inspector.failure == nil {
                return Passage(
                    result: .success(status: opening.stream.status, usage: Self.usage(opening, inspector)),
                    clientKnows: true
                )
            }
            var failure = inspector.failure ?? self.failure(error, deadline)
            failure.committed = true
            return Passage(result: .failure(failure), clientKnows: inspector.failure != nil)
        } catch {
            body.close()
            // Either the client has gone, or the task was cancelled: for that reason, or by an operator, the deadline,
            // a shutdown. Then the client is still there and has to be told.
            let isGone = error is HTTPWriteError
            let message = isGone ? "the client closed the connection" : "the request was cancelled"
            let failure = AttemptFailure(.cancelled, message: message, committed: true)
            return Passage(result: .failure(failure), clientKnows: isGone)
        }
        if var failure = inspector.failure {
            failure.committed = true
            return Passage(result: .failure(failure), clientKnows: true)
        }
        guard inspector.isWhole else {
            var failure = Self.truncated(opening.stream.status)
            failure.committed = true
            return Passage(result: .failure(failure), clientKnows: false)
        }
        return Passage(
            result: .success(status: opening.stream.status, usage: Self.usage(opening, inspector)),
            clientKnows: true
        )
    }
}
