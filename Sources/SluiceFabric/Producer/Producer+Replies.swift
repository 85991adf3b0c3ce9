import SluiceBasics
import SluiceEngine
import SluiceWire

/// How the pump asks: many replies at a time where the server knows how, and fewer while they are large.
private struct ReplyPop {
    let key: String
    let seconds: Int
    let most: Int
    /// Largest answer that is aimed at, in bytes.
    let aim = 4 << 20
    var takesMany = true
    var count: Int

    init(key: String, seconds: Int, most: Int) {
        self.key = key
        self.seconds = max(1, seconds)
        self.most = max(1, most)
        self.count = max(1, most)
    }

    var command: ValkeyCommand {
        self.takesMany
            ? ValkeyCommand(
                "BLMPOP",
                [.integer(self.seconds), 1, .text(self.key), "LEFT", "COUNT", .integer(self.count)]
            )
            : ValkeyCommand("BLPOP", [.text(self.key), .integer(self.seconds)])
    }

    /// The elements of an answer; `nil` if it is none.
    func elements(_ value: RESPValue) -> [[UInt8]]? {
        if value == .null { return [] }
        guard let parts = value.array, parts.count == 2 else { return nil }
        if let element = parts[1].bytes { return [element] }
        return parts[1].array?.compactMap(\.bytes)
    }

    mutating func adapt(to elements: [[UInt8]]) {
        guard !elements.isEmpty else { return }
        let mean = elements.reduce(0) { $0 + $1.count } / elements.count
        self.count = min(self.most, max(1, self.aim / max(1, mean)))
    }
}

extension Producer {
    /// Takes replies until `close`, through every error.
    func pumpReplies() async {
        var pop = ReplyPop(
            key: DispatchKeys.replies(producer: self.configuration.producerID),
            seconds: self.configuration.popSeconds,
            most: self.configuration.popCount
        )
        var popper: (any ValkeyPopper)?
        var backoff = self.makeBackoff()
        while self.isRunning {
            do throws(ValkeyError) {
                if popper == nil { popper = try self.link.openPopper() }
                guard let open = popper else { throw .closed }
                let value = try await open.pop(pop.command, seconds: pop.seconds)
                guard let elements = pop.elements(value) else {
                    throw .protocolViolation("an answer to a pop")
                }
                backoff.reset()
                pop.adapt(to: elements)
                for element in elements { self.receive(element) }
            } catch {
                if case .server(let refusal) = error, refusal.kind == .unknownCommand, pop.takesMany {
                    pop.takesMany = false
                    continue
                }
                self.count { $0.popFailures += 1 }
                if case .replyTooLarge = error { pop.count = 1 } else { self.suspectAlive() }
                await self.popping.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
            }
        }
        await popper?.close()
    }

    /// Finds who waits for an element of our list.
    func receive(_ element: [UInt8]) {
        let limits = EnvelopeLimits(elementBytes: self.configuration.maximumReplyBytes)
        do throws(UnreadableEnvelope) {
            switch try ReplyElement.read(element, limits: limits) {
            case .reply(let reply): self.receive(reply)
            case .frame(let frame): self.receive(frame)
            }
        } catch {
            // Whoever waits for it goes on waiting: a better one may come.
            self.count { $0.malformedReplies += 1 }
        }
    }

    private func receive(_ reply: ReplyEnvelope) {
        let id = reply.requestID
        let waiter = self.state.withLock { state -> Waiter? in
            guard reply.producerID == self.configuration.producerID, let waiter = state.waiters[id] else {
                Self.countStray(id, &state)
                return nil
            }
            state.waiters[id] = nil
            // The same reply may come twice; the second is late, not unknown.
            state.forgotten.insert(id)
            if reply.isOK { state.counts.replies += 1 } else { state.counts.errorReplies += 1 }
            return waiter
        }
        guard let waiter else { return }
        if let alarm = waiter.alarm { self.alarms.cancel(alarm) }
        if case .whole = waiter.destination, reply.outcome == .streamed {
            waiter.finish(.failure(.unexpectedStream))
        } else {
            waiter.finish(.success(reply))
        }
    }

    private func receive(_ frame: StreamFrame) {
        let waiter = self.state.withLock { state -> Waiter? in
            guard frame.producerID == self.configuration.producerID, let waiter = state.waiters[frame.requestID] else {
                Self.countStray(frame.requestID, &state)
                return nil
            }
            state.counts.frames += 1
            return waiter
        }
        guard let waiter else { return }
        guard case .stream(let buffer) = waiter.destination else {
            return self.forget(frame.requestID, serial: waiter.serial, .unexpectedStream)
        }
        switch buffer.deliver(frame) {
        case .taken: break
        case .repeated: self.count { $0.repeatedFrames += 1 }
        case .refused(let error): self.forget(frame.requestID, serial: waiter.serial, error)
        }
    }

    private static func countStray(_ id: String, _ state: inout State) {
        if state.forgotten.contains(id) {
            state.counts.lateReplies += 1
        } else {
            state.counts.unknownReplies += 1
        }
    }
}
