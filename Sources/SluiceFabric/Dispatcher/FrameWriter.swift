import SluiceBasics
import SluiceWire

/// Carries a stream to its producer in frames: what comes while a frame is being pushed goes into the next one.
final class FrameWriter: HTTPBodyWriter {
    enum End: Sendable, Equatable {
        /// All frames have been pushed; the reply may follow.
        case sent
        case producerGone
        case failed
    }

    private struct State: Sendable {
        var parser = SSEParser()
        var events: [SSEEvent] = []
        var bytes = 0
        var sequence = 0
        var isPushing = false
        /// Nothing more is taken.
        var end: End?
        /// Who waits for room, or for the push that is under way.
        var waiters: [Promise<Void>] = []
        var wasUsed = false
    }

    private let dispatcher: FabricDispatcher
    private let held: HeldRequest
    private let state = Lock(State())

    init(_ dispatcher: FabricDispatcher, _ held: HeldRequest) {
        self.dispatcher = dispatcher
        self.held = held
    }

    func write(_ chunk: [UInt8]) async throws {
        try Task.checkCancellation()
        try self.take(chunk)
        self.push(isFinal: false)
        while true {
            let promise = Promise<Void>()
            let (waits, end) = self.state.withLock { state -> (Bool, End?) in
                let waits = state.end == nil && state.isPushing && state.bytes > self.limit
                if waits { state.waiters.append(promise) }
                return (waits, state.end)
            }
            if end != nil { throw HTTPWriteError.clientGone }
            guard waits else { return }
            // Whoever is to stop must not wait for a store that is away.
            await withTaskCancellationHandler {
                await promise.value()
            } onCancel: {
                promise.fulfil(())
            }
            try Task.checkCancellation()
        }
    }

    func writeLast(_ chunk: [UInt8]) async throws { try self.take(chunk) }

    private var limit: Int { self.dispatcher.configuration.frameBytes }

    private func take(_ chunk: [UInt8]) throws {
        let end = self.state.withLock { state -> End? in
            guard state.end == nil else { return state.end }
            state.wasUsed = true
            var events: [SSEEvent] = []
            do throws(SSEError) {
                try state.parser.feed(chunk) { events.append($0) }
            } catch {
                state.end = .failed
                return .failed
            }
            state.events += events
            state.bytes += events.reduce(0) { $0 + $1.data.count + 32 }
            return nil
        }
        if end != nil { throw HTTPWriteError.clientGone }
    }

    /// Sends what is left, marked final, and says how it went. Nothing was streamed: nothing is sent.
    ///
    /// - Parameter isStreamed: the answer was a stream, if only of nothing.
    func finish(isStreamed: Bool) async -> End {
        guard self.state.withLock({ $0.wasUsed || isStreamed }) else { return .sent }
        while await self.waitForPush() {}
        if let end = self.state.withLock({ $0.end }) { return end }
        self.push(isFinal: true)
        while await self.waitForPush() {}
        return self.state.withLock { state in
            // Nothing may follow the final frame.
            let end = state.end ?? .sent
            state.end = end
            return end
        }
    }

    /// - Returns: whether there was one to wait for.
    private func waitForPush() async -> Bool {
        let promise = Promise<Void>()
        let waits = self.state.withLock { state in
            if state.isPushing { state.waiters.append(promise) }
            return state.isPushing
        }
        if waits { await promise.value() }
        return waits
    }

    /// Starts to push what lies here, unless that is being done.
    private func push(isFinal: Bool) {
        let begins = self.state.withLock { state in
            guard !state.isPushing, state.end == nil, isFinal || !state.events.isEmpty else { return false }
            state.isPushing = true
            return true
        }
        guard begins else { return }
        self.dispatcher.begin {
            var isFinal = isFinal
            while let frame = self.nextFrame(isFinal: isFinal) {
                await self.send(frame)
                isFinal = isFinal && !frame.isFinal
            }
        }
    }

    /// - Returns: `nil` when there is nothing to push now; the push has then ended.
    private func nextFrame(isFinal: Bool) -> StreamFrame? {
        let (frame, waiters) = self.state.withLock { state -> (StreamFrame?, [Promise<Void>]) in
            guard state.end == nil, isFinal || !state.events.isEmpty else {
                state.isPushing = false
                defer { state.waiters = [] }
                return (nil, state.waiters)
            }
            let events = Array(state.events.prefix(EnvelopeLimits.frameEvents))
            state.events.removeFirst(events.count)
            state.bytes = state.events.isEmpty ? 0 : state.bytes
            let frame = StreamFrame(
                requestID: self.held.requestID,
                producerID: self.held.producerID,
                poolID: self.held.pool.name,
                sequence: state.sequence,
                isFinal: isFinal && state.events.isEmpty,
                events: events
            )
            state.sequence += 1
            return (frame, [])
        }
        for waiter in waiters { waiter.fulfil(()) }
        return frame
    }

    /// Repeats a frame whose push may have been lost: its number tells the producer.
    private func send(_ frame: StreamFrame) async {
        let configuration = self.dispatcher.configuration
        let keys = [
            DispatchKeys.producerAlive(self.held.producerID), DispatchKeys.replies(producer: self.held.producerID),
        ]
        let arguments: [ValkeyArgument] = [
            .integer(Int(configuration.replyTTL.inMilliseconds)), .bytes(frame.write()),
        ]
        let end = self.dispatcher.clock.now() + configuration.replyTTL
        var backoff = self.dispatcher.makeBackoff()
        var believedUntil: Instant?
        while true {
            do throws(ValkeyError) {
                let value = try await self.dispatcher.link.evaluate(
                    FabricScript.publishReply,
                    keys: keys,
                    arguments: arguments
                )
                if value.int == 1 {
                    self.held.pool.count { $0.frames += 1 }
                    return self.pushed(nil)
                }
                let now = self.dispatcher.clock.now()
                if believedUntil == nil && self.dispatcher.mayHaveForgotten {
                    believedUntil = now + configuration.forgottenGrace
                }
                guard let believedUntil, now < believedUntil else { return self.pushed(.producerGone) }
            } catch {
                self.dispatcher.note(error, self.held.pool)
                if error.isForGood { return self.pushed(.failed) }
            }
            let next = self.dispatcher.clock.now() + backoff.next()
            guard next < end, self.dispatcher.phase != .stopped else { return self.pushed(.failed) }
            await self.dispatcher.sleep(until: next)
        }
    }

    /// Wakes who waits for room.
    private func pushed(_ end: End?) {
        let waiters = self.state.withLock { state -> [Promise<Void>] in
            state.end = state.end ?? end
            guard state.end != nil || state.bytes <= self.limit else { return [] }
            // Who waits for the end of the push asks again.
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.fulfil(()) }
    }
}
