/// The last ids of a bounded number.
struct RecentIDs: Sendable {
    private let limit: Int
    private var ring: [String] = []
    private var next = 0
    private var known: Set<String> = []

    init(limit: Int) { self.limit = max(1, limit) }

    mutating func insert(_ id: String) {
        guard self.known.insert(id).inserted else { return }
        if self.ring.count < self.limit {
            self.ring.append(id)
            return
        }
        self.known.remove(self.ring[self.next])
        self.ring[self.next] = id
        self.next = (self.next + 1) % self.limit
    }

    func contains(_ id: String) -> Bool { self.known.contains(id) }
}
