import SluiceBasics
import SluiceCore

extension Dispatcher {
    /// Live requests of each key or producer that sent some, but for those from lists. O(live requests), a slice under
    /// the lock at a time.
    ///
    /// - Parameter limit: names; what comes beyond is left out.
    package func producers(limit: Int) -> [String: (queued: Int, inFlight: Int)] {
        var counts: [String: (queued: Int, inFlight: Int)] = [:]
        let poolCount = self.state.withLock { $0.machine.poolNames.count }
        for pool in 0..<poolCount {
            var start = 0
            while true {
                let slots = start..<start + Self.pageSlice
                let isDone = self.state.withLock { state in
                    state.machine.liveHandles(pool: pool, slots: slots) { _, record in
                        guard record.submission.remote == nil, let name = record.submission.producer,
                            counts[name] != nil || counts.count < limit
                        else { return }
                        if record.state == .queued {
                            counts[name, default: (0, 0)].queued += 1
                        } else {
                            counts[name, default: (0, 0)].inFlight += 1
                        }
                    }
                    return slots.upperBound >= state.machine.slotCount(pool: pool)
                }
                if isDone { break }
                start = slots.upperBound
            }
        }
        return counts
    }
}
