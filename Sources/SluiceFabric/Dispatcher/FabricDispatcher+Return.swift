import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

// Back to the list, unsent and in the old order.
//
// Elements are put back one after the other, the last that was taken first, and never while a pop may be under way: a
// pop would take them again at once, and a put-back that is repeated after its answer was lost would then take away
// what has begun anew.
extension FabricDispatcher {
    /// Has the engine end a request that it has not sent; the request's task then returns it. For the time of draining.
    func withdraw(_ held: HeldRequest) {
        guard let id = held.engineID.withLock({ $0 }) else { return }
        let isFirst = self.state.withLock { state in
            state.held[held.serial] != nil && state.withdrawn.insert(held.serial).inserted
        }
        guard isFirst, !self.engine.withdraw(id) else { return }
        self.arrived(held)
    }

    /// A request is not waited for any more by those that are to be given back.
    func arrived(_ held: HeldRequest) {
        self.state.withLock { _ = $0.withdrawn.remove(held.serial) }
        self.giveBackAtTheEnd()
    }

    /// Hands a request over to be put back.
    func goBack(_ held: HeldRequest) {
        held.pool.returning.withLock { $0.append(held) }
        held.pool.pause.poke()
        self.arrived(held)
    }

    /// The puller's part, between two pops.
    func giveBack(_ pool: ServedPool) async {
        while let held = pool.takeReturning() {
            guard await self.putBack(held, while: .running) else {
                return pool.returning.withLock { $0.append(held) }
            }
        }
    }

    func pullerEnded() {
        self.state.withLock { $0.pulling -= 1 }
        self.giveBackAtTheEnd()
    }

    /// Once nothing is popped any more and all that is to go back is here.
    private func giveBackAtTheEnd() {
        let begins = self.state.withLock { state in
            guard state.phase != .running, state.pulling == 0, state.withdrawn.isEmpty, !state.isGivingBack else {
                return false
            }
            state.isGivingBack = true
            return true
        }
        guard begins else { return }
        self.begin {
            for pool in self.pools {
                while let held = pool.takeReturning() {
                    _ = await self.putBack(held, while: .draining)
                    // Who could not be put back is left to others.
                    self.release(held)
                }
            }
            self.state.withLock { $0.isGivingBack = false }
            if self.pools.contains(where: { $0.returning.withLock { !$0.isEmpty } }) { self.giveBackAtTheEnd() }
        }
    }

    /// Gives a request back to the head of its list.
    ///
    /// - Parameter phase: how long to try again.
    /// - Returns: whether it is dealt with; it is then released.
    private func putBack(_ held: HeldRequest, while phase: State.Phase) async -> Bool {
        let pool = held.pool
        var backoff = self.makeBackoff()
        while true {
            do throws(ValkeyError) {
                if try await self.putBackOnce(held) { pool.count { $0.putBack += 1 } }
                self.release(held)
                return true
            } catch {
                self.note(error, pool)
                // A push that may have been done is not done again; the private list can be looked at again.
                if held.element != nil && error.mayHaveExecuted {
                    self.say(
                        .error,
                        "request may be lost",
                        [
                            ("request", held.requestID), ("producer", held.producerID), ("pool", pool.name),
                            ("detail", "Whether Valkey took it back is unknown."),
                        ]
                    )
                    self.abandon(held)
                    return true
                }
            }
            guard self.phase == phase else { return false }
            let next = self.clock.now() + backoff.next()
            if phase == .running {
                await pool.pause.wait(until: next, canBePoked: false)
            } else {
                await self.sleep(until: next)
            }
        }
    }

    /// - Returns: whether it was still ours.
    private func putBackOnce(_ held: HeldRequest) async throws(ValkeyError) -> Bool {
        try await self.putBack(held.mark, held.element, id: held.requestID, held.pool)
    }

    /// - Parameter element: if no private list has it.
    func putBack(
        _ mark: ElementMark,
        _ element: [UInt8]? = nil,
        id: String,
        _ pool: ServedPool
    ) async throws(ValkeyError) -> Bool {
        let identity: [ValkeyArgument] = [.text(id), .bytes(self.entryStart)]
        let whole = element.map { [ValkeyArgument.bytes($0)] } ?? []
        return try await self.link.evaluate(
            FabricScript.putBack,
            keys: [pool.inflight, pool.requests, pool.index],
            arguments: identity + mark.arguments + whole
        ).int == 1
    }
}
