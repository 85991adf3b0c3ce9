import SluiceBasics
import SluiceCore

/// Where the task of one request waits for its turn.
struct Seat: Sendable {
    struct Key: Hashable, Sendable {
        let index: UInt32
        let generation: UInt32

        init(index: UInt32, generation: UInt32) {
            self.index = index
            self.generation = generation
        }

        /// The machine keeps it as a number.
        init(packed: UInt64) {
            self.index = UInt32(truncatingIfNeeded: packed)
            self.generation = UInt32(truncatingIfNeeded: packed >> 32)
        }

        var packed: UInt64 { UInt64(self.generation) << 32 | UInt64(self.index) }
    }

    enum Occupancy: Sendable {
        case free
        /// Between two calls of its task.
        case idle
        case waiting(CheckedContinuation<Turn, Never>)
        /// Its turn came before anybody waited for it.
        case granted(Lease)
        /// Its end came before anybody waited for it.
        case ended(EndedRequest)
    }

    var generation: UInt32 = 0
    var occupancy = Occupancy.free
    var cancellation: (any Cancellable)?
}

/// All seats of a dispatcher.
struct Seats: Sendable {
    private var seats: [Seat] = []
    private var free: [UInt32] = []

    mutating func take(_ cancellation: (any Cancellable)?) -> Seat.Key {
        if let index = self.free.popLast() {
            self.seats[Int(index)].occupancy = .idle
            self.seats[Int(index)].cancellation = cancellation
            return Seat.Key(index: index, generation: self.seats[Int(index)].generation)
        }
        self.seats.append(Seat(generation: 0, occupancy: .idle, cancellation: cancellation))
        return Seat.Key(index: UInt32(self.seats.count - 1), generation: 0)
    }

    private func holds(_ key: Seat.Key) -> Bool {
        Int(key.index) < self.seats.count && self.seats[Int(key.index)].generation == key.generation
    }

    mutating func leave(_ key: Seat.Key) {
        guard self.holds(key) else { return }
        self.seats[Int(key.index)].occupancy = .free
        self.seats[Int(key.index)].cancellation = nil
        self.seats[Int(key.index)].generation &+= 1
        self.free.append(key.index)
    }

    var occupied: Int { self.seats.count - self.free.count }

    func cancellation(_ key: Seat.Key) -> (any Cancellable)? {
        self.holds(key) ? self.seats[Int(key.index)].cancellation : nil
    }

    enum Presence {
        case turn(Turn)
        case nothingYet
        case vanished
    }

    /// What has been left at the seat, without waiting.
    mutating func collect(_ key: Seat.Key) -> Presence {
        guard self.holds(key) else { return .vanished }
        switch self.seats[Int(key.index)].occupancy {
        case .granted(let lease):
            self.seats[Int(key.index)].occupancy = .idle
            return .turn(.run(lease))
        case .ended(let request):
            self.leave(key)
            return .turn(.ended(request.record))
        case .idle, .waiting: return .nothingYet
        case .free: return .vanished
        }
    }

    mutating func wait(_ key: Seat.Key, _ continuation: CheckedContinuation<Turn, Never>) {
        self.seats[Int(key.index)].occupancy = .waiting(continuation)
    }

    /// Returns who has to be woken.
    mutating func grant(_ key: Seat.Key, _ lease: Lease) -> CheckedContinuation<Turn, Never>? {
        guard self.holds(key) else { return nil }
        if case .waiting(let continuation) = self.seats[Int(key.index)].occupancy {
            self.seats[Int(key.index)].occupancy = .idle
            return continuation
        }
        self.seats[Int(key.index)].occupancy = .granted(lease)
        return nil
    }

    /// Returns who has to be woken.
    mutating func end(_ key: Seat.Key, _ request: EndedRequest) -> CheckedContinuation<Turn, Never>? {
        guard self.holds(key) else { return nil }
        if case .waiting(let continuation) = self.seats[Int(key.index)].occupancy {
            self.leave(key)
            return continuation
        }
        self.seats[Int(key.index)].occupancy = .ended(request)
        return nil
    }
}
