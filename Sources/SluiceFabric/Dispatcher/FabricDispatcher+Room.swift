import SluiceBasics
import SluiceCore
import SluiceEngine

extension FabricDispatcher {
    /// How many more requests of the pool to take.
    func room(_ pool: ServedPool) -> Int {
        let room = self.engine.room(pool: pool.name)
        guard self.configuration.reservedShare > 0, room == 0 else { return room }
        switch self.engine.blockage(pool: pool.name) {
        // Work that came in otherwise has the slots, or waits for them.
        case .slotsFull, nil: break
        default: return 0
        }
        let slots = Double(self.engine.slots(pool: pool.name) ?? 0)
        return max(0, max(1, Int(slots * self.configuration.reservedShare)) - pool.heldCount.withLock { $0 })
    }
}
