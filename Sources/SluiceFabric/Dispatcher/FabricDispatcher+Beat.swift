import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// That we live, and what we hold, for others to see.
extension FabricDispatcher {
    func beat() async {
        var backoff = self.makeBackoff()
        var next = self.clock.now() + self.configuration.beatEvery
        while self.phase != .stopped {
            await self.beating.wait(until: next, canBePoked: true)
            guard self.phase != .stopped else { return }
            if await self.beatOnce() {
                backoff.reset()
                next = self.clock.now() + self.configuration.beatEvery
            } else {
                next = self.clock.now() + backoff.next()
            }
        }
    }

    @discardableResult
    func beatOnce() async -> Bool {
        let sent = self.clock.now()
        let ttl = Int(self.configuration.heartbeatTTL.inMilliseconds)
        do throws(ValkeyError) {
            _ = try await self.link.evaluate(
                FabricScript.beat,
                keys: [DispatchKeys.dispatcherAlive(self.configuration.dispatcherID)] + self.pools.map(\.dispatchers),
                arguments: [
                    .bytes(self.heartbeat().write()), .integer(ttl), .text(self.configuration.dispatcherID),
                    .integer(Int(self.epoch)),
                ]
            )
            let now = self.clock.now()
            self.state.withLock { state in
                if let last = state.lastBeat, now - last >= self.configuration.heartbeatTTL { state.knownSince = now }
                state.lastBeat = sent
            }
            return true
        } catch {
            self.note(error, nil)
            return false
        }
    }

    package func heartbeat() -> DispatcherHeartbeat {
        let now = self.epoch
        let (phase, startedAt, lastError, held) = self.state.withLock {
            ($0.phase, $0.startedAt, $0.lastError, Array($0.held.values))
        }
        return DispatcherHeartbeat(
            dispatcherID: self.configuration.dispatcherID,
            gatewayID: self.configuration.gatewayID,
            fabricGroupID: self.configuration.fabricGroupID,
            version: self.configuration.version,
            startedAt: startedAt,
            beatAt: now,
            isDraining: phase != .running,
            lastError: lastError,
            pools: self.pools.map { pool in
                let counts = pool.counts.withLock { $0 }
                let status = self.engine.pool(pool.name)
                return DispatcherHeartbeat.Pool(
                    poolID: pool.name,
                    slots: status?.configuration.slots ?? 0,
                    inflight: held.count { $0.pool === pool },
                    processed: counts.processed,
                    failures: counts.failures,
                    malformedDropped: counts.malformed,
                    offlineRequestsDropped: counts.offlineRequests,
                    offlineRepliesDropped: counts.offlineReplies,
                    expired: counts.expired,
                    lost: counts.lost,
                    backendAddress: pool.backendAddress,
                    lastProcessedAt: counts.lastProcessedAt,
                    blockedBy: self.engine.blockage(pool: pool.name)?.rawValue,
                    breakerState: status?.breaker.state.rawValue
                )
            }
        )
    }

    /// Takes us out of sight. What we could not settle keeps us in the list of dispatchers, for others to sweep.
    func sayGoodbye() async {
        let id = self.configuration.dispatcherID
        for _ in 0..<3 {
            do throws(ValkeyError) {
                let lengths = try await self.link.send(
                    self.pools.map { ValkeyCommand("LLEN", [.text($0.inflight)]) }
                )
                let isEmpty = self.state.withLock { $0.isEmpty }
                let empty = zip(self.pools, lengths).filter { pool, length in
                    isEmpty && length.int == 0 && pool.doubt.withLock { $0 == nil }
                        && !pool.leavesBehind.withLock { $0 }
                }
                _ = try await self.link.send(
                    [ValkeyCommand("DEL", [.text(DispatchKeys.dispatcherAlive(id))])]
                        + empty.map { ValkeyCommand("HDEL", [.text($0.0.dispatchers), .text(id)]) }
                )
                return
            } catch {
                self.note(error, nil)
            }
        }
    }

    // MARK: The index

    /// How long a request may be with the backend before the index says so: most are never worth a command.
    private static let restageEvery = Duration.milliseconds(500)

    /// Brings the stages in the index up to date, many at a time.
    func restage() async {
        var round = 0
        while self.phase != .stopped {
            await self.restaging.wait(until: self.clock.now() + Self.restageEvery, canBePoked: false)
            round += 1
            let held = self.state.withLock { Array($0.held.values) }
            guard !held.isEmpty else { continue }
            // What runs is looked at again only for its attempts.
            let looksAtAll = round.isMultiple(of: 8)
            for pool in self.pools {
                let changed = held.filter { $0.pool === pool && self.hasMoved($0, looksAtAll: looksAtAll) }
                await self.write(changed, to: pool)
                await self.stopCancelled(held.filter { $0.pool === pool }, of: pool)
            }
        }
    }

    private func hasMoved(_ held: HeldRequest, looksAtAll: Bool) -> Bool {
        let stage = held.stage.withLock { $0 }
        if !stage.isWritten || stage.stage == .replying { return !stage.isWritten }
        guard stage.stage == .dispatching || looksAtAll, let id = held.engineID.withLock({ $0 }),
            let record = self.engine.find(id)?.record
        else { return false }
        let attempt = max(1, record.attempts.count)
        let isRunning = record.state == .started || record.state == .streaming
        let now: InflightStage = isRunning ? .executing : .dispatching
        guard now != stage.stage || attempt != stage.attempt else { return false }
        let since = self.epoch
        return held.stage.withLock { stage in
            guard stage.stage != .replying else { return false }
            stage = .init(stage: now, since: since, attempt: attempt, isWritten: false)
            return true
        }
    }

    private static let restageBatch = 256

    private func write(_ changed: [HeldRequest], to pool: ServedPool) async {
        var rest = changed[...]
        while !rest.isEmpty {
            let batch = rest.prefix(Self.restageBatch)
            rest = rest.dropFirst(Self.restageBatch)
            do throws(ValkeyError) {
                _ = try await self.link.evaluate(
                    FabricScript.restage,
                    keys: [pool.index],
                    arguments: [.bytes(self.entryStart)]
                        + batch.flatMap { [.text($0.requestID), .bytes($0.entry)] as [ValkeyArgument] }
                )
                for held in batch { held.stage.withLock { $0.isWritten = true } }
            } catch {
                return self.note(error, pool)
            }
        }
    }
}
