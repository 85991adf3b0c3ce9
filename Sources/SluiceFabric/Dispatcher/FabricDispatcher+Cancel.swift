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
            let value = try await self.link.send(ValkeyCommand("HGETALL", [key]))
            let fields = value.array ?? []
            guard !fields.isEmpty else { return }
            var producers: [String: String] = [:]
            for index in stride(from: 0, to: fields.count - 1, by: 2) {
                if let id = fields[index].text, let producer = fields[index + 1].text { producers[id] = producer }
            }
            let given = held.filter { producers[$0.requestID] == $0.producerID }
            guard !given.isEmpty else { return }
            for request in given {
                pool.count { $0.cancelled += 1 }
                if let id = request.engineID.withLock({ $0 }) { _ = self.engine.cancel(id, cause: .clientGone) }
            }
            _ = try await self.link.send(ValkeyCommand("HDEL", [key] + given.map { .text($0.requestID) }))
        } catch {
            self.note(error, pool)
        }
    }
}
