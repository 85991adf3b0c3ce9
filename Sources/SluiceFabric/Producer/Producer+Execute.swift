import SluiceBasics
import SluiceEngine
import SluiceWire

extension Producer {
    /// Has one request run and waits for its reply, which may be an error reply.
    ///
    /// - Parameter timeout: for everything together: waiting for the store, in the queue, for the backend.
    /// - Throws: `ProducerError`; cancelling the task throws `cancelled`.
    package func execute(_ request: FabricRequest, timeout: Duration) async throws(ProducerError) -> ReplyEnvelope {
        let results = try await self.execute([request], timeout: timeout)
        guard let result = results.first else { throw .closed }
        return try result.get()
    }

    /// Has a batch run and waits for all of its replies, however they come.
    ///
    /// - Returns: results in the order of the requests.
    /// - Throws: what is wrong with the batch before anything of it was queued: one request that is too large fails
    ///   all.
    package func execute(
        _ batch: [FabricRequest],
        timeout: Duration
    ) async throws(ProducerError) -> [Result<ReplyEnvelope, ProducerError>] {
        let promises = batch.map { _ in Promise<Result<ReplyEnvelope, ProducerError>>() }
        let launch = try await self.launch(batch, timeout) { .whole(promises[$0]) }
        return await withTaskCancellationHandler {
            var results: [Result<ReplyEnvelope, ProducerError>] = []
            for promise in promises { results.append(await promise.value()) }
            return results
        } onCancel: {
            self.abandon(launch.places)
        }
    }

    /// Has one request run and gives its answer out as it comes.
    ///
    /// - Throws: as `execute`, up to the push; what comes later is thrown by the stream.
    package func stream(_ request: FabricRequest, timeout: Duration) async throws(ProducerError) -> ProducerStream {
        var request = request
        var extras = request.metadata.extras ?? DispatchExtras()
        extras.streaming = extras.streaming ?? CompletionCall.Streaming()
        request.metadata.extras = extras
        let buffer = StreamBuffer(limit: self.configuration.streamBufferBytes)
        let launch = try await self.launch([request], timeout) { _ in .stream(buffer) }
        if let failure = launch.failure, !failure.mayBeQueued { throw failure }
        return ProducerStream(requestID: request.id, buffer: buffer) { self.abandon(launch.places) }
    }

    // MARK: Pushing

    /// Where a request waits.
    private struct Place: Sendable {
        var id: String
        var serial: Int
    }

    private func abandon(_ places: [Place]) {
        for place in places { self.forget(place.id, serial: place.serial, .cancelled) }
    }

    /// Checks, registers and pushes. A function of its own, so that the payloads are let go of before the long wait.
    /// - Returns: where the batch waits, and the last reason why some of it could not be pushed.
    private func launch(
        _ batch: [FabricRequest],
        _ timeout: Duration,
        _ destination: (Int) -> Waiter.Destination
    ) async throws(ProducerError) -> (places: [Place], failure: ProducerError?) {
        var packed = try self.pack(batch, timeout: timeout)
        try self.register(&packed, destination)
        let parcel = packed
        let places = parcel.items.map { Place(id: $0.id, serial: $0.serial) }
        let failure = await withTaskCancellationHandler {
            await self.push(parcel)
        } onCancel: {
            self.abandon(places)
        }
        return (places, failure)
    }

    /// Pushes a parcel, pool by pool; what cannot be pushed is forgotten with the reason.
    /// - Returns: the last reason.
    private func push(_ parcel: Parcel) async -> ProducerError? {
        var last: ProducerError?
        for pool in parcel.pools {
            let part = parcel.part(for: pool)
            guard let failure = await self.push(part, to: pool) else { continue }
            for item in part.items { self.forget(item.id, serial: item.serial, failure) }
            last = failure
        }
        self.state.withLock { $0.pushingBytes -= parcel.bytes }
        return last
    }

    private func push(_ part: Parcel, to pool: String) async -> ProducerError? {
        let keys = [DispatchKeys.requests(pool: pool)]
        let limits = self.configuration
        let bounds: [ValkeyArgument] = [
            .integer(limits.maximumQueuedRequests), .integer(limits.maximumQueuedBytes),
        ]
        let arguments = bounds + part.items.map { .bytes($0.element) }
        let patience = self.clock.now() + limits.storePatience
        var backoff = self.makeBackoff()
        while await self.confirmAlive(part) {
            let error: ValkeyError
            do throws(ValkeyError) {
                let value = try await self.link.evaluate(
                    FabricScript.enqueueBounded,
                    keys: keys,
                    arguments: arguments
                )
                return self.pushed(value, part, to: pool)
            } catch let caught {
                error = caught
            }
            self.count { $0.storeErrors += 1 }
            if error.isOutOfMemory { return .storeFull }
            if error.mayHaveExecuted {
                self.suspectAlive()
                return .store(error, mayBeQueued: true)
            }
            let again = self.clock.now() + backoff.next()
            guard error.isRetryable, again < patience else { return .store(error, mayBeQueued: false) }
            self.suspectAlive()
            await part.pause.wait(until: again, canBePoked: true)
        }
        // Nobody waits for it any more; those who did know why.
        return nil
    }

    private func pushed(_ value: RESPValue, _ part: Parcel, to pool: String) -> ProducerError? {
        switch EnqueueAnswer(value) {
        case .queued:
            self.count { $0.pushed += part.items.count }
            return nil
        case .full(let depth, let bytes):
            self.count { $0.queueFull += 1 }
            return .queueFull(pool: pool, depth: depth, bytes: bytes)
        case nil:
            return .store(.protocolViolation("enqueueBounded"), mayBeQueued: true)
        }
    }

    /// Waits until the alive key is confirmed.
    /// - Returns: false when nobody waits for the parcel any more.
    private func confirmAlive(_ part: Parcel) async -> Bool {
        guard let first = part.items.first else { return false }
        while true {
            let now = self.clock.now()
            let isConfirmed = self.state.withLock { state -> Bool? in
                state.aliveWaiters[first.serial] = nil
                guard part.items.contains(where: { state.waiters[$0.id]?.serial == $0.serial }) else { return false }
                if let end = state.aliveUntil, end > now { return true }
                state.aliveWaiters[first.serial] = part.pause
                return nil
            }
            if let isConfirmed { return isConfirmed }
            let end = part.items.reduce(Instant.zero) { max($0, $1.deadline) }
            await part.pause.wait(until: end, canBePoked: true)
        }
    }
}

extension ValkeyError {
    var isOutOfMemory: Bool {
        if case .server(let error) = self { error.kind == .oom } else { false }
    }
}
