/// Calls in order; taking the first is cheap.
struct ValkeyCallQueue {
    private var calls: [ValkeyCall] = []
    private var taken = 0

    var count: Int { self.calls.count - self.taken }
    var isEmpty: Bool { self.count == 0 }
    var first: ValkeyCall? { self.isEmpty ? nil : self.calls[self.taken] }

    mutating func append(_ call: ValkeyCall) { self.calls.append(call) }

    mutating func removeFirst() {
        guard !self.isEmpty else { return }
        self.taken += 1
        // What has been taken goes when it is the larger part, so that each call is moved once at most.
        if self.taken > 32 && self.taken * 2 > self.calls.count {
            self.calls.removeFirst(self.taken)
            self.taken = 0
        }
    }

    mutating func takeAll() -> [ValkeyCall] {
        let all = Array(self.calls[self.taken...])
        self.calls.removeAll(keepingCapacity: true)
        self.taken = 0
        return all
    }

    mutating func removeAll(where isGone: (ValkeyCall) -> Bool) {
        guard !self.isEmpty else { return }
        self.calls = self.calls[self.taken...].filter { !isGone($0) }
        self.taken = 0
    }
}
