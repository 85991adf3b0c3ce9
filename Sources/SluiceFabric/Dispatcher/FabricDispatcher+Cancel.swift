import SluiceBasics
import SluiceCore
import SluiceEngine
import SluiceWire

extension FabricDispatcher {
    /// Stops what nobody waits for any more, of the requests that are held.
    func stopCancelled(_ held: [HeldRequest], of pool: ServedPool) async {
        guard !held.isEmpty else { return }
        let key = ValkeyArgument.text(DispatchKeys.cancelled(pool: pool.name))
        do throws(ValkeyError) {
            let value = try await self.link.send(ValkeyCommand("LRANGE", [key, 0, -1]))
            let cancelled = Set((value.array ?? []).compactMap(\.text))
            guard !cancelled.isEmpty else { return }
            var found: [ValkeyCommand] = []
            for request in held {
                // What the engine does not have yet is found by the next look.
                guard let id = request.engineID.withLock({ $0 }) else { continue }
                let element = DispatchKeys.cancelledElement(producer: request.producerID, request: request.requestID)
                guard cancelled.contains(element) else { continue }
                pool.count { $0.cancelled += 1 }
                _ = self.engine.cancel(id, cause: .clientGone)
                found.append(ValkeyCommand("LREM", [key, 0, .text(element)]))
            }
            if !found.isEmpty { _ = try await self.link.send(found) }
        } catch {
            self.note(error, pool)
        }
    }
}
