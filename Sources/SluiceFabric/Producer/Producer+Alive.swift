import SluiceBasics
import SluiceEngine
import SluiceWire

extension Producer {
    func makeBackoff() -> Backoff {
        Backoff(
            least: self.configuration.leastBackoff,
            most: self.configuration.mostBackoff,
            seed: self.state.withLock { $0.random.next() }
        )
    }

    /// Sets the alive key again and again, through every error, until `close`; then takes it away.
    func keepAlive() async {
        let key = ValkeyArgument.text(DispatchKeys.producerAlive(self.configuration.producerID))
        let seconds = max(1, Int(self.configuration.aliveTTL.inSeconds.rounded(.up)))
        let id = ValkeyArgument.text(self.configuration.producerID)
        let set = ValkeyCommand("SET", [key, id, "EX", .integer(seconds)])
        let prolong = ValkeyCommand("EXPIRE", [key, .integer(seconds)])
        var backoff = self.makeBackoff()
        while self.isRunning {
            let sent = self.clock.now()
            do throws(ValkeyError) {
                try await self.refresh(set, prolong)
                backoff.reset()
                // Confirmed for less than it lasts: a request pushed at the end has to find it alive.
                self.confirm(until: sent + .nanoseconds(self.configuration.aliveTTL.wholeNanoseconds / 5 * 4))
                await self.refreshing.wait(until: sent + self.configuration.refreshEvery, canBePoked: true)
            } catch {
                self.count { $0.refreshFailures += 1 }
                await self.refreshing.wait(until: self.clock.now() + backoff.next(), canBePoked: false)
            }
        }
        await self.takeAliveKeyAway(key)
    }

    /// A Valkey that is full refuses SET, but goes on answering what it holds: a key that is there can be prolonged.
    private func refresh(_ set: ValkeyCommand, _ prolong: ValkeyCommand) async throws(ValkeyError) {
        do throws(ValkeyError) {
            _ = try await self.link.send(set)
        } catch {
            guard error.isOutOfMemory, try await self.link.send(prolong).int == 1 else { throw error }
        }
    }

    private func confirm(until end: Instant) {
        let waiting = self.state.withLock { state in
            state.aliveUntil = end
            let waiting = state.aliveWaiters
            state.aliveWaiters = [:]
            return waiting
        }
        for (_, pause) in waiting.sorted(by: { $0.key < $1.key }) { pause.poke() }
    }

    /// After an error the store may have come back without our key: nothing is pushed until it has been set again.
    func suspectAlive() {
        let wasConfirmed = self.state.withLock { state in
            defer { state.aliveUntil = nil }
            return state.aliveUntil != nil
        }
        if wasConfirmed { self.refreshing.poke() }
    }

    /// Twice at most: the key expires anyway.
    private func takeAliveKeyAway(_ key: ValkeyArgument) async {
        for _ in 0..<2 {
            do throws(ValkeyError) {
                _ = try await self.link.send(ValkeyCommand("DEL", [key]))
                return
            } catch {
                self.count { $0.refreshFailures += 1 }
            }
        }
    }
}
