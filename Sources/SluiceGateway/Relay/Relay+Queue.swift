import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

// A stream that says while it waits how long it still has to. It is opened before anything is known of the answer, so
// that whatever goes wrong later is told in the stream's own words; retries before the first content stay as they are.
extension Relay {
    /// Comments come at most this often.
    static let queueUpdateInterval = Duration.seconds(1)

    /// Answers at once with a stream, which waits.
    func announced(_ call: Call) -> HTTPResponse {
        var headers = HTTPFields([
            ("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache"),
            ("X-Accel-Buffering", "no"),
        ])
        TraceHeaders.append(call, nil, to: &headers)
        TraceHeaders.append(self.dispatcher.find(call.submission.id)?.waiting, to: &headers)
        return HTTPResponse(
            status: 200,
            headers: headers,
            body: .stream { writer in try await self.announce(call, to: writer) }
        )
    }

    private func announce(_ call: Call, to writer: any HTTPBodyWriter) async throws {
        while true {
            switch await self.departure(call, telling: writer) {
            case .answer(let response): return try await self.tell(response, call, to: writer)
            case .refused(let lease, let attempted):
                guard let response = self.finish(call, lease, attempted) else { continue }
                return try await self.tell(response, call, to: writer)
            case .call(let lease, let attempt, let deadline, let number):
                switch await self.race(call, lease, attempt, number, deadline) {
                case .stream(let opening):
                    self.dispatcher.firstByte(lease, limits: self.limits(call, opening))
                    return try await self.passOn(call, lease, opening, deadline, to: writer)
                case .whole(let attempted):
                    guard let response = self.finish(call, lease, attempted) else { continue }
                    return try await self.tell(response, call, to: writer)
                }
            }
        }
    }

    /// Waits for the request's turn and says meanwhile where it stands.
    private func departure(_ call: Call, telling writer: any HTTPBodyWriter) async -> Departure {
        async let _: Void = self.tellPlaces(call, to: writer)
        return await self.departure(call)
    }

    /// Until it is cancelled, or the request no longer waits.
    private func tellPlaces(_ call: Call, to writer: any HTTPBodyWriter) async {
        do {
            while let waiting = self.dispatcher.find(call.submission.id)?.waiting {
                try await writer.write(Self.comment(waiting))
                try await self.sleep(Self.queueUpdateInterval)
            }
        } catch is HTTPWriteError {
            _ = self.dispatcher.cancel(call.submission.id, cause: .clientGone)
        } catch {
            // The turn has come.
        }
    }

    private static func comment(_ waiting: WaitingStatus) -> [UInt8] {
        let wait = waiting.estimatedStart.map { " wait_ms=\(TraceHeaders.wholeMilliseconds($0))" } ?? ""
        return SSEWriter.comment("queued position=\(waiting.position)\(wait)")
    }

    /// An answer that would have had a status and a body of its own, as the rest of a stream.
    private func tell(_ response: HTTPResponse, _ call: Call, to writer: any HTTPBodyWriter) async throws {
        guard case .bytes(let body) = response.body else { return }
        guard response.status >= 400 else {
            let isStream = response.headers["content-type"]?.lowercased().hasPrefix("text/event-stream") == true
            return try await writer.writeLast(isStream ? body : self.events(body, call))
        }
        let isError = (try? JSON.read(body) { $0["error"]?.kind == .object }) ?? false
        let events =
            isError
            ? call.operation.closing(status: response.status, errorBody: body)
            : call.operation.closing(
                GatewayError(
                    status: response.status,
                    message: "Backend '\(call.backend.name)' refused the request with status \(response.status).",
                    type: "invalid_request_error",
                    code: FailureClass.providerRejected.rawValue
                )
            )
        let again = response.headers["retry-after"].map { " retry_after=\($0)" } ?? ""
        let status = SSEWriter.comment("failed status=\(response.status)\(again)")
        try await writer.writeLast(status + events)
    }

    /// A whole answer where a stream was asked for.
    private func events(_ body: [UInt8], _ call: Call) -> [UInt8] {
        let asksForUsage = try? JSON.read(call.body) { $0["stream_options"]?["include_usage"]?.bool }
        return CompletionEvents.make(body, call.operation, includesUsage: asksForUsage == true)
            ?? SSEWriter.event(data: body) + SSEWriter.event(data: Array("[DONE]".utf8))
    }
}
