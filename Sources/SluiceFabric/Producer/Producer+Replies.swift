import SluiceBasics
import SluiceEngine
import SluiceWire

/// The reply list as its only reader sees it: looked at without taking anything away, which is done once it has been
/// read. A reply that is lost with a connection is read again.
private struct ReplyList {
    let key: String
    let seconds: Int
    let most: Int
    private var popper: (any ValkeyPopper)?
    /// Read and still there, from the head on.
    private var read: [[UInt8]] = []
    /// Valkey is out of memory, where BLMOVE is refused, even one that changes nothing.
    private(set) var isStoreFull = false

    /// Bytes after which no more are asked for at a time.
    private static let bytesAtOnce = 4 << 20
    private static let markBytes = 256

    init(key: String, seconds: Int, most: Int) {
        self.key = key
        self.seconds = max(1, seconds)
        self.most = max(1, most)
    }

    /// The next replies; waits at the server for the first. None when its time-out has passed.
    mutating func next(_ link: any ValkeyLink) async throws(ValkeyError) -> [[UInt8]] {
        if !self.read.isEmpty || self.isStoreFull {
            self.read = try await self.look(link)
            if !self.read.isEmpty || self.isStoreFull {
                self.isStoreFull = self.isStoreFull && !self.read.isEmpty
                return self.read
            }
        }
        if self.popper == nil { self.popper = try link.openPopper() }
        guard let popper = self.popper else { throw .closed }
        // From the head to the head: it waits for an element and leaves it, with the list's time to live, where it is.
        let command = ValkeyCommand(
            "BLMOVE",
            [.text(self.key), .text(self.key), "LEFT", "LEFT", .integer(self.seconds)]
        )
        let value: RESPValue
        do throws(ValkeyError) {
            value = try await popper.pop(command, seconds: self.seconds)
        } catch {
            guard error.isOutOfMemory else { throw error }
            self.isStoreFull = true
            return []
        }
        guard value != .null else { return [] }
        guard let element = value.bytes else { throw .protocolViolation("an answer to a pop") }
        self.read = [element]
        return [element]
    }

    /// Takes away what has been read and looks at what follows, without waiting for it.
    private func look(_ link: any ValkeyLink) async throws(ValkeyError) -> [[UInt8]] {
        let first = self.read.first ?? []
        let value = try await link.evaluate(
            FabricScript.nextReplies,
            keys: [self.key],
            arguments: [
                .integer(self.read.count), .integer(first.count), .bytes(Array(first.prefix(Self.markBytes))),
                .integer(self.most), .integer(Self.bytesAtOnce),
            ]
        )
        guard let elements = value.array?.compactMap(\.bytes) else { throw .protocolViolation("nextReplies") }
        return elements
    }

    /// Takes the first away unread: it is larger than any reply may be.
    mutating func skip(_ link: any ValkeyLink) async throws(ValkeyError) {
        self.read = []
        _ = try await link.send(ValkeyCommand("LPOP", [.text(self.key)]))
    }

    mutating func close() async {
        await self.popper?.close()
        self.popper = nil
    }
}

extension Producer {
    /// Takes replies until `close`, through every error.
    func pumpReplies() async {
        var list = ReplyList(
            key: DispatchKeys.replies(producer: self.configuration.producerID),
            seconds: self.configuration.popSeconds,
            most: self.configuration.popCount
        )
        var backoff = self.makeBackoff()
        while self.isRunning {
            do throws(ValkeyError) {
                let elements = try await list.next(self.link)
                for element in elements { self.receive(element) }
                backoff.reset()
                if elements.isEmpty && list.isStoreFull {
                    await self.popping.wait(until: self.clock.now() + .milliseconds(50), canBePoked: false)
                }
            } catch {
                self.count { $0.popFailures += 1 }
                if case .replyTooLarge = error {
                    self.count { $0.malformedReplies += 1 }
                    try? await list.skip(self.link)
                } else {
                    self.suspectAlive()
                }
                await self.popping.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
            }
        }
        await list.close()
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
