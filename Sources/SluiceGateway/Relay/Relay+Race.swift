import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceProviders
import SluiceWire

// Calls of pools with several targets: how long each is waited for, and a second one when the first is late.
extension Relay {
    /// What happens while calls are under way.
    private enum Leg: Sendable {
        case came(attempt: Int, Opened)
        /// A time has passed.
        case due
        /// Nobody waits for that time any more.
        case off
    }

    /// Whether a call is more than to ask and to wait.
    static func isRaced(_ call: Call, _ lease: Lease) -> Bool {
        guard let choice = lease.choice else { return false }
        return choice.hedgeAfter != nil || (call.submission.isStream && choice.timeout != nil)
    }

    /// The call of a target as it is sent; nothing but the first content of a stream is bounded by another time.
    func attempt(
        _ call: Call,
        _ choice: RouteChoice?,
        number: Int,
        _ deadline: Instant
    ) throws(ProviderError) -> BackendAttempt {
        var timeout = deadline - self.clock.now()
        if !call.submission.isStream, let patience = choice?.timeout { timeout = min(timeout, patience) }
        return try call.attempt(choice, number: number, timeout: timeout, now: self.epochSeconds)
    }

    /// Calls the backend; when it is late and there may be one, another one too. What comes back belongs to the attempt
    /// that is left: the slower one has been closed.
    func race(
        _ call: Call,
        _ lease: Lease,
        _ attempt: BackendAttempt,
        _ number: Int,
        _ deadline: Instant
    ) async -> Opened {
        guard Self.isRaced(call, lease), let choice = lease.choice else {
            return await self.ask(call, attempt, deadline)
        }
        guard let delay = choice.hedgeAfter else { return await self.ask(call, attempt, choice.timeout, deadline) }
        return await self.hedged(call, lease, attempt, number, choice.timeout, delay, deadline)
    }

    private func ask(_ call: Call, _ attempt: BackendAttempt, _ deadline: Instant) async -> Opened {
        if call.submission.isStream { return await self.open(call, attempt, deadline) }
        do throws(HTTPClientError) {
            let answer = try await self.client.execute(attempt.request)
            return .whole(self.attempted(call, attempt.translation, answer))
        } catch {
            return .whole(Attempted(result: .failure(self.failure(error, deadline)), answer: nil))
        }
    }

    // MARK: Patience

    /// Waits for the first content of a stream for so long and no longer.
    private func ask(
        _ call: Call,
        _ attempt: BackendAttempt,
        _ patience: Duration?,
        _ deadline: Instant
    ) async -> Opened {
        guard call.submission.isStream, let patience else { return await self.ask(call, attempt, deadline) }
        return await withTaskGroup(of: Leg.self) { group in
            group.addTask { .came(attempt: 0, await self.ask(call, attempt, deadline)) }
            group.addTask { await self.wait(patience) }
            var isLate = false
            while let leg = await group.next() {
                switch leg {
                case .off: break
                case .due:
                    isLate = true
                    group.cancelAll()
                case .came(_, let opened):
                    group.cancelAll()
                    return isLate && opened.isCancelled ? Self.late(patience) : opened
                }
            }
            return Self.late(patience)
        }
    }

    private func wait(_ span: Duration) async -> Leg {
        do {
            try await self.sleep(span)
            return .due
        } catch {
            return .off
        }
    }

    private static func late(_ patience: Duration) -> Opened {
        let failure = AttemptFailure(
            .readTimeout,
            message: "no content within \(TraceHeaders.wholeMilliseconds(patience)) ms"
        )
        return .whole(Attempted(result: .failure(failure), answer: nil))
    }

    // MARK: Second calls

    private func hedged(
        _ call: Call,
        _ lease: Lease,
        _ attempt: BackendAttempt,
        _ number: Int,
        _ patience: Duration?,
        _ delay: Duration,
        _ deadline: Instant
    ) async -> Opened {
        await withTaskGroup(of: Leg.self) { group in
            group.addTask { .came(attempt: number, await self.ask(call, attempt, patience, deadline)) }
            group.addTask { await self.wait(delay) }
            var underWay = [number]
            while let leg = await group.next() {
                switch leg {
                case .off: break
                case .due:
                    guard let (second, other, patience) = self.second(call, lease, deadline) else { break }
                    underWay.append(second)
                    group.addTask { .came(attempt: second, await self.ask(call, other, patience, deadline)) }
                case .came(let attempt, let opened):
                    underWay.removeAll { $0 == attempt }
                    guard let other = underWay.first else {
                        group.cancelAll()
                        return opened
                    }
                    guard opened.isAnswer else {
                        self.dispatcher.closeHedged(lease, attempt: attempt, opened.result, isOvertaken: false)
                        break
                    }
                    group.cancelAll()
                    let overtaken = AttemptFailure(.cancelled, message: "another target answered first")
                    self.dispatcher.closeHedged(lease, attempt: other, .failure(overtaken), isOvertaken: true)
                    // What has come all the same is not read.
                    for await rest in group {
                        if case .came(_, .stream(let opening)) = rest { opening.stream.body.close() }
                    }
                    return opened
                }
            }
            return Self.late(delay)
        }
    }

    /// A second call, if the dispatcher lets it be made.
    private func second(
        _ call: Call,
        _ lease: Lease,
        _ deadline: Instant
    ) -> (attempt: Int, BackendAttempt, patience: Duration?)? {
        guard let hedge = self.dispatcher.hedge(lease) else { return nil }
        do throws(ProviderError) {
            return (
                hedge.attempt, try self.attempt(call, hedge.choice, number: hedge.attempt, deadline),
                hedge.choice.timeout
            )
        } catch {
            let failure = AttemptFailure(.invalidRequest, message: "not sent: \(error.kind.rawValue)")
            self.dispatcher.closeHedged(lease, attempt: hedge.attempt, .failure(failure), isOvertaken: false)
            return nil
        }
    }
}

extension Relay.Opened {
    /// Whether it is what the client waits for.
    fileprivate var isAnswer: Bool {
        if case .success = self.result { true } else { false }
    }

    fileprivate var isCancelled: Bool {
        if case .failure(let failure) = self.result { failure.failureClass == .cancelled } else { false }
    }

    /// What it says of its attempt; a stream that has begun is as good as an answer.
    fileprivate var result: AttemptResult {
        switch self {
        case .stream(let opening): .success(status: opening.stream.status, usage: nil)
        case .whole(let attempted): attempted.result
        }
    }
}
