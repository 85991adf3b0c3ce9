/// A heap of times, soonest first, in which the time of any item can be changed or taken out.
///
/// Items are small numbers (slots of a slab). Four children per node: half the depth of a binary heap, and siblings
/// share a cache line.
package struct IndexedHeap: Sendable {
    private struct Node: Sendable {
        var at: Instant
        var item: UInt32
    }

    private static let absent = UInt32.max

    private var nodes: [Node] = []
    /// Position in `nodes` by item.
    private var positions: [UInt32] = []

    package init() {}

    package var count: Int { self.nodes.count }
    package var isEmpty: Bool { self.nodes.isEmpty }

    package var first: (at: Instant, item: UInt32)? {
        guard let node = self.nodes.first else { return nil }
        return (node.at, node.item)
    }

    package func time(of item: UInt32) -> Instant? {
        guard Int(item) < self.positions.count, self.positions[Int(item)] != Self.absent else { return nil }
        return self.nodes[Int(self.positions[Int(item)])].at
    }

    /// Puts the item in, or moves it to another time.
    package mutating func set(_ item: UInt32, at time: Instant) {
        while self.positions.count <= Int(item) { self.positions.append(Self.absent) }
        let position = self.positions[Int(item)]
        if position == Self.absent {
            self.nodes.append(Node(at: time, item: item))
            self.siftUp(self.nodes.count - 1)
            return
        }
        let earlier = time < self.nodes[Int(position)].at
        self.nodes[Int(position)].at = time
        if earlier { self.siftUp(Int(position)) } else { self.siftDown(Int(position)) }
    }

    /// Returns the time that the item had; `nil` if it was not in.
    @discardableResult
    package mutating func remove(_ item: UInt32) -> Instant? {
        guard Int(item) < self.positions.count, self.positions[Int(item)] != Self.absent else { return nil }
        let position = Int(self.positions[Int(item)])
        let removed = self.nodes[position].at
        self.positions[Int(item)] = Self.absent
        let last = self.nodes.removeLast()
        guard position < self.nodes.count else { return removed }
        self.nodes[position] = last
        self.positions[Int(last.item)] = UInt32(position)
        if last.at < removed { self.siftUp(position) } else { self.siftDown(position) }
        return removed
    }

    /// Takes out the soonest item if its time has come.
    package mutating func popFirst(until now: Instant) -> UInt32? {
        guard let node = self.nodes.first, node.at <= now else { return nil }
        self.remove(node.item)
        return node.item
    }

    private mutating func siftUp(_ start: Int) {
        let moving = self.nodes[start]
        var position = start
        while position > 0 {
            let parent = (position - 1) / 4
            guard moving.at < self.nodes[parent].at else { break }
            self.put(self.nodes[parent], at: position)
            position = parent
        }
        self.put(moving, at: position)
    }

    private mutating func siftDown(_ start: Int) {
        let moving = self.nodes[start]
        var position = start
        while true {
            let firstChild = position * 4 + 1
            guard firstChild < self.nodes.count else { break }
            var least = firstChild
            let end = min(firstChild + 4, self.nodes.count)
            for child in firstChild..<end where self.nodes[child].at < self.nodes[least].at { least = child }
            guard self.nodes[least].at < moving.at else { break }
            self.put(self.nodes[least], at: position)
            position = least
        }
        self.put(moving, at: position)
    }

    @inline(always)
    private mutating func put(_ node: Node, at position: Int) {
        self.nodes[position] = node
        self.positions[Int(node.item)] = UInt32(position)
    }
}
