import SluiceBasics

/// What happens next in a simulation, by time; equal times in a fixed order.
struct Agenda {
    enum Event: Sendable {
        case arrive
        case start(flight: Int)
        case firstByte(flight: Int)
        case complete(flight: Int, version: Int)
        case clientLeaves(request: Int)
        case operate
        case tick
        case beat(flight: Int)
    }

    private var times = IndexedHeap()
    private var events: [Event] = []
    private var free: [UInt32] = []

    mutating func add(_ event: Event, at time: Instant) {
        let slot: UInt32
        if let reused = self.free.popLast() {
            slot = reused
            self.events[Int(slot)] = event
        } else {
            slot = UInt32(self.events.count)
            self.events.append(event)
        }
        self.times.set(slot, at: time)
    }

    mutating func next() -> (at: Instant, event: Event)? {
        guard let first = self.times.first else { return nil }
        self.times.remove(first.item)
        self.free.append(first.item)
        return (first.at, self.events[Int(first.item)])
    }
}
