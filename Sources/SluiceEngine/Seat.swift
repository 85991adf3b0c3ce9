/// Where the task of one request waits for its turn.
struct Seat {
    struct Key: Hashable, Sendable {
        let index: UInt32
        let generation: UInt32
    }
}
