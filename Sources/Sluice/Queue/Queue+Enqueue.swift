import SluiceBasics
import SluiceCore

// Taking work in.
extension Queue {
    /// Takes one request in and returns its id. It competes from the next dequeue on.
    @discardableResult
    public func enqueue(_ request: QueueRequest<Payload>) async throws(EnqueueError) -> String {
        let message: NewMessage<Payload>
        do {
            message = try self.admitted(request)
        } catch {
            self.refuse(error)
            throw error
        }
        var answers = await self.store([message])
        if case .failure(.duplicate)? = answers.first { await self.rename([request], &answers) }
        switch answers.first ?? .failure(.full) {
        case .success(let id): return id
        case .failure(let error):
            self.refuse(error)
            throw error
        }
    }

    /// Takes several requests in, in this order, with one call of the store; one answer each. A request that is
    /// refused does not keep the others out.
    @discardableResult
    public func enqueue(contentsOf requests: [QueueRequest<Payload>]) async -> [Result<String, EnqueueError>] {
        var answers: [Result<String, EnqueueError>] = []
        answers.reserveCapacity(requests.count)
        var messages: [NewMessage<Payload>] = []
        for request in requests {
            do {
                let message = try self.admitted(request)
                answers.append(.success(message.id))
                messages.append(message)
            } catch {
                answers.append(.failure(error))
            }
        }
        guard !messages.isEmpty else { return self.counted(answers) }
        var stored = await self.store(messages)[...]
        for index in answers.indices {
            guard case .success = answers[index] else { continue }
            answers[index] = stored.popFirst() ?? .failure(.full)
        }
        await self.rename(requests, &answers)
        return self.counted(answers)
    }

    /// Names that we have made and that another queue has made too are made anew: a few times, for a store that calls
    /// everything a duplicate.
    private func rename(_ requests: [QueueRequest<Payload>], _ answers: inout [Result<String, EnqueueError>]) async {
        for _ in 0..<8 {
            let taken = answers.indices.filter { index in
                guard case .failure(.duplicate) = answers[index] else { return false }
                return requests[index].id == nil
            }
            guard !taken.isEmpty else { return }
            self.state.withLock { $0.renewPrefix() }
            let messages = taken.compactMap { try? self.admitted(requests[$0]) }
            guard messages.count == taken.count else { return }
            for (index, answer) in zip(taken, await self.store(messages)) { answers[index] = answer }
        }
    }

    private func counted(_ answers: [Result<String, EnqueueError>]) -> [Result<String, EnqueueError>] {
        for case .failure(let error) in answers { self.refuse(error) }
        return answers
    }

    private func refuse(_ error: EnqueueError) {
        self.state.withLock { $0.book.totals.refused += 1 }
        self.tell(.refused(error))
    }

    private func store(_ messages: [NewMessage<Payload>]) async -> [Result<String, EnqueueError>] {
        let results: [EnqueueResult]
        do {
            results = try await self.storage.enqueue(messages)
        } catch {
            return messages.map { _ in .failure(.storage(error)) }
        }
        var accepted = 0
        let answers = zip(messages, results).map { message, result -> Result<String, EnqueueError> in
            switch result {
            case .accepted:
                accepted += 1
                self.tell(.enqueued(id: message.id))
                return .success(message.id)
            case .duplicate: return .failure(.duplicate(id: message.id))
            case .full: return .failure(.full)
            }
        }
        self.state.withLock { state in
            state.book.totals.enqueued += accepted
            state.buffer.isStale = true
        }
        // A store that tells has rung once already.
        for _ in 0..<max(0, self.storageTells ? accepted - 1 : accepted) where self.bell.waiters > 0 {
            self.bell.ring()
        }
        return answers
    }

    /// The request with its id, or why it is refused. What is admitted can never block others.
    private func admitted(_ request: QueueRequest<Payload>) throws(EnqueueError) -> NewMessage<Payload> {
        let (bounds, window) = self.state.withLock { ($0.policy.bounds, $0.policy.deduplicationWindow) }
        if let fault = self.fault(request, bounds) { throw fault }
        return NewMessage(
            id: request.id ?? self.state.withLock { $0.makeID() },
            payload: request.payload,
            priority: request.priority,
            estimatedTokens: request.estimatedTokens,
            model: request.model,
            tenant: request.tenant,
            expectedProcessing: request.expectedProcessing,
            delay: request.delay,
            timeToLive: request.timeToLive,
            metadata: request.metadata,
            // Names that we make ourselves never come twice.
            remembered: request.id == nil ? .zero : window
        )
    }

    private func fault(_ request: QueueRequest<Payload>, _ bounds: QueuePolicy.Bounds) -> EnqueueError? {
        if let id = request.id, id.isEmpty || id.utf8.count > bounds.idBytes {
            return .invalid(
                field: "id",
                value: "\(id.utf8.count) bytes long",
                expected: "1 to \(bounds.idBytes) bytes long"
            )
        }
        let tokens = request.estimatedTokens
        if !(0...(1 << 40)).contains(tokens) {
            return .invalid(field: "estimatedTokens", value: "\(tokens)", expected: "between 0 and 2^40")
        }
        if let capacity = bounds.capacity, tokens > capacity { return .neverFits(tokens: tokens, capacity: capacity) }
        if let expected = request.expectedProcessing, expected < .zero {
            return .invalid(field: "expectedProcessing", value: "\(expected)", expected: "not negative")
        }
        if request.delay < .zero || request.delay > bounds.delay {
            return .invalid(field: "delay", value: "\(request.delay)", expected: "between 0 and \(bounds.delay)")
        }
        if let span = request.timeToLive, span <= .zero || span > bounds.delay {
            let expected = "more than 0 and at most \(bounds.delay)"
            return .invalid(field: "timeToLive", value: "\(span)", expected: expected)
        }
        if request.payloadBytes < 0 || request.payloadBytes > bounds.payloadBytes ?? .max {
            let expected = bounds.payloadBytes.map { "between 0 and \($0)" } ?? "not negative"
            return .invalid(field: "payloadBytes", value: "\(request.payloadBytes)", expected: expected)
        }
        return nil
    }
}
